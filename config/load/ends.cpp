// Inputs and pushes: URLs and their options.
#include <algorithm>

#include "config/load/draft.h"

namespace headgate::config {
namespace {

struct Protocol {
  const char* scheme;
  bool input;
  bool push;
};

// What the map knows; udp and rtp are served.
constexpr std::array<Protocol, 12> kProtocols{{{"udp", true, true},
                                               {"rtp", true, true},
                                               {"srt", true, true},
                                               {"rist", true, true},
                                               {"rtmp", true, true},
                                               {"rtmps", true, true},
                                               {"rtmpt", true, true},
                                               {"rtmpe", true, true},
                                               {"rtmpte", true, true},
                                               {"http", true, false},
                                               {"https", true, false},
                                               {"file", true, false}}};

constexpr const char* kProgramSchema =
    R"({"anyOf":[{"type":"integer","minimum":1,"maximum":65535},{"type":"object","properties":{"name":{"type":"string"}},"required":["name"],"additionalProperties":false}]})";

Parsed<Program> parse_program(const Value& value) {
  if (value.is_map()) {
    if (value.entries.size() == 1 && value.entries[0].key == "name" && value.entries[0].value->is_scalar() &&
        check_title(value.entries[0].value->text)) {
      return Program(value.entries[0].value->text);
    }
    return tl::unexpected<std::string>("must be a program_number, or { name: \"Service\" }");
  }
  if (value.is_scalar() && !value.text.empty() && !(value.text[0] >= '0' && value.text[0] <= '9')) {
    return tl::unexpected<std::string>(fmt::format(
        "must be a program_number: for a service's name write {{ name: \"{}\" }}", shown(value.text)));
  }
  return parse_integer(value, 1, 65535).map([](std::uint64_t n) {
    return Program(static_cast<std::uint16_t>(n));
  });
}

// Both directions take these.
std::vector<Field<EndDraft>> common_fields(bool input) {
  using D = EndDraft;
  return {
      required(custom<D>(
          "url", R"({"type":"string"})", "",
          input ? "udp://[SOURCE@]GROUP:PORT, rtp://…; udp://:PORT takes unicast to the interface"
                : "udp://GROUP:PORT or rtp://GROUP:PORT",
          [input](Report& report, const Value& value, D& out) { read_url(report, value, input, out); })),
      text<D>("interface", &D::interface, check_interface_name, "", "its interface; else the default one"),
      integer<D>("vlan", &D::vlan, 1, 4094, "", "its VLAN on that interface; else untagged")};
}

std::string unescape(std::string_view text) {
  std::string out;
  const auto hex = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

Place shifted(const Value& url, std::size_t offset) {
  Place place = url.place;
  place.column += static_cast<int>(offset) + (url.quoted ? 1 : 0);
  return place;
}

// The protocol, if it is one that is served; else an error.
bool check_scheme(Report& report, const Value& value, std::string_view scheme, bool input) {
  if (scheme == "udp" || scheme == "rtp") return true;
  const char* kind = input ? "inputs" : "pushes";
  std::vector<std::string> names;
  for (const Protocol& protocol : kProtocols) {
    if (!(input ? protocol.input : protocol.push)) continue;
    names.emplace_back(protocol.scheme);
    if (scheme == protocol.scheme) {
      report.error(value.place, fmt::format("{} {} are not supported yet", scheme, kind));
      return false;
    }
  }
  report.error(value.place, fmt::format("unknown protocol '{}'{}", shown(scheme), suggestion(scheme, names)));
  return false;
}

std::string_view scheme_of(std::string_view url) {
  const std::size_t end = url.find("://");
  return end == std::string_view::npos ? std::string_view() : url.substr(0, end);
}

// A map out of a URL with a query: options become keys beside `url`, each with its own place.
ValuePtr split_url(Report& report, const Value& url, const Value* map) {
  auto out = std::make_shared<Value>();
  out->kind = Value::Kind::map;
  out->place = map != nullptr ? map->place : url.place;
  const std::size_t question = url.text.find('?');
  auto base = std::make_shared<Value>(url);
  base->text = url.text.substr(0, question);
  out->entries.push_back({"url", url.place, base});
  for (std::size_t at = question; at < url.text.size();) {
    const std::size_t begin = at + 1;
    at = std::min(url.text.find('&', begin), url.text.size());
    const std::string_view option = std::string_view(url.text).substr(begin, at - begin);
    if (option.empty()) continue;
    const std::size_t equals = std::min(option.find('='), option.size());
    const std::string key = unescape(option.substr(0, equals));
    const Place place = shifted(url, begin);
    if (equals == option.size()) {
      report.error(place, fmt::format("option '{}' has no value: write {}=VALUE", shown(key), shown(key)));
    } else if (out->find(key) != nullptr) {
      report.error(place, fmt::format("option '{}' stands in the URL twice", shown(key)));
    } else if (map != nullptr && map->find(key) != nullptr) {
      report.error(place, fmt::format("option '{}' stands in the URL and as a key: keep one", shown(key)));
    } else {
      out->entries.push_back({key, place, make_scalar(unescape(option.substr(equals + 1)), place)});
    }
  }
  if (map == nullptr) return out;
  for (const Entry& entry : map->entries) {
    if (entry.key != "url" && out->find(entry.key) == nullptr) out->entries.push_back(entry);
  }
  return out;
}

// rtp has options that udp has not, in both directions.
void refuse_foreign_options(Report& report, Value& map, std::string_view scheme, bool input) {
  const std::vector<std::string> rtp{"fec", "pair", "skew"};
  const std::vector<std::string> srt{"latency", "passphrase_file", "mode", "streamid", "key_file"};
  const auto foreign = [&](const Entry& entry) {
    const bool is_rtp = std::find(rtp.begin(), rtp.end(), entry.key) != rtp.end();
    const bool is_other = std::find(srt.begin(), srt.end(), entry.key) != srt.end();
    if (!is_other && !(is_rtp && scheme == "udp")) return false;
    report.error(entry.place,
                 fmt::format("{} {} have no option '{}'", scheme, input ? "inputs" : "pushes", entry.key));
    return true;
  };
  map.entries.erase(std::remove_if(map.entries.begin(), map.entries.end(), foreign), map.entries.end());
}

// [SOURCE@]GROUP, @GROUP, or nothing (unicast to us).
void read_host(Report& report, const Value& value, std::string_view host, bool input, EndDraft& out) {
  const std::size_t at = host.find('@');
  if (at != std::string_view::npos && at > 0) {
    const auto source = parse_ipv4(host.substr(0, at));
    if (!input) {
      report.error(value.place, "a push takes no SOURCE@: it leaves from the interface's address");
    } else if (!source || !is_unicast(*source)) {
      report.error(value.place,
                   fmt::format("the source '{}' must be a host's IPv4 address", shown(host.substr(0, at))));
    } else {
      out.source = source;
    }
  }
  const std::string_view group = at == std::string_view::npos ? host : host.substr(at + 1);
  if (group.empty() && at == std::string_view::npos && input) return;
  if (group.size() > 2 && group.front() == '[' && group.back() == ']' &&
      is_ipv6(group.substr(1, group.size() - 2))) {
    report.error(value.place, "IPv6 groups are not supported yet");
    return;
  }
  const auto address = parse_ipv4(group);
  if (!address) {
    report.error(value.place, fmt::format("'{}' is no IPv4 address: write udp://GROUP:PORT", shown(group)));
  } else if (!is_multicast(*address) && !input) {
    report.error(value.place,
                 is_unicast(*address)
                     ? "unicast pushes are not supported yet: push to a multicast group"
                     : fmt::format("{} is no multicast group (224.0.0.0 to 239.255.255.255)", group));
  } else if (is_multicast(*address) && (*address >> 8) == 0xE00000) {
    // RFC 5771 clause 4: never forwarded, and not reported by hosts (RFC 3376 clause 5 for 224.0.0.1).
    report.error(value.place,
                 fmt::format("{} is reserved for the link (224.0.0.x): take another group", group));
  } else if (!is_multicast(*address) && at != std::string_view::npos) {
    report.error(value.place, fmt::format("{} is no multicast group (224.0.0.0 to 239.255.255.255)", group));
  } else {
    out.group = address;
  }
}

}  // namespace

void read_url(Report& report, const Value& value, bool input, EndDraft& out) {
  const std::string_view scheme = scheme_of(value.text);
  out.protocol = scheme == "rtp" ? DatagramProtocol::rtp : DatagramProtocol::udp;
  std::string_view rest = std::string_view(value.text).substr(scheme.size() + 3);
  if (rest.find('/') != std::string_view::npos) {
    report.error(value.place, fmt::format("a {} URL ends after its port: remove '{}'", scheme,
                                          shown(rest.substr(rest.find('/')))));
    rest = rest.substr(0, rest.find('/'));
  }
  const std::size_t bracket = rest.rfind(']');
  const std::size_t colon = rest.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = rest.substr(0, colon);
  if (colon == std::string_view::npos) {
    report.error(value.place, fmt::format("the port is missing: write {}://{}:PORT", scheme, shown(host)));
  } else {
    const auto port = parse_number(rest.substr(colon + 1));
    if (!port && !port.error().starts_with("must")) {
      report.error(value.place, "the port is not clear: " + port.error());
    } else if (!port || *port < 1 || *port > 65535) {
      report.error(value.place,
                   fmt::format("the port must be 1 to 65535, not '{}'", shown(rest.substr(colon + 1))));
    } else {
      out.port = static_cast<std::uint16_t>(*port);
    }
  }
  read_host(report, value, host, input, out);
}

const Table<EndDraft>& input_table() {
  static const Table<EndDraft> kTable{
      "an input", [] {
        auto fields = common_fields(true);
        fields.push_back(
            scalar<EndDraft>("program", kProgramSchema, &EndDraft::program, parse_program, "",
                             "program_number out of a multi-program stream, or { name: \"Service\" }"));
        for (const char* name : {"publish", "fec", "pair", "skew", "latency", "passphrase_file", "mode",
                                 "streamid", "key_file", "grace"}) {
          fields.push_back(refused<EndDraft>(name));
        }
        return fields;
      }()};
  return kTable;
}

const Table<EndDraft>& push_table() {
  using D = EndDraft;
  static const Table<D> kTable{
      "a push", [] {
        auto fields = common_fields(false);
        fields.push_back(integer<D>("ttl", &D::ttl, 1, 255, "16", "IP time to live"));
        fields.push_back(integer<D>("dscp", &D::dscp, 0, 63, "0", "DiffServ code point, RFC 2474"));
        fields.push_back(
            boolean<D>("enabled", &D::enabled, "true", "false keeps it in the map but sends nothing"));
        for (const char* name :
             {"record", "fec", "latency", "passphrase_file", "mode", "streamid", "key_file"}) {
          fields.push_back(refused<D>(name));
        }
        return fields;
      }()};
  return kTable;
}

void read_end(Report& report, const Value& value, const Table<EndDraft>& table, EndDraft& out) {
  const bool input = &table == &input_table();
  const char* other = input ? "publish" : "record";
  out.place = value.place;
  if (value.is_map() && value.find(other) != nullptr) {
    report.error(value.find(other)->place, fmt::format("'{}' is not supported yet", other));
    return;
  }
  const Entry* key = value.is_map() ? value.find("url") : nullptr;
  if (value.is_map() && key == nullptr) {
    report.error(value.place, fmt::format("{} needs the key 'url'", table.what()));
    return;
  }
  const Value& url = key != nullptr ? *key->value : value;
  const std::string_view scheme = url.is_scalar() ? scheme_of(url.text) : std::string_view();
  if (scheme.empty()) {
    report.error(url.place,
                 fmt::format("{} must be a URL like udp://239.10.1.1:5000, or a map with url, not {}",
                             table.what(), kind_name(url)));
    return;
  }
  if (!check_scheme(report, url, scheme, input)) return;
  constexpr std::size_t kMaxUrl = 1024;
  if (url.text.size() > kMaxUrl) {
    report.error(url.place, fmt::format("the URL has more than {} characters", kMaxUrl));
    return;
  }
  auto map = std::make_shared<Value>(*split_url(report, url, key != nullptr ? &value : nullptr));
  refuse_foreign_options(report, *map, scheme, input);
  read_table(report, *map, table, out);
}

Parsed<Program> parse_channel_program(const Value& value) { return parse_program(value); }
const char* program_schema() { return kProgramSchema; }

}  // namespace headgate::config

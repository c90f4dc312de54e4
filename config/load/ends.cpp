// Inputs and pushes: which protocols there are, and the options of each.
#include <algorithm>

#include "config/load/draft.h"

namespace headgate::config {
namespace {

using std::chrono::milliseconds;

struct Protocol {
  const char* scheme;
  bool input;
  bool push;
  const char* input_options;  // beside url; "" where the protocol is not served yet
  const char* push_options;
};

constexpr std::array<Protocol, 12> kProtocols{
    {{"udp", true, true, "interface vlan program", "interface vlan ttl dscp enabled"},
     {"rtp", true, true, "interface vlan program fec pair skew", "interface vlan ttl dscp enabled fec"},
     {"srt", true, true, "program latency passphrase_file streamid mode",
      "enabled latency passphrase_file streamid mode"},
     {"rist", true, true, "", ""},
     {"rtmp", true, true, "program", "enabled key_file"},
     {"rtmps", true, true, "program", "enabled key_file"},
     {"rtmpt", true, true, "", ""},
     {"rtmpe", true, true, "", ""},
     {"rtmpte", true, true, "", ""},
     {"http", true, false, "program", ""},
     {"https", true, false, "program", ""},
     {"file", true, false, "program", ""}}};
constexpr const char* kPublishOptions = "publish program";

const char* options_of(const Protocol& protocol, bool input) {
  return input ? protocol.input_options : protocol.push_options;
}

// JSON Schema of a URL.
std::string url_schema(bool input) {
  std::string others;
  for (const Protocol& protocol : kProtocols) {
    const std::string scheme = protocol.scheme;
    if (scheme == "udp" || scheme == "rtp" || *options_of(protocol, input) == '\0') continue;
    others += (others.empty() ? "" : "|") + scheme;
  }
  return fmt::format(
      R"j({{"type":"string","pattern":"^((udp|rtp)://{}:(0[xX][0-9A-Fa-f]+|[1-9][0-9]*)([?]|$)|({})://.)"}})j",
      input ? "([0-9.]*@)?[0-9.]*" : "[0-9.]+", others);
}

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
      custom<D>(
          "url", url_schema(input), "",
          input ? "udp://[SOURCE@]GROUP:PORT, rtp://…; udp://:PORT takes unicast to the interface; "
                  "srt://HOST:PORT, srt://:PORT; rtmp://HOST/APP/STREAM, rtmps://…; http(s)://….m3u8 (HLS), "
                  "http(s)://… (TS over HTTP); file:///PATH (looped)"
                : "udp://GROUP:PORT or rtp://GROUP:PORT; srt://HOST:PORT; rtmp://HOST/APP with key_file, "
                  "rtmp://HOST/APP/STREAM, rtmps://…",
          [input](Report& report, const Value& value, D& out) { read_url(report, value, input, out); }),
      text<D>("interface", &D::interface, check_interface_name, "",
              "of udp and rtp: its interface; else the default one"),
      integer<D>("vlan", &D::vlan, 1, 4094, "", "of udp and rtp: its VLAN on that interface; else untagged")};
}

std::vector<Field<EndDraft>> srt_fields(bool input) {
  using D = EndDraft;
  return {
      duration<D>("latency", &D::latency, milliseconds(20), milliseconds(8000), "120ms",
                  "of srt: time to repair losses, at least four times the round trip; the other end may "
                  "ask for more"),
      text<D>(
          "passphrase_file", [](D& d) -> Located<std::string>& { return d.passphrase.file; }, check_file, "",
          "of srt: file that holds the AES passphrase, 10 to 79 characters, relative to this file"),
      text<D>("streamid", &D::stream_id, check_stream_id, "", "of srt://HOST:PORT: what is asked for there"),
      choice<D>("mode", &D::mode,
                input ? std::vector<std::pair<std::string, std::string>>{{"caller", "caller"},
                                                                         {"listener", "listener"},
                                                                         {"rendezvous", "rendezvous"}}
                      : std::vector<std::pair<std::string, std::string>>{{"caller", "caller"},
                                                                         {"rendezvous", "rendezvous"}},
                "", "of srt: who calls, where the URL does not say it; rendezvous is not supported yet")};
}

const Table<PublishDraft>& publish_table() {
  using D = PublishDraft;
  static const Table<D> kTable{
      "publish",
      {text<D>(
           "key_file", [](D& d) -> Located<std::string>& { return d.key.file; }, check_file, "",
           "file that holds the key that an encoder must give, 8 to 128 characters, relative to this file; "
           "without it anybody may publish"),
       duration<D>("grace", &D::grace, milliseconds(0), milliseconds(600'000), "5s",
                   "a vanished encoder's place and timeline are kept so long")}};
  return kTable;
}

Place shifted(const Value& url, std::size_t offset) {
  Place place = url.place;
  place.column += static_cast<int>(offset) + (url.quoted ? 1 : 0);
  return place;
}

// The protocol, if it is one that is served; else null after an error.
const Protocol* check_scheme(Report& report, const Value& value, std::string_view scheme, bool input) {
  std::vector<std::string> names;
  for (const Protocol& protocol : kProtocols) {
    if (scheme == protocol.scheme && !(input ? protocol.input : protocol.push)) {
      report.error(value.place,
                   fmt::format("there is no push by {}: push by udp, rtp, srt, rtmp or rtmps, or let players "
                               "fetch it, serve: [http-ts]",
                               scheme));
      return nullptr;
    }
    if (!(input ? protocol.input : protocol.push)) continue;
    names.emplace_back(protocol.scheme);
    if (scheme != protocol.scheme) continue;
    if (*options_of(protocol, input) != '\0') return &protocol;
    report.error(value.place,
                 fmt::format("{} {} are not supported yet", scheme, input ? "inputs" : "pushes"));
    return nullptr;
  }
  report.error(value.place, fmt::format("unknown protocol '{}'{}", shown(scheme), suggestion(scheme, names)));
  return nullptr;
}

std::string_view scheme_of(std::string_view url) {
  const std::size_t end = url.find("://");
  return end == std::string_view::npos ? std::string_view() : url.substr(0, end);
}

// A word of a list of words.
bool has_word(std::string_view list, std::string_view word) {
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(' ', at), list.size());
    if (list.substr(at, end - at) == word) return true;
    at = end + 1;
  }
  return false;
}

// The query of these belongs to the server that they name; of it only our own options are ours.
bool has_own_query(std::string_view scheme) {
  return scheme.starts_with("http") || scheme.starts_with("rtmp");
}

// A map out of a URL with a query: options become keys beside `url`, each with its own place.
ValuePtr split_url(Report& report, const Value& url, const Value* map, bool own_query,
                   std::string_view options) {
  auto out = std::make_shared<Value>();
  out->kind = Value::Kind::map;
  out->place = map != nullptr ? map->place : url.place;
  const std::size_t question = url.text.find('?');
  auto base = std::make_shared<Value>(url);
  base->text = url.text.substr(0, question);
  char joint = '?';
  out->entries.push_back({"url", url.place, base});
  for (std::size_t at = question; at < url.text.size();) {
    const std::size_t begin = at + 1;
    at = std::min(url.text.find('&', begin), url.text.size());
    const std::string_view option = std::string_view(url.text).substr(begin, at - begin);
    if (option.empty()) continue;
    const std::size_t equals = std::min(option.find('='), option.size());
    const std::string key = unescape(option.substr(0, equals));
    if (own_query && !has_word(options, key)) {
      base->text += joint;
      base->text += option;
      joint = '&';
      continue;
    }
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

// Options that another protocol has. What no protocol has is left to the table.
void refuse_foreign_options(Report& report, Value& map, std::string_view what, std::string_view options) {
  const auto has = [](const Table<EndDraft>& table, const std::string& key) {
    return std::any_of(table.fields.begin(), table.fields.end(),
                       [&](const auto& field) { return field.key.name == key; });
  };
  const auto foreign = [&](const Entry& entry) {
    if (entry.key == "url" || has_word(options, entry.key)) return false;
    if (!has(input_table(), entry.key) && !has(push_table(), entry.key)) return false;
    report.error(entry.place, fmt::format("{} have no option '{}'", what, entry.key));
    return true;
  };
  map.entries.erase(std::remove_if(map.entries.begin(), map.entries.end(), foreign), map.entries.end());
}

// publish: with nothing behind it equals publish: {}.
void read_publish(Report& report, const Value& value, EndDraft& out) {
  auto map = std::make_shared<Value>(value);
  out.kind = InputKind::publish;
  out.url = "publish";
  for (Entry& entry : map->entries) {
    if (entry.key != "publish" || !entry.value->is_null()) continue;
    auto empty = std::make_shared<Value>();
    empty->kind = Value::Kind::map;
    empty->place = entry.place;
    entry.value = empty;
  }
  if (const Entry* url = map->find("url"); url != nullptr) {
    report.error(url->place, "an input has a url or publish, not both: write two inputs");
    return;
  }
  refuse_foreign_options(report, *map, "publish inputs", kPublishOptions);
  read_table(report, *map, input_table(), out);
}

// The URL of an end: the value itself, or the map's. Null after an error.
const Value* find_url(Report& report, const Value& value, const Table<EndDraft>& table, bool input) {
  const Entry* key = value.is_map() ? value.find("url") : nullptr;
  if (value.is_map() && key == nullptr) {
    report.error(value.place,
                 fmt::format("{} needs the key 'url'{}", table.what(), input ? " or 'publish'" : ""));
    return nullptr;
  }
  const Value& url = key != nullptr ? *key->value : value;
  if (url.is_scalar() && !scheme_of(url.text).empty()) return &url;
  report.error(url.place,
               fmt::format("{} must be a URL like udp://239.10.1.1:5000, or a map with url{}, not {}",
                           table.what(), input ? " or publish" : "", kind_name(url)));
  return nullptr;
}

}  // namespace

const Table<EndDraft>& input_table() {
  using D = EndDraft;
  static const Table<D> kTable{
      "an input", [] {
        auto fields = common_fields(true);
        fields.push_back(scalar<D>("program", kProgramSchema, &D::program, parse_program, "",
                                   "program_number out of a multi-program stream, or { name: \"Service\" }"));
        for (auto& field : srt_fields(true)) fields.push_back(std::move(field));
        fields.push_back(table<D>("publish", &D::publish, publish_table(),
                                  "instead of url: an encoder comes to our RTMP or SRT server; needs "
                                  "servers.rtmp, servers.rtmps or servers.srt"));
        for (const char* name : {"fec", "pair", "skew"}) fields.push_back(refused<D>(name));
        return fields;
      }()};
  return kTable;
}

const Table<EndDraft>& push_table() {
  using D = EndDraft;
  static const Table<D> kTable{
      "a push", [] {
        auto fields = common_fields(false);
        fields.push_back(integer<D>("ttl", &D::ttl, 1, 255, "16", "of udp and rtp: IP time to live"));
        fields.push_back(
            integer<D>("dscp", &D::dscp, 0, 63, "0", "of udp and rtp: DiffServ code point, RFC 2474"));
        fields.push_back(
            boolean<D>("enabled", &D::enabled, "true", "false keeps it in the map but sends nothing"));
        for (auto& field : srt_fields(false)) fields.push_back(std::move(field));
        fields.push_back(text<D>(
            "key_file", [](D& d) -> Located<std::string>& { return d.key.file; }, check_file, "",
            "of rtmp and rtmps: file that holds the stream name (stream key), relative to this file; without "
            "it the URL's last path segment is the stream name"));
        for (const char* name : {"record", "fec"}) fields.push_back(refused<D>(name));
        return fields;
      }()};
  return kTable;
}

void read_end(Report& report, const Value& value, const Table<EndDraft>& table, EndDraft& out) {
  const bool input = &table == &input_table();
  out.place = value.place;
  if (input && value.is_map() && value.find("publish") != nullptr) return read_publish(report, value, out);
  if (!input && value.is_map() && value.find("record") != nullptr) {
    report.error(value.find("record")->place, "'record' is not supported yet");
    return;
  }
  const Value* url = find_url(report, value, table, input);
  if (url == nullptr) return;
  const Protocol* protocol = check_scheme(report, *url, scheme_of(url->text), input);
  if (protocol == nullptr) return;
  constexpr std::size_t kMaxUrl = 4096;  // signed URLs are long
  if (url->text.size() > kMaxUrl) {
    report.error(url->place, fmt::format("the URL has more than {} characters", kMaxUrl));
    return;
  }
  out.scheme = protocol->scheme;
  const std::string_view options = options_of(*protocol, input);
  auto map = std::make_shared<Value>(
      *split_url(report, *url, value.is_map() ? &value : nullptr, has_own_query(out.scheme), options));
  refuse_foreign_options(report, *map, fmt::format("{} {}", out.scheme, input ? "inputs" : "pushes"),
                         options);
  read_table(report, *map, table, out);
  check_end(report, *url, input, out);
}

Parsed<Program> parse_channel_program(const Value& value) { return parse_program(value); }
const char* program_schema() { return kProgramSchema; }

std::string protocol_rules(bool input) {
  // Without those that are refused, too.
  const auto list = [input](std::string_view options) {
    std::string words;
    for (const auto& field : (input ? input_table() : push_table()).fields) {
      if (field.key.served && has_word(options, field.key.name))
        words += (words.empty() ? "\"" : ",\"") + field.key.name + '"';
    }
    return "[" + words + "]";
  };
  std::string rules;
  for (const Protocol& protocol : kProtocols) {
    const std::string options = options_of(protocol, input);
    if (options.empty()) continue;
    rules += fmt::format(
        R"({}{{"if":{{"required":["url"],"properties":{{"url":{{"pattern":"^{}://"}}}}}},"then":{{"propertyNames":{{"enum":{}}}}}}})",
        rules.empty() ? "" : ",", protocol.scheme, list("url " + options));
  }
  if (input)
    rules += fmt::format(R"(,{{"if":{{"required":["publish"]}},"then":{{"propertyNames":{{"enum":{}}}}}}})",
                         list(kPublishOptions));
  return "[" + rules + "]";
}

}  // namespace headgate::config

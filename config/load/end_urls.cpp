// The URLs of inputs and pushes, each by the rules of its protocol.
#include <algorithm>

#include "config/load/draft.h"

namespace headgate::config {
namespace {

// [SOURCE@]GROUP, @GROUP, or nothing (unicast to us).
void read_group(Report& report, const Value& value, std::string_view host, bool input, EndDraft& out) {
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

struct Authority {
  std::string_view host;
  std::string_view port;
  bool has_port = false;
};

Authority split_authority(std::string_view text) {
  const std::size_t bracket = text.rfind(']');
  const std::size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon == std::string_view::npos) return {text, {}, false};
  return {text.substr(0, colon), text.substr(colon + 1), true};
}

// 0 after an error.
std::uint16_t read_port(Report& report, const Value& value, std::string_view text) {
  const auto port = parse_number(text);
  if (!port && !port.error().starts_with("must")) {
    report.error(value.place, "the port is not clear: " + port.error());
  } else if (!port || *port < 1 || *port > 65535) {
    report.error(value.place, fmt::format("the port must be 1 to 65535, not '{}'", shown(text)));
  } else {
    return static_cast<std::uint16_t>(*port);
  }
  return 0;
}

// udp, rtp and srt name a host and a port and nothing more.
std::optional<Authority> read_host_and_port(Report& report, const Value& value, const EndDraft& out) {
  std::string_view rest = std::string_view(value.text).substr(out.scheme.size() + 3);
  if (rest.find('/') != std::string_view::npos) {
    report.error(value.place,
                 fmt::format("{} {} URL ends after its port: remove '{}'", out.scheme == "srt" ? "an" : "a",
                             out.scheme, shown(rest.substr(rest.find('/')))));
    rest = rest.substr(0, rest.find('/'));
  }
  const Authority authority = split_authority(rest);
  if (authority.has_port) return authority;
  report.error(value.place,
               fmt::format("the port is missing: write {}://{}:PORT", out.scheme, shown(authority.host)));
  return std::nullopt;
}

void read_datagrams(Report& report, const Value& value, bool input, EndDraft& out) {
  out.protocol = out.scheme == "rtp" ? DatagramProtocol::rtp : DatagramProtocol::udp;
  std::string_view host;
  if (const auto authority = read_host_and_port(report, value, out)) {
    out.port = read_port(report, value, authority->port);
    host = authority->host;
  } else {
    const std::string_view rest = std::string_view(value.text).substr(out.scheme.size() + 3);
    host = rest.substr(0, rest.find('/'));
  }
  read_group(report, value, host, input, out);
}

void read_srt(Report& report, const Value& value, EndDraft& out) {
  out.kind = InputKind::srt_caller;
  const auto authority = read_host_and_port(report, value, out);
  const std::uint16_t port = authority ? read_port(report, value, authority->port) : 0;
  if (port == 0) return;
  if (!authority->host.empty() && !is_host(authority->host)) {
    report.error(value.place,
                 fmt::format("'{}' is no host: write srt://HOST:PORT, or srt://:PORT to be called",
                             shown(authority->host)));
    return;
  }
  out.kind = authority->host.empty() ? InputKind::srt_listener : InputKind::srt_caller;
  out.address = fmt::format("{}:{}", authority->host.empty() ? "[::]" : authority->host, port);
  out.url = fmt::format("srt://{}:{}", authority->host, port);
}

struct WebUrl {
  std::string_view user;       // with its @
  std::string_view authority;  // without
  std::string_view path;       // with its slash; ""
  std::string_view query;      // with its ?
};

// Nothing after an error.
std::optional<WebUrl> read_web_url(Report& report, const Value& value, const EndDraft& out) {
  const auto refuse = [&](const std::string& why) {
    report.error(value.place, why);
    return std::nullopt;
  };
  const bool clean = std::all_of(value.text.begin(), value.text.end(),
                                 [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; });
  if (!clean) return refuse("the URL has a character that no URL has: write %20 for a space");
  std::string_view rest = std::string_view(value.text).substr(out.scheme.size() + 3);
  rest = rest.substr(0, rest.find('#'));
  WebUrl url;
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  const std::size_t at = rest.substr(0, end).rfind('@');
  const std::size_t host = at == std::string_view::npos ? 0 : at + 1;
  url.user = rest.substr(0, host);
  url.authority = rest.substr(host, end - host);
  const std::size_t question = std::min(rest.find('?', end), rest.size());
  url.path = rest.substr(end, question - end);
  url.query = rest.substr(question);
  const Authority authority = split_authority(url.authority);
  if (!is_host(authority.host)) {
    return refuse(authority.host.empty()
                      ? fmt::format("the host is missing: write {}://HOST/…", out.scheme)
                      : fmt::format("'{}' is no host: write {}://HOST/…", shown(authority.host), out.scheme));
  }
  if (authority.has_port && read_port(report, value, authority.port) == 0) return std::nullopt;
  return url;
}

void read_http(Report& report, const Value& value, EndDraft& out) {
  out.kind = InputKind::http_ts;
  const auto url = read_web_url(report, value, out);
  if (!url) return;
  std::string path(url->path);
  std::transform(path.begin(), path.end(), path.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (path.ends_with(".m3u8")) out.kind = InputKind::hls;
  out.address = fmt::format("{}://{}{}{}{}", out.scheme, url->user, url->authority,
                            url->path.empty() ? "/" : url->path, url->query);
  // The query often holds a token.
  out.url = fmt::format("{}://{}{}", out.scheme, url->authority, url->path.empty() ? "/" : url->path);
}

void read_rtmp(Report& report, const Value& value, bool input, EndDraft& out) {
  out.kind = InputKind::rtmp;
  const auto url = read_web_url(report, value, out);
  if (!url) return;
  if (!url->user.empty()) {
    report.error(value.place, fmt::format("a user in an {} URL is not supported yet", out.scheme));
    return;
  }
  std::string_view path = url->path;
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  if (path.size() < 2) {
    report.error(value.place, fmt::format("the application is missing: write {}://HOST/APP{}", out.scheme,
                                          input ? "/STREAM" : " with key_file, or …/APP/STREAM"));
    return;
  }
  if (input && path.rfind('/') == 0) {
    report.error(value.place, fmt::format("the stream is missing: write {}://{}{}/STREAM", out.scheme,
                                          url->authority, path));
    return;
  }
  out.url = fmt::format("{}://{}{}", out.scheme, url->authority, path);
  out.address = out.url + std::string(url->query);
}

void read_file_url(Report& report, const Value& value, EndDraft& out) {
  out.kind = InputKind::file;
  const std::string path = unescape(std::string_view(value.text).substr(out.scheme.size() + 3));
  const bool printable = std::none_of(
      path.begin(), path.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (path.size() < 2 || path.front() != '/' || path.back() == '/' || !printable) {
    report.error(value.place,
                 fmt::format("must name a file by its absolute path: write file:///PATH, not '{}'",
                             shown(value.text)));
    return;
  }
  out.address = path;
  out.url = "file://" + path;
}

// rtmp://HOST/APP and its stream name.
void check_rtmp_push(Report& report, const Value& url, EndDraft& out) {
  if (out.key.file.set || out.address.empty()) return;
  const std::size_t query = std::min(out.address.find('?'), out.address.size());
  const std::size_t slash = out.address.rfind('/', query);
  const std::size_t app = out.address.find('/', out.scheme.size() + 3);
  if (slash == app) {
    report.error(
        url.place,
        fmt::format("the stream name is missing: put it into a file and write key_file: FILE, or {}/STREAM",
                    out.address.substr(0, query)));
    out.address.clear();
    return;
  }
  out.stream = out.address.substr(slash + 1);
  out.address.resize(slash);
}

void check_srt(Report& report, const Value& url, bool input, EndDraft& out) {
  const std::string& mode = out.mode.value;
  if (mode == "rendezvous") {
    report.error(out.mode.place, "mode: rendezvous is not supported yet");
  } else if (mode == "caller" && out.kind == InputKind::srt_listener) {
    report.error(out.mode.place, "a caller needs a host to call: write srt://HOST:PORT");
  } else if (mode == "listener" && out.kind == InputKind::srt_caller) {
    const std::string host = out.address.substr(0, out.address.rfind(':'));
    if (!parse_ipv4(host) && host.front() != '[') {
      report.error(out.mode.place, fmt::format("a listener has no host to call: write srt://:{}",
                                               out.address.substr(out.address.rfind(':') + 1)));
      out.address.clear();
    }
    out.kind = InputKind::srt_listener;
  }
  if (out.kind != InputKind::srt_listener) return;
  if (!input) {
    report.error(url.place, "a push calls: write srt://HOST:PORT; who calls us is served by serve: [srt]");
    out.address.clear();
  } else if (out.stream_id.set) {
    report.error(out.stream_id.place,
                 "srt inputs that are called have no option 'streamid': the caller names it");
  }
}

}  // namespace

void read_url(Report& report, const Value& value, bool input, EndDraft& out) {
  if (out.scheme == "srt") {
    read_srt(report, value, out);
  } else if (out.scheme == "rtmp" || out.scheme == "rtmps") {
    read_rtmp(report, value, input, out);
  } else if (out.scheme == "http" || out.scheme == "https") {
    read_http(report, value, out);
  } else if (out.scheme == "file") {
    read_file_url(report, value, out);
  } else {
    read_datagrams(report, value, input, out);
  }
}

void check_end(Report& report, const Value& url, bool input, EndDraft& out) {
  if (out.scheme == "srt") check_srt(report, url, input, out);
  if (!input && out.kind == InputKind::rtmp) check_rtmp_push(report, url, out);
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

}  // namespace headgate::config

#include "control/cli/stream_url.h"

#include <algorithm>
#include <charconv>

namespace headgate::control {
namespace {

bool parse_number(const std::string& text, int low, int high, int& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= low && value <= high;
}

tl::expected<void, std::string> parse_query(const std::string& query, StreamUrl& url) {
  for (std::size_t at = 0; at < query.size();) {
    const std::size_t end = std::min(query.find('&', at), query.size());
    const std::string option = query.substr(at, end - at);
    at = end + 1;
    const auto equals = option.find('=');
    const std::string key = option.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : option.substr(equals + 1);
    if (key == "interface" && !value.empty()) {
      url.interface = value;
    } else if (key == "ttl") {
      if (!parse_number(value, 0, 255, url.ttl))
        return tl::unexpected("ttl must be 0 to 255, not '" + value + "'");
    } else {
      return tl::unexpected("unknown option '" + option + "': interface=NAME and ttl=N are known");
    }
  }
  return {};
}

}  // namespace

bool is_stream_url(const std::string& text) {
  return text.starts_with("udp://") || text.starts_with("rtp://");
}

tl::expected<StreamUrl, std::string> parse_stream_url(const std::string& text) {
  if (!is_stream_url(text))
    return tl::unexpected("'" + text + "' is neither udp://GROUP:PORT nor rtp://GROUP:PORT");
  StreamUrl url;
  url.rtp = text.starts_with("rtp://");
  std::string rest = text.substr(6);
  if (const auto question = rest.find('?'); question != std::string::npos) {
    if (auto done = parse_query(rest.substr(question + 1), url); !done) return tl::unexpected(done.error());
    rest.resize(question);
  }
  if (!rest.empty() && rest.back() == '/') rest.pop_back();
  if (const auto at = rest.find('@'); at != std::string::npos) {
    url.source = rest.substr(0, at);
    rest = rest.substr(at + 1);
  }
  const auto colon = rest.rfind(':');
  int port = 0;
  if (colon == std::string::npos || !parse_number(rest.substr(colon + 1), 1, 65535, port))
    return tl::unexpected("'" + text + "' needs a port from 1 to 65535, as udp://239.10.1.1:5000");
  url.port = static_cast<std::uint16_t>(port);
  url.host = rest.substr(0, colon);
  if (url.host.size() >= 2 && url.host.front() == '[' && url.host.back() == ']')
    url.host = url.host.substr(1, url.host.size() - 2);
  return url;
}

}  // namespace headgate::control

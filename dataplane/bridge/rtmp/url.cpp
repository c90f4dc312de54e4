#include "dataplane/bridge/rtmp/url.h"

#include <algorithm>
#include <charconv>

namespace headgate::bridge::rtmp {
namespace {

constexpr std::size_t kShortestSecret = 4;  // shorter ones are part of words

tl::unexpected<std::string> wrong(const char* what) { return tl::unexpected<std::string>(what); }

// Scheme, host and port; `path`: what follows the first slash.
tl::expected<Url, std::string> parse_server(std::string_view address, std::string_view& path) {
  Url url;
  if (address.starts_with("rtmps://")) {
    url.tls = true;
    url.port = 443;
    address.remove_prefix(8);
  } else if (address.starts_with("rtmp://")) {
    address.remove_prefix(7);
  } else {
    return wrong("the address does not begin with rtmp:// or rtmps://");
  }
  const std::size_t slash = std::min(address.find('/'), address.size());
  std::string_view server = address.substr(0, slash);
  path = address.substr(std::min(slash + 1, address.size()));
  if (server.starts_with('[')) {
    const std::size_t end = server.find(']');
    if (end == std::string_view::npos) return wrong("the address has no ] behind its [");
    url.host = server.substr(1, end - 1);
    server.remove_prefix(end + 1);
  } else {
    const std::size_t end = std::min(server.rfind(':'), server.size());
    url.host = server.substr(0, end);
    server.remove_prefix(end);
  }
  if (url.host.empty()) return wrong("the address names no host");
  if (server.empty()) return url;
  const auto digits = server.substr(1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
  const bool good = server[0] == ':' && error == std::errc() && end == digits.data() + digits.size();
  if (!good || url.port == 0) return wrong("the address has no port from 1 to 65535 behind its host");
  return url;
}

void name_server(Url& url) {
  const bool usual = url.port == (url.tls ? 443 : 1935);
  const bool v6 = url.host.find(':') != std::string::npos;
  url.tc_url = (url.tls ? "rtmps://" : "rtmp://") + (v6 ? "[" + url.host + "]" : url.host) +
               (usual ? "" : ":" + std::to_string(url.port)) + "/" + url.app;
}

void replace_all(std::string& text, std::string_view what) {
  if (what.size() < kShortestSecret) return;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += 1)
    text.replace(at, what.size(), "…");
}

}  // namespace

tl::expected<Url, std::string> parse_push_url(std::string_view address, std::string_view stream) {
  std::string_view path;
  auto url = parse_server(address, path);
  if (!url) return url;
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return wrong("the address has no application behind its host");
  if (stream.empty()) return wrong("there is no stream name");
  url->app = path;
  url->stream = stream;
  name_server(*url);
  return url;
}

tl::expected<Url, std::string> parse_pull_url(std::string_view address) {
  std::string_view path;
  auto url = parse_server(address, path);
  if (!url) return url;
  // The stream is the last segment before the query; "mp4:folder/film" holds slashes of its own.
  const std::string_view names = path.substr(0, path.find('?'));
  std::size_t cut = names.rfind('/');
  for (const std::string_view prefix : {"/mp4:", "/flv:", "/mp3:"}) cut = std::min(cut, names.find(prefix));
  if (cut == std::string_view::npos || cut == 0 || cut + 1 >= path.size())
    return wrong("the address is not of the form rtmp://HOST/APP/STREAM");
  url->app = path.substr(0, cut);
  url->stream = path.substr(cut + 1);
  name_server(*url);
  return url;
}

std::string without_secrets(std::string text, const Url& url) {
  replace_all(text, url.stream);
  for (const std::string_view name : {std::string_view(url.stream), std::string_view(url.app)}) {
    const std::size_t mark = name.find('?');
    if (mark == std::string_view::npos) continue;
    std::string_view query = name.substr(mark + 1);
    replace_all(text, query);
    while (!query.empty()) {
      const std::string_view item = query.substr(0, query.find('&'));
      if (const std::size_t value = item.find('='); value != std::string_view::npos)
        replace_all(text, item.substr(value + 1));
      query.remove_prefix(std::min(query.size(), item.size() + 1));
    }
  }
  return text;
}

}  // namespace headgate::bridge::rtmp

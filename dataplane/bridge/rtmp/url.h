// Addresses of RTMP servers that we go to: rtmp://HOST[:PORT]/APP[/STREAM], rtmps:// likewise over TLS. What
// stands for a person is made without secrets. Threading: pure functions, values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace headgate::bridge::rtmp {

struct Url {
  bool tls = false;
  std::string host;           // without brackets
  std::uint16_t port = 1935;  // rtmps: 443
  std::string app;            // "live", "app/instance", with its query; of a pull all but the last segment
  std::string stream;         // with its query
  std::string tc_url;         // scheme, host, port and app, as connect names them
};

// A push's address has no stream name in it.
tl::expected<Url, std::string> parse_push_url(std::string_view address, std::string_view stream);
tl::expected<Url, std::string> parse_pull_url(std::string_view address);

// `text` without the stream name and without the values behind '?' in it and in the app; for messages.
std::string without_secrets(std::string text, const Url& url);

}  // namespace headgate::bridge::rtmp

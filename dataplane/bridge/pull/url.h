// Addresses of the web: parsing, resolving what redirects and playlists name, and a form without secrets for
// people. References: RFC 3986 (3, 5.2), RFC 9110 4.2. Threading: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace headgate::bridge::pull {

inline constexpr std::size_t kMaxUrl = 8192;

struct Url {
  bool tls = false;
  std::string host;  // small letters; an IPv6 address without brackets
  std::uint16_t port = 80;
  std::string target = "/";  // path and query, as they are sent
  // Percent-decoded. Secrets, both: nowhere but in the Authorization header of this very server.
  bool has_credentials = false;
  std::string user;
  std::string password;

  bool operator==(const Url&) const = default;
  bool same_server(const Url& other) const {
    return tls == other.tls && port == other.port && host == other.host;
  }
  // For the Host header.
  std::string authority() const;
  // Without user, password and query: a query may hold a token.
  std::string shown() const;
  // "Basic …" (RFC 7617), "" without credentials.
  std::string authorization() const;
};

// An absolute http or https address. Errors quote nothing of the text, which may hold secrets.
tl::expected<Url, std::string> parse_url(std::string_view text);
// What a reference means in a document of that address (RFC 3986 5.2.2). Credentials go along to the same
// server only, unless the reference has its own.
tl::expected<Url, std::string> resolve(const Url& base, std::string_view reference);

}  // namespace headgate::bridge::pull

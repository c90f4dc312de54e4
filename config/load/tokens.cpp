// Secrets in files of their own. The admin server's tokens: a line each, ROLE TOKEN. Roles: viewer reads,
// operator also acts on what runs, admin also changes the map. Empty lines and lines that begin with # are
// skipped.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "config/load/files.h"

namespace headgate::config {

namespace {

// A secret alone in its file, with or without an end of line. The messages never show what may be it.
tl::expected<std::string, std::string> parse_secret(std::string text, const char* what, std::size_t min,
                                                    std::size_t max) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.find('\n') != std::string::npos)
    return tl::unexpected<std::string>(fmt::format("must hold the {} alone, in one line", what));
  if (text.size() < min || text.size() > max) {
    return tl::unexpected<std::string>(
        fmt::format("holds {} characters: a {} has {} to {}, make one with openssl rand -hex 16", text.size(),
                    what, min, max));
  }
  return text;
}

}  // namespace

tl::expected<std::string, std::string> parse_passphrase(const std::string& text) {
  auto passphrase = parse_secret(text, "passphrase", 10, 79);
  if (passphrase &&
      !std::all_of(passphrase->begin(), passphrase->end(), [](char c) { return c >= ' ' && c < 0x7f; })) {
    return tl::unexpected<std::string>(
        "holds a character that is not printable ASCII: make one with openssl rand -hex 16");
  }
  return passphrase;
}

tl::expected<std::string, std::string> parse_publish_key(const std::string& text) {
  auto key = parse_secret(text, "key", 8, 128);
  // Unreserved characters, RFC 3986 clause 2.3.
  const auto plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
  };
  if (key && !std::all_of(key->begin(), key->end(), plain)) {
    return tl::unexpected<std::string>(
        "holds a character other than letters, digits, - . _ and ~: make a key with openssl rand -hex 16");
  }
  return key;
}

tl::expected<std::string, std::string> parse_webhook_secret(const std::string& text) {
  return parse_secret(text, "secret", 16, 512);
}

tl::expected<std::string, std::string> parse_stream_key(const std::string& text) {
  std::string key = text;
  while (!key.empty() && (key.back() == '\n' || key.back() == '\r')) key.pop_back();
  constexpr std::size_t kMax = 512;
  if (key.empty() || key.size() > kMax ||
      !std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7f; })) {
    return tl::unexpected<std::string>(fmt::format(
        "must hold the stream key alone, in one line of 1 to {} characters without spaces", kMax));
  }
  return key;
}

std::vector<AdminToken> read_tokens(Report& report, const std::string& text, int file) {
  constexpr std::size_t kMinToken = 8;
  constexpr std::size_t kMaxToken = 256;
  std::vector<AdminToken> out;
  std::set<std::string> seen;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line);
    std::string role, token, more;
    words >> role >> token >> more;
    if (role.empty() || role[0] == '#') continue;
    // Never show what may be a token.
    const Place place{file, number, 1};
    if (token.empty() || !more.empty()) {
      report.error(place, "a token line must be ROLE TOKEN");
    } else if (role != "viewer" && role != "operator" && role != "admin") {
      report.error(place, "a token line begins with its role: viewer, operator or admin");
    } else if (token.size() < kMinToken || token.size() > kMaxToken ||
               !std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; })) {
      report.error(
          place,
          fmt::format("a token must be {} to {} printable characters: make one with openssl rand -hex 16",
                      kMinToken, kMaxToken));
    } else if (!seen.insert(token).second) {
      report.error(place, "this token stands in the file twice");
    } else {
      out.push_back({role, token});
    }
  }
  if (out.empty() && !report.has_errors())
    report.error({file, 1, 1}, "the file has no token: write ROLE TOKEN");
  return out;
}

}  // namespace headgate::config

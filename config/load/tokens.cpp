// Secrets in files of their own. The admin server's tokens: a line each, ROLE TOKEN. Roles: viewer reads,
// operator also acts on what runs, admin also changes the map. Empty lines and lines that begin with # are
// skipped.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "config/load/files.h"

namespace headgate::config {

tl::expected<std::string, std::string> parse_passphrase(const std::string& text) {
  constexpr std::size_t kMin = 10;
  constexpr std::size_t kMax = 79;
  std::string passphrase = text;
  while (!passphrase.empty() && (passphrase.back() == '\n' || passphrase.back() == '\r')) {
    passphrase.pop_back();
  }
  // Never show what may be the passphrase.
  if (passphrase.find('\n') != std::string::npos)
    return tl::unexpected<std::string>("must hold the passphrase alone, in one line");
  if (passphrase.size() < kMin || passphrase.size() > kMax) {
    return tl::unexpected<std::string>(
        fmt::format("holds {} characters: a passphrase has {} to {}, make one with openssl rand -hex 16",
                    passphrase.size(), kMin, kMax));
  }
  if (!std::all_of(passphrase.begin(), passphrase.end(), [](char c) { return c >= ' ' && c < 0x7f; })) {
    return tl::unexpected<std::string>(
        "holds a character that is not printable ASCII: make one with openssl rand -hex 16");
  }
  return passphrase;
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

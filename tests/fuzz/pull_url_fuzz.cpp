// links: headgate::bridge
// An address, and behind the first line end a reference that is resolved against it.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "dataplane/bridge/pull/url.h"

namespace {

// What goes into a request must not be able to end its line.
void check(const headgate::bridge::pull::Url& url) {
  if (url.target.empty() || url.target[0] != '/' || url.host.empty() || url.port == 0) std::abort();
  for (const std::string& text : {url.target, url.authority(), url.authorization(), url.shown()}) {
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || byte >= 0x7F) std::abort();
    }
  }
  if (url.target.find(' ') != std::string::npos || url.authority().find(' ') != std::string::npos)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headgate::bridge::pull;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const std::size_t end = text.find('\n');
  const auto base = parse_url(text.substr(0, end));
  if (!base) return 0;
  check(*base);
  const auto again = parse_url(base->shown());
  if (!again || !again->same_server(*base)) std::abort();
  if (end == std::string_view::npos) return 0;
  const auto url = resolve(*base, text.substr(end + 1));
  if (!url) return 0;
  check(*url);
  if (url->has_credentials && !url->same_server(*base) && url->password == base->password &&
      text.substr(end + 1).find('@') == std::string_view::npos) {
    std::abort();
  }
  return 0;
}

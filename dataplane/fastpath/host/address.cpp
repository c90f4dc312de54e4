#include "dataplane/fastpath/host/address.h"

#include <charconv>

namespace headgate::fastpath {
namespace {

// Takes a decimal number of at most `max` from the front of `text`.
std::optional<std::uint32_t> take_number(std::string_view& text, std::uint32_t max) noexcept {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto digits = static_cast<std::size_t>(end - text.data());
  if (error != std::errc{} || digits > 3 || value > max) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

}  // namespace

std::optional<Ipv4> parse_ipv4(std::string_view text, bool allow_prefix) noexcept {
  Ipv4 address;
  for (int i = 0; i < 4; ++i) {
    if (i > 0) {
      if (!text.starts_with('.')) return std::nullopt;
      text.remove_prefix(1);
    }
    const auto byte = take_number(text, 255);
    if (!byte) return std::nullopt;
    address.value = address.value << 8 | *byte;
  }
  if (allow_prefix && text.starts_with('/')) {
    text.remove_prefix(1);
    if (!take_number(text, 32)) return std::nullopt;
  }
  if (!text.empty()) return std::nullopt;
  return address;
}

}  // namespace headgate::fastpath

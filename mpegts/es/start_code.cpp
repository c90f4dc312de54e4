#include "mpegts/es/start_code.h"

#include <cstring>

namespace headgate::mpegts::es {

std::size_t find_start_code(std::span<const std::uint8_t> bytes, std::size_t from) noexcept {
  // The 01 is the rarest of the three bytes in coded video, so memchr looks for it and strides far.
  std::size_t at = from + 2;
  while (at < bytes.size()) {
    const void* hit = std::memchr(bytes.data() + at, 1, bytes.size() - at);
    if (hit == nullptr) break;
    const auto one = static_cast<std::size_t>(static_cast<const std::uint8_t*>(hit) - bytes.data());
    if (bytes[one - 1] == 0 && bytes[one - 2] == 0) return one - 2;
    at = one + 1;
  }
  return bytes.size();
}

}  // namespace headgate::mpegts::es

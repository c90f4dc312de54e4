#include "mpegts/psi/section.h"

namespace headgate::mpegts {
namespace {

// Annex A: polynomial 0x04C11DB7, initial value all ones, no reflection, no final inversion.
constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i << 24;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x80000000U) != 0 ? crc << 1 ^ 0x04C11DB7U : crc << 1;
    table[i] = crc;
  }
  return table;
}
constexpr auto kTable = make_table();

}  // namespace

std::uint32_t crc32_mpeg(std::span<const std::uint8_t> bytes, std::uint32_t crc) noexcept {
  for (const std::uint8_t byte : bytes) crc = crc << 8 ^ kTable[(crc >> 24 ^ byte) & 0xFF];
  return crc;
}

}  // namespace headgate::mpegts

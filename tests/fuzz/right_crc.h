// Gives a packet that carries one whole long-form section its right CRC_32, so that a fuzzer reaches what
// lies behind the check. Threading: pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "mpegts/psi/section.h"

namespace headgate::fuzz {

inline void set_right_crc(std::span<std::uint8_t, mpegts::kPacketSize> packet) noexcept {
  const auto payload = mpegts::TsPacket(packet).payload();
  if (!mpegts::TsPacket(packet).payload_unit_start() || payload.empty()) return;
  auto section = packet.last(payload.size()).subspan(1);
  if (payload[0] != 0 || section.size() < 12 || (section[1] & 0x80) == 0) return;
  const std::size_t size = std::size_t{3} + ((section[1] & 0x0FU) << 8 | section[2]);
  if (size < 12 || size > section.size()) return;
  const std::uint32_t crc = mpegts::crc32_mpeg(section.first(size - 4));
  for (std::size_t i = 0; i < 4; ++i) section[size - 4 + i] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
}

}  // namespace headgate::fuzz

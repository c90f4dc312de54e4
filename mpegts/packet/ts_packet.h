// A view of one 188-byte transport packet (ISO/IEC 13818-1:2022 2.4.3.2, 2.4.3.4): pure accessors, no copy,
// no state. Made only from a span of exactly 188 bytes; every accessor is then in bounds, whatever the bytes
// say. Threading: immutable view; the bytes belong to the caller.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {

class TsPacket {
 public:
  explicit constexpr TsPacket(std::span<const std::uint8_t, kPacketSize> bytes) noexcept : b_(bytes.data()) {}

  constexpr bool has_sync() const noexcept { return b_[0] == kSyncByte; }
  constexpr bool transport_error() const noexcept { return (b_[1] & 0x80) != 0; }
  constexpr bool payload_unit_start() const noexcept { return (b_[1] & 0x40) != 0; }
  constexpr Pid pid() const noexcept { return Pid{static_cast<std::uint16_t>((b_[1] & 0x1F) << 8 | b_[2])}; }
  // 0 clear, 1 reserved, 2 even key, 3 odd key (EN 300 468 / ETSI TS 100 289).
  constexpr std::uint8_t scrambling_control() const noexcept { return static_cast<std::uint8_t>(b_[3] >> 6); }
  constexpr bool has_adaptation() const noexcept { return (b_[3] & 0x20) != 0; }
  constexpr bool has_payload() const noexcept { return (b_[3] & 0x10) != 0; }
  constexpr std::uint8_t continuity_counter() const noexcept { return b_[3] & 0x0F; }

  // adaptation_field_length as sent, 0 without adaptation field; may exceed what fits: see valid().
  constexpr std::uint8_t adaptation_length() const noexcept {
    return has_adaptation() ? b_[4] : std::uint8_t{0};
  }
  // False where the adaptation field overruns the packet or adaptation_field_control is the reserved 0 (table
  // 2-5).
  constexpr bool valid() const noexcept {
    if ((b_[3] & 0x30) == 0) return false;
    return adaptation_length() <= (has_payload() ? 182 : 183);
  }
  // The flags byte of the adaptation field, 0 where there is none.
  constexpr std::uint8_t adaptation_flags() const noexcept {
    return adaptation_length() > 0 ? b_[5] : std::uint8_t{0};
  }
  constexpr bool discontinuity() const noexcept { return (adaptation_flags() & 0x80) != 0; }
  constexpr bool random_access() const noexcept { return (adaptation_flags() & 0x40) != 0; }
  constexpr bool has_pcr() const noexcept {
    return (adaptation_flags() & 0x10) != 0 && adaptation_length() >= 7;
  }

  constexpr std::optional<Pcr27MHz> pcr() const noexcept {
    if (!has_pcr()) return std::nullopt;
    const std::uint64_t base = std::uint64_t{b_[6]} << 25 | std::uint64_t{b_[7]} << 17 |
                               std::uint64_t{b_[8]} << 9 | std::uint64_t{b_[9]} << 1 |
                               std::uint64_t{b_[10]} >> 7;
    const std::uint64_t extension = std::uint64_t{b_[10] & 1U} << 8 | b_[11];
    return Pcr27MHz{base * 300 + extension};
  }

  // Empty where there is no payload or the packet is not valid().
  constexpr std::span<const std::uint8_t> payload() const noexcept {
    if (!has_payload() || !valid()) return {};
    const std::size_t offset = has_adaptation() ? std::size_t{5} + b_[4] : std::size_t{4};
    return {b_ + offset, kPacketSize - offset};
  }
  constexpr std::span<const std::uint8_t, kPacketSize> bytes() const noexcept {
    return std::span<const std::uint8_t, kPacketSize>{b_, kPacketSize};
  }

 private:
  const std::uint8_t* b_;
};

}  // namespace headgate::mpegts

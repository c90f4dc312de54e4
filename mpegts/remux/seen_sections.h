// Which sections of a table have come, so that a repeated one costs a comparison and not a parse (ISO/IEC
// 13818-1:2022 2.4.4.11). Threading: owned by one thread; nothing allocates.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <span>

#include "mpegts/psi/section_edit.h"

namespace headgate::mpegts::remux {

class SeenSections {
 public:
  enum class Kind { repeated, added, new_table };

  // A section that is_long().
  Kind take(std::span<const std::uint8_t> section) noexcept {
    const std::uint8_t number = section[6];
    const std::uint32_t crc = section_crc(section);
    const std::uint32_t key = std::uint32_t{section[3]} << 24 | std::uint32_t{section[4]} << 16 |
                              std::uint32_t{section[5]} << 8 | section[7];
    if (any_ && key == key_ && seen_[number] && crc_[number] == crc) return Kind::repeated;
    // Another version, or another content under the same version: all of it is new.
    const bool fresh = !any_ || key != key_ || seen_[number];
    if (fresh) seen_.reset();
    any_ = true;
    key_ = key;
    last_ = section[7];
    seen_.set(number);
    crc_[number] = crc;
    return fresh ? Kind::new_table : Kind::added;
  }
  bool complete() const noexcept { return any_ && seen_.count() == std::size_t{last_} + 1; }
  void forget() noexcept { any_ = false; }

 private:
  bool any_ = false;
  std::uint32_t key_ = 0;  // extension, version, current_next, last_section_number
  std::uint8_t last_ = 0;
  std::bitset<256> seen_;
  std::array<std::uint32_t, 256> crc_{};
};

}  // namespace headgate::mpegts::remux

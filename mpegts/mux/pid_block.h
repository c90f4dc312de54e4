// The PIDs of one member of a multiplex: a row of 128 of its own, in which the role of a track, its language
// and its ordinal among those alike decide the place. So a track that comes moves no other, and the same
// tracks have the same PIDs after a restart. References: ISO/IEC 13818-1:2022 2.4.4.8, 2.6.16 (ECM PIDs).
// Threading: owned by one thread. Memory: what the row has places for.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mpegts/psi/tables.h"

namespace headgate::mpegts {

class PidBlock {
 public:
  static constexpr std::uint16_t kFirst = 0x0100;
  static constexpr std::uint16_t kSize = 0x80;
  static constexpr std::size_t kCount = 61;
  static_assert(kFirst + kCount * kSize < 0x1FFB);  // the PID of ATSC's PSIP

  enum class Role : std::uint8_t { video, audio, text, data, keys };
  static constexpr std::size_t kRoles = 5;

  // `number` below kCount.
  explicit PidBlock(std::size_t number) noexcept
      : base_(static_cast<std::uint16_t>(kFirst + number * kSize)) {}

  Pid pmt() const noexcept { return Pid{base_}; }
  Pid pcr() const noexcept { return Pid{static_cast<std::uint16_t>(base_ + 1)}; }  // of PCRs without a track
  Pid base() const noexcept { return Pid{base_}; }

  struct Keys {  // an ECM PID of the source
    Pid from;
    Pid to;
  };
  struct Placed {
    std::vector<std::optional<Pid>> streams;  // in the PMT's order; nothing where the role's places are taken
    std::vector<Keys> keys;
  };
  // A place that no track of this PMT takes may go to another one, where there is no other.
  Placed place(const Pmt& pmt);

  static Role role_of(const PmtStream& stream) noexcept;

 private:
  struct Key {
    Role role = Role::data;
    std::string language;  // of keys: the CA_system_id
    std::size_t ordinal = 0;
    auto operator<=>(const Key&) const = default;
  };
  std::optional<Pid> find(const Key& key, const std::vector<Key>& wanted);

  std::uint16_t base_;
  std::map<Key, std::uint16_t> places_;  // within the row
};

}  // namespace headgate::mpegts

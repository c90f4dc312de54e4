// The parameter sets of one H.264 or HEVC track: which are in force, and the decoder configuration made of
// them. References: ISO/IEC 14496-15 5.3.3.1 (avcC), 8.3.3.1 (hvcC). Threading: owned by one thread. Memory:
// at most one set a number and kMaxBytes.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "mpegts/es/avc_config.h"
#include "mpegts/psi/tables.h"

namespace headgate::bridge::hub {

class ParameterSets {
 public:
  // They stand before each random access point again: a hundred times what encoders have.
  static constexpr std::size_t kMaxBytes = 64 * 1024;

  explicit ParameterSets(mpegts::StreamKind kind) : kind_(kind) {}

  // The NAL units of one access unit. At a random access point what they bring comes into force, and a new
  // SPS puts an end to all that was there.
  void take(std::span<const std::span<const std::uint8_t>> nals, bool random_access);
  // An access unit as frames have it (hub/frame.h): each NAL unit behind its length, without delimiters,
  // filler and what the configuration holds. Empty where nothing else is in it.
  std::vector<std::uint8_t> frame_of(std::span<const std::span<const std::uint8_t>> nals) const;
  // As of the last random access point; empty before it is complete.
  const std::vector<std::uint8_t>& configuration() const { return configuration_; }

 private:
  enum Kind : std::uint8_t { kVps, kSps, kPps, kKinds };
  struct Key {
    Kind kind;
    std::uint8_t id;
    auto operator<=>(const Key&) const = default;
  };
  using Sets = std::map<Key, mpegts::es::NalUnit>;

  bool key_of(std::span<const std::uint8_t> nal, Key& key) const;
  bool configured(std::span<const std::uint8_t> nal) const;
  bool stays_out(std::span<const std::uint8_t> nal) const;
  void store(const Key& key, std::span<const std::uint8_t> nal);
  std::vector<std::uint8_t> build() const;

  mpegts::StreamKind kind_;
  Sets latest_;
  Sets in_force_;
  std::size_t bytes_ = 0;  // of latest_
  bool full_ = false;      // something had no room
  std::vector<std::uint8_t> configuration_;
};

}  // namespace headgate::bridge::hub

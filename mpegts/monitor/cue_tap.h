// Keeps the splice information sections (ANSI/SCTE 35 2023 9.6) of a stream until somebody takes them: each
// content once, though it is sent again within half a minute (9.5), with the clock of then. What says nothing
// (splice_null, bandwidth_reservation) and what fails its CRC is left out. Threading: owned by one thread.
// Memory: all from the constructor on, some 11 KiB.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/packet/ts_packet.h"
#include "mpegts/psi/section.h"

namespace headgate::mpegts {

class CueTap : private SectionSink {
 public:
  // Whose sections may be under way at a time. Of more PIDs, those that fit in a packet are read.
  static constexpr std::size_t kMaxPids = 2;
  // A splice_insert has some 40 bytes, a time_signal with a segmentation_descriptor 60 to 300.
  static constexpr std::size_t kMaxSection = 512;
  static constexpr std::size_t kMaxWaiting = 4;
  // The same content after so long is another cue: those that act at once bear no time.
  static constexpr std::int64_t kRepeatNs = 30'000'000'000;

  struct Cue {
    Pid pid;
    std::optional<Pcr27MHz> clock;  // of the service as it came
    std::uint16_t size = 0;         // of the section; where it is more than kMaxSection only its head is kept
    std::array<std::uint8_t, kMaxSection> bytes{};
  };
  CueTap();
  // A packet of a PID that carries cues. now_ns: never goes back.
  void on_packet(const TsPacket& packet, std::optional<Pcr27MHz> clock, std::int64_t now_ns) noexcept;
  // The oldest that nobody has taken; null: none. Holds until drop().
  const Cue* front() const noexcept { return waiting_ == 0 ? nullptr : &cues_[first_]; }
  void drop() noexcept;
  // Cues that found no room because nobody took those before.
  std::uint64_t beyond() const noexcept { return beyond_; }

 private:
  void on_section(Pid pid, std::span<const std::uint8_t> section) noexcept override;
  void on_crc_error(Pid) noexcept override {}
  bool seen(std::uint32_t crc) noexcept;

  struct Source {
    Pid pid;
    SectionAssembler assembler;
  };
  std::vector<Source> sources_;
  std::size_t oldest_source_ = 0;
  std::array<Cue, kMaxWaiting> cues_;
  std::size_t first_ = 0;
  std::size_t waiting_ = 0;
  std::uint64_t beyond_ = 0;
  struct Seen {
    std::uint32_t crc = 0;
    std::int64_t last_ns = -kRepeatNs;
  };
  std::array<Seen, 16> seen_;  // of those that came last
  std::size_t next_seen_ = 0;
  std::optional<Pcr27MHz> clock_;
  std::int64_t now_ns_ = 0;
};

}  // namespace headgate::mpegts

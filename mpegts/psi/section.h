// Sections: assembly from packets, CRC, and packing into packets (ISO/IEC 13818-1:2022 2.4.4.1, 2.4.4.11,
// Annex A). Threading: owned by one thread. No allocation after construction: usable on the fast path's
// worker.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts {

inline constexpr std::size_t kMaxSectionSize = 4096;  // private sections; PSI is at most 1024 (2.4.4.1)

// CRC_32 of Annex A over the bytes; 0 over a whole section whose CRC is right.
// `crc`: of what came before these bytes.
std::uint32_t crc32_mpeg(std::span<const std::uint8_t> bytes, std::uint32_t crc = 0xFFFFFFFFU) noexcept;

// Where whole sections go. A section with section_syntax_indicator set has passed its CRC.
class SectionSink {
 public:
  virtual ~SectionSink() = default;
  virtual void on_section(Pid pid, std::span<const std::uint8_t> section) noexcept = 0;
  virtual void on_crc_error(Pid pid) noexcept = 0;
};

// Puts the sections of one PID together. A continuity gap drops the section under way, nothing else: one that
// begins and ends in a packet is whole whatever its counter says. Drops, too, a length that can't be and a
// wrong CRC; ignores scrambled packets and one equal packet after another (2.4.3.3). Where the counter stands
// still (some multiplexers never count their PSI), equal packets are repetitions of the table instead.
class SectionAssembler {
 public:
  explicit SectionAssembler(Pid pid) noexcept : pid_(pid) {}
  void on_packet(const TsPacket& packet, SectionSink& sink) noexcept;
  void reset() noexcept;

 private:
  void on_bytes(std::span<const std::uint8_t> bytes, bool may_start, SectionSink& sink) noexcept;
  void deliver(SectionSink& sink) noexcept;

  Pid pid_;
  std::array<std::uint8_t, kMaxSectionSize> buffer_{};
  std::size_t filled_ = 0;
  bool in_section_ = false;
  int last_continuity_ = -1;
  bool repeated_ = false;  // the packet before was taken as a duplicate
  bool stands_ = false;    // the counter is known not to count
  std::array<std::uint8_t, kPacketSize> last_packet_{};
};

// Packs one section (CRC included) into packets that begin with pointer_field 0 and are filled with 0xFF
// (2.4.4.1). continuity_counter: the value for the first packet. Returns whole packets, 188 bytes each. An
// empty section gives none.
std::vector<std::uint8_t> pack_section(Pid pid, std::span<const std::uint8_t> section,
                                       std::uint8_t continuity_counter);

// How many packets a section of this size takes; the first carries the pointer_field.
constexpr std::size_t packed_packets(std::size_t section_size) noexcept {
  return (section_size + 1 + kPacketSize - 5) / (kPacketSize - 4);
}
// The same without allocating: into `out`; the bytes written, 0 where the packets don't fit.
std::size_t pack_section_into(Pid pid, std::span<const std::uint8_t> section, std::uint8_t continuity_counter,
                              std::span<std::uint8_t> out) noexcept;

}  // namespace headgate::mpegts

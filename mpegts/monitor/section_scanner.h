// Follows the sections of one PID without keeping them: their first bytes and a running CRC, for what only
// has to be timed and checked. Gaps, duplicates and counters that stand still are judged as by
// SectionAssembler, so that both see the same sections. References: ISO/IEC 13818-1:2022 2.4.4.1, 2.4.3.3,
// Annex A. Threading: owned by one thread; nothing allocates.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts {

class SectionScanner {
 public:
  static constexpr std::size_t kHead = 12;

  struct Section {
    std::array<std::uint8_t, kHead> head{};  // zeros past a shorter section
    std::uint16_t size = 0;
    bool has_crc = false;
    bool crc_ok = true;

    std::uint8_t table_id() const noexcept { return head[0]; }
    bool long_form() const noexcept { return (head[1] & 0x80) != 0; }
    // Of the long form.
    std::uint16_t extension() const noexcept { return static_cast<std::uint16_t>(head[3] << 8 | head[4]); }
    bool current() const noexcept { return (head[5] & 1) != 0; }
    std::uint8_t number() const noexcept { return head[6]; }
    std::uint8_t last_number() const noexcept { return head[7]; }
  };

  // Calls on_section(const Section&) for each that ends in the packet, also where its CRC is wrong.
  template <class F>
  void on_packet(const TsPacket& packet, F&& on_section) noexcept {
    Bytes bytes = begin(packet);
    while (bytes.left > 0) {
      if (take(bytes)) on_section(static_cast<const Section&>(section_));
    }
  }
  void reset() noexcept { *this = SectionScanner{}; }

 private:
  // What of a packet's payload is still to be read: before `starts` a section only goes on.
  struct Bytes {
    const std::uint8_t* at = nullptr;
    std::size_t left = 0;
    std::size_t rest = 0;  // of a section of packets before; then sections may begin
    bool may_start = false;
  };
  Bytes begin(const TsPacket& packet) noexcept;
  bool take(Bytes& bytes) noexcept;
  bool run(const std::uint8_t* from, std::size_t size, std::size_t& used) noexcept;

  Section section_;
  std::uint32_t crc_ = 0;
  std::uint32_t last_hash_ = 0;
  std::uint16_t filled_ = 0;
  std::uint16_t wanted_ = 0;
  std::int8_t last_continuity_ = -1;
  bool in_section_ = false;
  bool repeated_ = false;
  bool stands_ = false;
};

}  // namespace headgate::mpegts

// Reads what a multiplexer made, by hand, so that no test depends on the code it tests: packets, the time of
// each by PCR and position (ISO/IEC 13818-1 2.4.2.2), PES packets. Threading: owned by one thread.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/monitor/stream_analyzer.h"
#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts::test {

struct MuxedPes {
  std::uint16_t pid = 0;
  std::size_t first = 0;  // packets
  std::size_t last = 0;
  bool random_access = false;
  bool priority = false;
  std::vector<std::uint8_t> bytes;

  bool aligned() const { return (bytes.at(6) & 0x04) != 0; }
  std::size_t length() const { return static_cast<std::size_t>(bytes.at(4) << 8 | bytes.at(5)); }
  bool has_dts() const { return (bytes.at(7) & 0x40) != 0; }
  std::uint64_t stamp(std::size_t at) const {
    const auto b = [&](std::size_t i) { return std::uint64_t{bytes.at(at + i)}; };
    return (b(0) >> 1 & 7) << 30 | b(1) << 22 | b(2) >> 1 << 15 | b(3) << 7 | b(4) >> 1;
  }
  std::uint64_t pts() const { return stamp(9); }
  std::uint64_t dts() const { return has_dts() ? stamp(14) : pts(); }
  std::vector<std::uint8_t> payload() const {
    return {bytes.begin() + static_cast<std::ptrdiff_t>(9 + bytes.at(8)), bytes.end()};
  }
};

class MuxedStream {
 public:
  struct Pcr {
    std::size_t packet;
    std::int64_t time;  // as sent, unwrapped
    std::uint16_t pid;
    bool discontinuity;
    bool alone;
  };

  void add(std::span<const std::uint8_t> packets) {
    ASSERT_EQ(packets.size() % kPacketSize, 0U);
    ASSERT_FALSE(packets.empty());
    bytes.insert(bytes.end(), packets.begin(), packets.end());
  }

  std::size_t count() const { return bytes.size() / kPacketSize; }
  TsPacket at(std::size_t i) const {
    return TsPacket{std::span<const std::uint8_t>{bytes}.subspan(i * kPacketSize).first<kPacketSize>()};
  }

  std::vector<Pcr> pcrs() const {
    std::vector<Pcr> out;
    std::int64_t turns = 0;
    for (std::size_t i = 0; i < count(); ++i) {
      const auto pcr = at(i).pcr();
      if (!pcr) continue;
      constexpr auto kTurn = static_cast<std::int64_t>(kPcrModulus);
      auto time = static_cast<std::int64_t>(pcr->ticks) + turns;
      if (!out.empty() && time < out.back().time - kTurn / 2) time += kTurn, turns += kTurn;
      out.push_back({i, time, at(i).pid().value, at(i).discontinuity(), !at(i).has_payload()});
    }
    return out;
  }

  // By packet; what lies before the first PCR or behind the last has theirs.
  std::vector<std::int64_t> times() const {
    const auto marks = pcrs();
    std::vector<std::int64_t> out(count(), 0);
    std::size_t k = 0;
    for (std::size_t i = 0; i < out.size() && !marks.empty(); ++i) {
      while (k + 1 < marks.size() && marks[k + 1].packet <= i) ++k;
      const Pcr& a = marks[k];
      if (i < a.packet || k + 1 == marks.size()) {
        out[i] = a.time;
        continue;
      }
      const Pcr& b = marks[k + 1];
      out[i] = a.time + (b.time - a.time) * static_cast<std::int64_t>(i - a.packet) /
                            static_cast<std::int64_t>(b.packet - a.packet);
    }
    return out;
  }

  std::vector<MuxedPes> pes(std::uint16_t pid) const {
    std::vector<MuxedPes> out;
    for (std::size_t i = 0; i < count(); ++i) {
      const TsPacket packet = at(i);
      if (packet.pid().value != pid || !packet.has_payload()) continue;
      if (packet.payload_unit_start()) {
        out.push_back({});
        out.back().pid = pid;
        out.back().first = i;
        out.back().random_access = packet.random_access();
        out.back().priority = (packet.adaptation_flags() & 0x20) != 0;
      }
      if (out.empty()) continue;
      out.back().last = i;
      out.back().bytes.insert(out.back().bytes.end(), packet.payload().begin(), packet.payload().end());
    }
    return out;
  }

  // Continuity, tables, CRC, PCR and PTS intervals by the analyzer of `headgate probe`.
  StreamReport report() const {
    StreamAnalyzer analyzer;
    for (std::size_t i = 0; i < count(); ++i) analyzer.on_packet(at(i));
    return analyzer.report();
  }

  std::vector<std::uint8_t> bytes;
};

}  // namespace headgate::mpegts::test

// What a receiver of a channel's datagrams finds, by the standards alone: nothing here is the product's code.
// Frames carry a mark of their maker (FrameMark), which is looked for in the first packet of each PES packet.
// References: ISO/IEC 13818-1:2022 2.4.2.2 (PCR and byte position), 2.4.3.2 to 2.4.3.7, 2.4.4; Annex A (CRC).
// Threading: owned by one thread. Memory: a record for each PES packet and PCR.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace headgate::fastpath::test {

// Which frame a PES packet holds: eight bytes that are no start code, whatever lies around them.
struct FrameMark {
  static constexpr std::size_t kSize = 8;
  std::uint8_t source = 0;  // under 0x40
  std::uint32_t number = 0;

  std::array<std::uint8_t, kSize> bytes() const {
    std::array<std::uint8_t, kSize> out{0xE7, 0xC3, static_cast<std::uint8_t>(0x80 | source)};
    for (std::size_t i = 0; i < 5; ++i)
      out[3 + i] = static_cast<std::uint8_t>(0x80 | (number >> (7 * i) & 0x7F));
    return out;
  }
  static std::optional<FrameMark> find(std::span<const std::uint8_t> in) {
    for (std::size_t at = 0; at + kSize <= in.size(); ++at) {
      if (in[at] != 0xE7 || in[at + 1] != 0xC3) continue;
      // The same two bytes may stand in a time stamp, but not before six bytes of 0x80 and more.
      const auto rest = in.subspan(at + 2, kSize - 2);
      if (std::any_of(rest.begin(), rest.end(), [](std::uint8_t byte) { return byte < 0x80; })) continue;
      FrameMark mark;
      mark.source = in[at + 2] & 0x3F;
      for (std::size_t i = 0; i < 5; ++i)
        mark.number |= static_cast<std::uint32_t>(in[at + 3 + i] & 0x7F) << (7 * i);
      return mark;
    }
    return std::nullopt;
  }
};

// The least and the most of something.
struct Span {
  double least = std::numeric_limits<double>::infinity();
  double most = -std::numeric_limits<double>::infinity();
  void take(double value) {
    least = std::min(least, value);
    most = std::max(most, value);
  }
  double width() const { return most - least; }
};

class ReceivedStream {
 public:
  static constexpr std::int64_t kTick = 27'000'000;
  static constexpr std::int64_t kPcrTurn = (std::int64_t{1} << 33) * 300;
  static constexpr std::int64_t kStampTurn = std::int64_t{1} << 33;

  struct Pes {
    std::uint16_t pid = 0;
    bool video = false;
    FrameMark mark;
    std::int64_t pts = 0;  // 90 kHz, going on over the wrap
    std::int64_t dts = 0;
    std::int64_t arrival_ns = 0;  // of its first packet
    std::int64_t clock = 0;       // by PCR and position there, 27 MHz, comparable with dts * 300
  };

  // `rate_bps` 0: it is not constant, and positions tell nothing.
  explicit ReceivedStream(std::uint64_t rate_bps)
      : ticks_per_packet_(rate_bps == 0 ? 0 : 1504.0 * 27e6 / static_cast<double>(rate_bps)) {}

  void take(std::span<const std::uint8_t> datagram, std::int64_t now_ns) {
    if (first_ns < 0) first_ns = now_ns;
    longest_pause_ns = std::max(longest_pause_ns, last_ns < 0 ? 0 : now_ns - last_ns);
    last_ns = now_ns;
    if (datagram.size() != 7 * 188) ++other_sizes;
    const auto second = static_cast<std::size_t>((now_ns - first_ns) / 1'000'000'000);
    if (by_second.size() <= second) by_second.resize(second + 1);
    ++by_second[second];
    if (datagram.size() % 188 != 0) ++sync_errors;
    for (std::size_t at = 0; at + 188 <= datagram.size(); at += 188)
      packet(datagram.subspan(at, 188), now_ns);
  }

  std::int64_t first_ns = -1;
  std::int64_t last_ns = -1;
  std::int64_t longest_pause_ns = 0;
  std::vector<std::uint32_t> by_second;  // datagrams since the first one
  std::uint64_t packets = 0;
  std::uint64_t nulls = 0;
  std::uint64_t other_sizes = 0;  // datagrams of fewer than seven packets
  std::uint64_t sync_errors = 0;
  std::uint64_t cc_errors = 0;
  std::uint64_t announced = 0;  // discontinuity_indicator
  std::uint64_t crc_errors = 0;
  std::uint64_t unmarked = 0;                           // PES packets of nobody
  std::uint64_t stamps_back = 0;                        // DTS that do not rise within their PID
  std::uint64_t wraps = 0;                              // of DTS
  std::map<std::uint8_t, std::int64_t> table_pause_ns;  // the longest, by table_id
  std::int64_t pcr_interval = 0;                        // the longest, 27 MHz, by PCR
  std::int64_t pcr_pause_ns = 0;                        // the same by arrival
  Span pcr_off_position;  // 27 MHz ticks off the line of the rate through the first
  Span pcr_off_arrival;   // the same against the time between two arrivals, ns
  Span in_advance;        // from when a frame begins to come until it is to be decoded, ms
  std::vector<Pes> frames;
  // PCR and arrival, once a second.
  std::vector<std::pair<std::int64_t, std::int64_t>> clock;

 private:
  static std::int64_t unwrap(std::int64_t value, std::int64_t last, std::int64_t turn) {
    std::int64_t step = (value - last) % turn;
    if (step < -turn / 2) step += turn;
    if (step > turn / 2) step -= turn;
    return last + step;
  }

  void packet(std::span<const std::uint8_t> p, std::int64_t now_ns) {
    const std::uint64_t position = packets++;
    if (p[0] != 0x47 || (p[1] & 0x80) != 0) {
      ++sync_errors;
      return;
    }
    const auto pid = static_cast<std::uint16_t>((p[1] & 0x1F) << 8 | p[2]);
    if (pid == 0x1FFF) {
      ++nulls;
      return;
    }
    const bool has_field = (p[3] & 0x20) != 0, has_payload = (p[3] & 0x10) != 0;
    const auto cc = static_cast<std::uint8_t>(p[3] & 15);
    if (const auto last = cc_.find(pid);
        last != cc_.end() && cc != ((last->second + (has_payload ? 1 : 0)) & 15))
      ++cc_errors;
    cc_[pid] = cc;
    std::size_t payload = 4;
    if (has_field) {
      payload = 5 + std::size_t{p[4]};
      if (p[4] > 0 && (p[5] & 0x80) != 0) ++announced;
      if (p[4] >= 7 && (p[5] & 0x10) != 0) on_pcr(p, position, now_ns);
    }
    if (!has_payload || payload >= 188 || (p[1] & 0x40) == 0) return;
    const auto body = p.subspan(payload);
    if (body.size() > 20 && body[0] == 0 && body[1] == 0 && body[2] == 1) {
      on_pes(pid, body, position, now_ns);
    } else if (std::size_t{body[0]} + 4 < body.size()) {
      on_section(body.subspan(1 + std::size_t{body[0]}), now_ns);
    }
  }

  void on_pcr(std::span<const std::uint8_t> p, std::uint64_t position, std::int64_t now_ns) {
    const std::int64_t base = std::int64_t{p[6]} << 25 | p[7] << 17 | p[8] << 9 | p[9] << 1 | p[10] >> 7;
    std::int64_t pcr = base * 300 + ((p[10] & 1) << 8 | p[11]);
    if (pcr_known_) {
      pcr = unwrap(pcr, pcr_, kPcrTurn);
      pcr_interval = std::max(pcr_interval, pcr - pcr_);
      if (pcr <= pcr_) ++stamps_back;
      pcr_pause_ns = std::max(pcr_pause_ns, now_ns - pcr_ns_);
      pcr_off_arrival.take(static_cast<double>(pcr - pcr_) * 1000 / 27 -
                           static_cast<double>(now_ns - pcr_ns_));
      pcr_off_position.take(static_cast<double>(pcr - first_pcr_) -
                            static_cast<double>(position - first_position_) * ticks_per_packet_);
    } else {
      first_pcr_ = pcr;
      first_position_ = position;
    }
    pcr_known_ = true;
    pcr_ = pcr;
    pcr_position_ = position;
    pcr_ns_ = now_ns;
    if (clock.empty() || now_ns - clock.back().second >= 1'000'000'000) clock.emplace_back(pcr, now_ns);
  }

  static std::int64_t stamp(std::span<const std::uint8_t> b) {
    return std::int64_t{b[0] >> 1 & 7} << 30 | b[1] << 22 | b[2] >> 1 << 15 | b[3] << 7 | b[4] >> 1;
  }

  void on_pes(std::uint16_t pid, std::span<const std::uint8_t> body, std::uint64_t position,
              std::int64_t now_ns) {
    const std::size_t header = 9 + std::size_t{body[8]};
    const auto mark = FrameMark::find(body.subspan(std::min(header, body.size())));
    if (!mark || (body[7] & 0x80) == 0) {
      ++unmarked;
      return;
    }
    Pes pes;
    pes.pid = pid;
    pes.video = (body[3] & 0xF0) == 0xE0;
    pes.mark = *mark;
    pes.arrival_ns = now_ns;
    pes.pts = stamp(body.subspan(9));
    pes.dts = (body[7] & 0x40) != 0 ? stamp(body.subspan(14)) : pes.pts;
    const std::int64_t shown = unwrap(pes.pts, pes.dts, kStampTurn) - pes.dts;
    if (const auto last = dts_.find(pid); last != dts_.end()) {
      if (pes.dts < last->second % kStampTurn - kStampTurn / 2) ++wraps;
      pes.dts = unwrap(pes.dts, last->second, kStampTurn);
      if (pes.dts <= last->second) ++stamps_back;
    } else if (!dts_.empty()) {
      pes.dts = unwrap(pes.dts, dts_.begin()->second, kStampTurn);
    }
    dts_[pid] = pes.dts;
    pes.pts = pes.dts + shown;
    if (pcr_known_) {
      pes.clock = pcr_ + std::llround(static_cast<double>(position - pcr_position_) * ticks_per_packet_);
      const std::int64_t ahead = unwrap(pes.dts * 300, pes.clock, kPcrTurn) - pes.clock;
      in_advance.take(static_cast<double>(ahead) / 27'000);
    }
    frames.push_back(pes);
  }

  void on_section(std::span<const std::uint8_t> s, std::int64_t now_ns) {
    const std::size_t size = 3 + static_cast<std::size_t>((s[1] & 15) << 8 | s[2]);
    if (size > s.size()) return;  // none of ours is longer than a packet
    std::uint32_t crc = 0xFFFFFFFF;
    for (const std::uint8_t byte : s.first(size)) {
      crc ^= std::uint32_t{byte} << 24;
      for (int i = 0; i < 8; ++i) crc = (crc << 1) ^ ((crc & 0x80000000) != 0 ? 0x04C11DB7U : 0U);
    }
    if (crc != 0) ++crc_errors;
    const auto last = table_ns_.find(s[0]);
    const std::int64_t pause = now_ns - (last == table_ns_.end() ? first_ns : last->second);
    table_pause_ns[s[0]] = std::max(table_pause_ns[s[0]], pause);
    table_ns_[s[0]] = now_ns;
  }

  double ticks_per_packet_;
  std::map<std::uint16_t, std::uint8_t> cc_;
  std::map<std::uint16_t, std::int64_t> dts_;
  std::map<std::uint8_t, std::int64_t> table_ns_;
  bool pcr_known_ = false;
  std::int64_t pcr_ = 0;
  std::uint64_t pcr_position_ = 0;
  std::int64_t pcr_ns_ = 0;
  std::int64_t first_pcr_ = 0;
  std::uint64_t first_position_ = 0;
};

}  // namespace headgate::fastpath::test

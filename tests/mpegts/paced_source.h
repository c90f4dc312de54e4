// A source for the tests of pacing: a stream of one program with a clock that runs fast or slow, its packets
// arriving in bursts or evenly. Pure, and the same on every run.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "ts_builder.h"

namespace headgate::mpegts::test {

struct Arrival {
  std::vector<std::uint8_t> bytes;  // whole packets
  std::int64_t ns = 0;
};

inline constexpr std::int64_t kSourceStart = 1'700'000'000'000'000'000;

class PacedSource {
 public:
  struct Options {
    double ppm = 0;                    // of its clock against ours
    std::int64_t packet_gap = 40'608;  // ticks between two packets: 1 Mb/s
    int pcr_every = 25;                // packets: 38 ms
    std::int64_t first_pcr = 0;
    std::int64_t start_ns = kSourceStart;
    // When what was made at a time (ns since the start) arrives, in ns since the start; rising.
    std::function<std::int64_t(std::int64_t made_ns)> way = [](std::int64_t made) { return made; };
    // Ticks added to every PCR from this packet on; its first PCR says so if `flagged`.
    std::int64_t jump_at = -1;
    std::int64_t jump = 0;
    bool flagged = false;
    // Video bytes between evenly spaced PCRs: how many packets lie in the interval k; 0: pcr_every.
    std::function<int(std::int64_t interval)> burst = [](std::int64_t) { return 0; };
  };

  explicit PacedSource(Options options) : o_(std::move(options)) {}

  // The stream's own time of packet n since the start, in its ticks, and when it was made by our clock.
  std::int64_t tick() const { return tick_; }
  std::int64_t made_ns(std::int64_t tick) const {
    return std::llround(static_cast<double>(tick) * (1000.0 / 27.0) / (1 + o_.ppm * 1e-6));
  }
  std::int64_t number() const { return number_; }

  // The next packet. Video on 0x100; the payload holds the packet's number.
  Arrival next() {
    const std::int64_t n = number_++;
    const bool pcr = left_ == 0;
    if (pcr) {
      const int count = o_.burst(interval_++);
      left_ = count > 0 ? count : o_.pcr_every;
      interval_tick_ = interval_ == 1 ? 0 : interval_tick_ + o_.packet_gap * o_.pcr_every;
      gap_ = o_.packet_gap * o_.pcr_every / left_;
      tick_ = interval_tick_;
    } else {
      tick_ += gap_;
    }
    --left_;
    const bool jumped = o_.jump_at >= 0 && n >= o_.jump_at;
    Packet p = packet(0x100, cc_++);
    if (pcr) {
      const auto modulus = static_cast<std::int64_t>(kPcrModulus);
      const std::int64_t value =
          ((o_.first_pcr + tick_ + (jumped ? o_.jump : 0)) % modulus + modulus) % modulus;
      p = pcr_packet(0x100, static_cast<std::uint8_t>(cc_ - 1), static_cast<std::uint64_t>(value),
                     jumped && !announced_ && o_.flagged);
      announced_ = announced_ || jumped;
    }
    for (int i = 0; i < 8; ++i)
      p[180 + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(n >> (8 * i));
    return {{p.begin(), p.end()}, o_.start_ns + o_.way(made_ns(tick_))};
  }

  static std::int64_t number_of(const std::uint8_t* packet) {
    std::int64_t n = 0;
    for (int i = 7; i >= 0; --i) n = n << 8 | packet[180 + i];
    return n;
  }
  static std::int64_t number_of(const std::vector<std::uint8_t>& packet) { return number_of(packet.data()); }

 private:
  Options o_;
  std::int64_t number_ = 0;
  std::int64_t tick_ = 0;
  std::int64_t interval_ = 0;
  std::int64_t interval_tick_ = 0;
  std::int64_t gap_ = 0;
  int left_ = 0;
  std::uint8_t cc_ = 0;
  bool announced_ = false;
};

// What TCP does: everything made in a period comes at its end, in a lump.
inline auto in_bursts(std::int64_t period) {
  return [period](std::int64_t made) { return (made / period + 1) * period; };
}

// Bursts whose length changes at random between these bounds.
inline auto in_uneven_bursts(std::int64_t shortest, std::int64_t longest) {
  return [shortest, longest, end = std::int64_t{0},
          seed = std::uint64_t{88172645463325252U}](std::int64_t made) mutable {
    while (made >= end) {
      seed ^= seed << 13;
      seed ^= seed >> 7;
      seed ^= seed << 17;
      end += shortest + static_cast<std::int64_t>(seed % static_cast<std::uint64_t>(longest - shortest + 1));
    }
    return end;
  };
}

}  // namespace headgate::mpegts::test

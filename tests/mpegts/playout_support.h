// What the tests of the playout share: a worker that plays a source, and notes when each packet left.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "mpegts/clock/playout.h"
#include "paced_source.h"

namespace headgate::mpegts::test {

inline constexpr std::int64_t kMs = 1'000'000;
inline constexpr std::int64_t kSecond = 1'000'000'000;
inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
inline constexpr std::size_t kRoom = 100'000;

struct Left {
  std::int64_t number = 0;
  std::int64_t due_ns = 0;
  bool discontinuity = false;
};
using OnLeft = std::function<void(const Left&)>;

// Calls pop() at the moment that next_due_ns() told, as a worker does.
class Player {
 public:
  Player(Playout& playout, OnLeft on_left) : playout_(playout), on_left_(std::move(on_left)) {}

  void push(const Arrival& arrival) {
    drain(arrival.ns);
    playout_.push(arrival.bytes, arrival.ns);
    now_ = arrival.ns;
  }
  void drain(std::int64_t until) {
    while (playout_.next_due_ns() <= until) {
      now_ = std::max(now_, playout_.next_due_ns());
      const auto batch = playout_.pop(now_);
      ASSERT_FALSE(batch.packets.empty());
      ASSERT_EQ(batch.packets.size() % kPacketSize, 0U);
      ASSERT_LE(batch.packets.size(), 7 * kPacketSize);
      for (std::size_t at = 0; at < batch.packets.size(); at += kPacketSize) {
        on_left_({PacedSource::number_of(batch.packets.data() + at), batch.due_ns,
                  at == 0 && batch.discontinuity});
      }
    }
  }

 private:
  Playout& playout_;
  OnLeft on_left_;
  std::int64_t now_ = 0;
};

inline void play(Playout& playout, PacedSource& source, std::int64_t until_ns, const OnLeft& on_left) {
  Player player(playout, on_left);
  for (Arrival arrival = source.next(); arrival.ns <= until_ns; arrival = source.next()) player.push(arrival);
}

inline Arrival numbered(Packet p, std::int64_t number, std::int64_t ns) {
  for (std::size_t k = 0; k < 8; ++k) p[180 + k] = static_cast<std::uint8_t>(number >> (8 * k));
  return {{p.begin(), p.end()}, ns};
}

inline PacedSource::Options options(double ppm = 0) {
  PacedSource::Options o;
  o.ppm = ppm;
  return o;
}

}  // namespace headgate::mpegts::test

#include "mpegts/monitor/stream_time.h"

#include <gtest/gtest.h>

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kMs = 1'000'000;

Pcr27MHz at_ms(std::uint64_t ms) { return Pcr27MHz{ms * 27'000}; }

TEST(StreamTime, GoesOnAtThePaceOfTheIntervalBeforeUntilTheNextPcrSaysMore) {
  StreamTime time;
  time.on_pcr(at_ms(1000), false, 0);
  EXPECT_EQ(time.now_ns(40), 0) << "no pace is known yet";
  time.on_pcr(at_ms(1040), false, 40);
  EXPECT_EQ(time.now_ns(40), 40 * kMs);
  EXPECT_EQ(time.now_ns(60), 60 * kMs);
  EXPECT_EQ(time.now_ns(100'000), 140 * kMs) << "at most 100 ms ahead of the last PCR";
  time.on_pcr(at_ms(1080), false, 80);
  EXPECT_EQ(time.now_ns(80), 140 * kMs) << "it never goes back";
  time.on_pcr(at_ms(1200), false, 160);
  EXPECT_EQ(time.now_ns(160), 200 * kMs);
}

TEST(StreamTime, BridgesAJumpAtThePaceSoFar) {
  StreamTime time;
  time.on_pcr(at_ms(1000), false, 0);
  time.on_pcr(at_ms(1040), false, 40);
  time.on_pcr(at_ms(500), false, 80);
  EXPECT_EQ(time.now_ns(80), 80 * kMs);
  time.on_pcr(at_ms(540), true, 120);
  EXPECT_EQ(time.now_ns(120), 120 * kMs);
  time.on_pcr(at_ms(580), false, 160);
  EXPECT_EQ(time.now_ns(160), 160 * kMs);
}

}  // namespace
}  // namespace headgate::mpegts

#include "mpegts/monitor/delivery_monitor.h"

#include <gtest/gtest.h>

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::size_t kDatagram = 7 * kPacketSize;

// Datagrams of seven packets, with a PCR at the beginning of each where the stream has a clock of
// `bits_per_second`.
struct Stream {
  explicit Stream(std::uint64_t rate = 0) : bits_per_second(rate) {}
  DeliveryMonitor monitor;
  std::uint64_t bits_per_second;
  std::uint64_t position = 0;

  void arrive(std::int64_t ns, bool signalled = false, std::uint32_t stalls = 0) {
    monitor.on_datagram(ns, kDatagram, stalls);
    if (bits_per_second != 0)
      monitor.on_pcr(Pcr27MHz{position * 8 * 27'000'000 / bits_per_second + 27'000'000}, signalled, position,
                     ns);
    position += kDatagram;
  }
  const DeliveryMonitor::Second& second() const { return *monitor.last(); }
};

// RFC 4445 3.1 and 4: an even flow of 3.75 Mb/s in datagrams of 1316 bytes has the delay factor of one of
// them: 1316 × 8 / 3.75 Mb/s = 2.807 ms.
TEST(DeliveryMonitor, AnEvenStreamHasTheDelayFactorOfADatagram) {
  Stream stream(3'750'000);
  for (std::int64_t i = 0; i < 1500; ++i) stream.arrive(i * 2'807'467);
  EXPECT_NEAR(static_cast<double>(*stream.second().delay_factor_ns), 2'807'467, 2'000);
  EXPECT_EQ(stream.second().gap_min_ns, 2'807'467);
  EXPECT_EQ(stream.second().gap_mean_ns, 2'807'467);
  EXPECT_EQ(stream.second().gap_max_ns, 2'807'467);
  EXPECT_LT(*stream.second().pcr_jitter_ns, 1000) << "the steps above are cut to nanoseconds";
}

// 10,528,000 bit/s: a datagram a millisecond. One second in which fifty of them come 50 ms late, in one go:
// before them the level has sunk by 50 datagrams, with them it is where it was, and one above.
TEST(DeliveryMonitor, AHoldUpAddsItsLength) {
  Stream stream(10'528'000);
  for (std::int64_t i = 0; i < 1000; ++i) stream.arrive(i * kMs);
  for (std::int64_t i = 1000; i <= 2000; ++i) {
    const bool held = i >= 1500 && i < 1550;
    stream.arrive((held ? 1550 : i) * kMs);
  }
  ASSERT_TRUE(stream.second().delay_factor_ns);
  // The level at 1550 ms, before they came: 500 datagrams in, 550 out; then 550, and that of 1550 itself.
  EXPECT_NEAR(static_cast<double>(*stream.second().delay_factor_ns), 51.0 * kMs, 1000);
  EXPECT_EQ(stream.second().gap_max_ns, 51 * kMs);
  EXPECT_EQ(stream.second().gap_min_ns, 0);
  EXPECT_EQ(stream.second().gap_mean_ns, kMs);
  EXPECT_EQ(stream.second().datagrams, 1000U);
  EXPECT_EQ(*stream.second().pcr_jitter_ns, 50 * kMs);
}

TEST(DeliveryMonitor, TheFirstSecondHasNoDelayFactorAndTheNextGoesByTheArrivalsWithoutAClock) {
  Stream stream;
  for (std::int64_t i = 0; i <= 1000; ++i) stream.arrive(i * kMs);
  EXPECT_FALSE(stream.second().delay_factor_ns);
  EXPECT_FALSE(stream.second().pcr_jitter_ns);
  for (std::int64_t i = 1001; i <= 2000; ++i) stream.arrive(i * kMs);
  EXPECT_NEAR(static_cast<double>(*stream.second().delay_factor_ns), kMs, 10);
}

TEST(DeliveryMonitor, ASecondInWhichNobodyLookedIsLeftOut) {
  Stream stream(10'528'000);
  for (std::int64_t i = 0; i <= 2000; ++i) stream.arrive(i * kMs);
  const auto before = *stream.second().delay_factor_ns;
  for (std::int64_t i = 2001; i <= 3000; ++i) stream.arrive((i < 2500 ? 2500 : i) * kMs, false, i >= 2001);
  EXPECT_EQ(*stream.second().delay_factor_ns, before);
  for (std::int64_t i = 3001; i <= 4100; ++i) stream.arrive(i * kMs, false, 1);
  EXPECT_NEAR(static_cast<double>(*stream.second().delay_factor_ns), kMs, 1000);
}

TEST(DeliveryMonitor, AJumpOfTheClockIsNoJitter) {
  Stream stream(10'528'000);
  for (std::int64_t i = 0; i <= 2600; ++i) {
    if (i == 1500) stream.position += 5'000'000;
    stream.arrive(i * kMs);
  }
  EXPECT_LT(*stream.second().pcr_jitter_ns, 100);
  EXPECT_NEAR(static_cast<double>(*stream.second().delay_factor_ns), kMs, 10'000);
}

}  // namespace
}  // namespace headgate::mpegts

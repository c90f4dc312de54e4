// The indicators of TR 101 290 5.2 that are measured of a live input. Streams are made by hand.
#include "dataplane/fastpath/worker/inspector.h"

#include "tests/fastpath/fastpath_support.h"

namespace headgate::fastpath {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::uint64_t kTicksPerMs = 27'000;

FrameBytes without_sync() {
  FrameBytes packet = ts_packet(0x100, 0, 0xAB);
  packet[0] = 0x48;
  return packet;
}

TEST(Inspector, LosesSyncAtTwoPacketsWithoutAndFindsItAtFiveWith) {
  Inspector inspector;
  std::uint8_t cc = 0;
  const auto good = [&](int count) {
    for (int i = 0; i < count; ++i) inspector.on_packets(ts_packet(0x100, cc++ & 0x0F, 0xAB), 0);
  };
  good(7);
  inspector.on_packets(without_sync(), 0);
  good(1);
  inspector.on_packets(without_sync(), 0);
  EXPECT_EQ(inspector.totals().sync_losses, 0U) << "never two in a row";
  inspector.on_packets(without_sync(), 0);
  EXPECT_EQ(inspector.totals().sync_losses, 1U);
  good(4);
  inspector.on_packets(without_sync(), 0);
  inspector.on_packets(without_sync(), 0);
  EXPECT_EQ(inspector.totals().sync_losses, 1U) << "it was not back yet";
  good(5);
  inspector.on_packets(without_sync(), 0);
  EXPECT_EQ(inspector.totals().sync_losses, 1U);
  inspector.on_packets(without_sync(), 0);
  EXPECT_EQ(inspector.totals().sync_losses, 2U);
  EXPECT_EQ(inspector.totals().sync_errors, 7U);
}

TEST(Inspector, ADatagramWithoutAnySyncLosesItAtOnce) {
  Inspector inspector;
  inspector.on_no_sync();
  inspector.on_no_sync();
  EXPECT_EQ(inspector.totals().sync_losses, 1U);
  EXPECT_EQ(inspector.totals().sync_errors, 0U) << "its packets are not counted";
}

// PCRs of one PID by value and arrival; what two of them made of it.
struct Pcrs {
  Inspector inspector;
  std::uint8_t cc = 0;
  void give(std::uint64_t value_ms, std::int64_t arrival_ms, bool flagged = false) {
    FrameBytes packet = pcr_packet(0x100, cc++ & 0x0F, value_ms * kTicksPerMs);
    if (flagged) packet[5] |= 0x80;
    inspector.on_packets(packet, arrival_ms * kMs);
  }
  std::uint64_t repetition() const { return inspector.totals().pcr_repetition_errors; }
  std::uint64_t indicator() const { return inspector.totals().pcr_indicator_errors; }
};

TEST(Inspector, CountsPcrsMoreThanAHundredMillisecondsApart) {
  Pcrs pcrs;
  pcrs.give(1000, 0);
  pcrs.give(1100, 100);
  EXPECT_EQ(pcrs.repetition(), 0U);
  pcrs.give(1201, 201);
  EXPECT_EQ(pcrs.repetition(), 1U);
  EXPECT_EQ(pcrs.indicator(), 1U);
  // None for three seconds.
  pcrs.give(4201, 3201);
  EXPECT_EQ(pcrs.repetition(), 2U);
  EXPECT_EQ(pcrs.indicator(), 2U);
}

TEST(Inspector, DoesNotTakeAWayThatStallsOrComesInBurstsForTheSource) {
  Pcrs pcrs;
  pcrs.give(1000, 0);
  pcrs.give(1040, 4000);  // held up
  pcrs.give(1080, 4001);
  EXPECT_EQ(pcrs.repetition() + pcrs.indicator(), 0U);
  pcrs.give(1280, 4002);  // the source's, however it came
  EXPECT_EQ(pcrs.repetition(), 1U);
}

TEST(Inspector, TellsAJumpOfTheClockFromOneThatIsMarked) {
  Pcrs pcrs;
  pcrs.give(100'000, 0);
  pcrs.give(50'000, 40);
  EXPECT_EQ(pcrs.indicator(), 1U);
  EXPECT_EQ(pcrs.repetition(), 0U) << "it came in time";
  pcrs.give(80'000, 80, true);
  EXPECT_EQ(pcrs.indicator(), 1U);
  pcrs.give(80'040, 120);
  EXPECT_EQ(pcrs.indicator(), 1U);
}

}  // namespace
}  // namespace headgate::fastpath

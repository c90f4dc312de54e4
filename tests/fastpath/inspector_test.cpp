// The indicators of TR 101 290 5.2 that are measured of a live input. Streams are made by hand.
#include "dataplane/fastpath/worker/inspector.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "mpegts/monitor/stream_analyzer.h"
#include "tests/fastpath/fastpath_support.h"
#include "tests/fastpath/made_service.h"

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

using mpegts::Indicator;

// Pictures of 40 ms with PAT and PMT every second one, looked at in datagrams of one packet.
struct Watched {
  Inspector inspector;
  MadeService service{0xAB, 27'000'000};
  std::int64_t now_ns = 1'700'000'000'000 * kMs;
  std::int64_t watch_ns = 0;

  explicit Watched(Inspector::Clock clock = Inspector::Clock::arrival) {
    inspector.set_monitor(Inspector::make_monitor(), clock);
  }
  void pictures(int count, bool tables, std::int64_t wait_ms = 40) {
    for (int i = 0; i < count; ++i) {
      service.tables = tables;
      for (const FrameBytes& packet : service.next()) inspector.on_packets(packet, now_ns, {watch_ns, 0});
      now_ns += wait_ms * kMs;
      watch_ns += wait_ms * kMs;
    }
  }
  std::uint64_t count(Indicator indicator) const { return inspector.indicators()[indicator]; }
};

TEST(Inspector, MissesTablesWhileMediaGoesOn) {
  Watched good;
  good.pictures(100, true);
  for (const Indicator none : {Indicator::pat_error, Indicator::pmt_error, Indicator::pid_error,
                               Indicator::pts_error, Indicator::crc_error, Indicator::unreferenced_pid})
    EXPECT_EQ(good.count(none), 0U);
  EXPECT_TRUE(good.inspector.judged(Indicator::pat_error));
  EXPECT_TRUE(good.inspector.judged(Indicator::sdt_actual_error)) << "four seconds without one";
  EXPECT_EQ(good.count(Indicator::sdt_actual_error), 1U);
  EXPECT_FALSE(good.inspector.judged(Indicator::tdt_error));
  EXPECT_FALSE(good.inspector.judged(Indicator::pcr_accuracy_error));
  good.pictures(20, false);
  EXPECT_EQ(good.count(Indicator::pat_error), 1U) << "once, until it is back";
  EXPECT_EQ(good.count(Indicator::pmt_error), 1U);
  good.pictures(20, true);
  good.pictures(20, false);
  EXPECT_EQ(good.count(Indicator::pat_error), 2U);
}

TEST(Inspector, MissesStreamsAndTimeStampsButNotOfAStreamThatIsSilentAltogether) {
  Watched watched;
  watched.pictures(50, true);
  watched.pictures(10, true, 800);
  EXPECT_EQ(watched.count(Indicator::pts_error), 9U) << "800 ms apart";
  watched.pictures(50, true);
  const auto before = watched.count(Indicator::pat_error);
  watched.now_ns += 60'000 * kMs;
  watched.watch_ns += 60'000 * kMs;
  EXPECT_EQ(watched.count(Indicator::pat_error), before);
  watched.pictures(50, true);
  EXPECT_EQ(watched.count(Indicator::pat_error), before + 1) << "the gap, when it is over";
  EXPECT_EQ(watched.count(Indicator::pid_error), 1U);
}

TEST(Inspector, KnowsThePidsOfItsServices) {
  Watched watched;
  watched.pictures(4, true);
  using Of = mpegts::StreamMonitor::ProgramPid;
  const auto pids = watched.inspector.program_pids();
  EXPECT_EQ(std::vector<Of>(pids.begin(), pids.end()),
            (std::vector<Of>{{1, mpegts::Pid{0x20}}, {1, mpegts::Pid{0x100}}}));
}

// Segments of two seconds at once: what comes through the bridge.
TEST(Inspector, GoesByTheStreamsOwnClockWhereItComesInLumps) {
  for (const auto clock : {Inspector::Clock::arrival, Inspector::Clock::stream}) {
    Watched watched(clock);
    for (int segment = 0; segment < 5; ++segment) {
      watched.pictures(50, true, 0);
      watched.now_ns += 2000 * kMs;
      watched.watch_ns += 2000 * kMs;
    }
    EXPECT_EQ(watched.count(Indicator::pat_error), clock == Inspector::Clock::arrival ? 4U : 0U);
    watched.pictures(50, false, 0);
    EXPECT_EQ(watched.count(Indicator::pat_error), clock == Inspector::Clock::arrival ? 5U : 1U);
  }
}

// Of captured streams, sent at one pace: the gateway judges as the probe does.
TEST(Inspector, CountsWhatTheProbeCounts) {
  const char* folder = std::getenv("HEADGATE_STREAMS");
  if (folder == nullptr) GTEST_SKIP() << "HEADGATE_STREAMS is not set";
  SpareTables spares;
  int streams = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().extension() != ".ts") continue;
    std::ifstream in(file.path(), std::ios::binary);
    const FrameBytes bytes{std::istreambuf_iterator<char>(in), {}};
    constexpr std::size_t kDatagram = 7 * mpegts::kPacketSize;
    if (bytes.size() < kDatagram || bytes[0] != mpegts::kSyncByte || bytes[188] != mpegts::kSyncByte ||
        bytes[376] != mpegts::kSyncByte)
      continue;
    ++streams;
    spares.refill();
    Inspector inspector;
    inspector.set_spare_tables(&spares);
    inspector.set_monitor(Inspector::make_monitor(), Inspector::Clock::arrival);
    mpegts::StreamAnalyzer probe;
    std::int64_t now = 0;
    for (std::size_t at = 0; at + kDatagram <= bytes.size(); at += kDatagram, now += 2 * kMs) {
      const auto datagram = std::span(bytes).subspan(at, kDatagram);
      inspector.on_packets(datagram, now);
      for (std::size_t i = 0; i < kDatagram; i += mpegts::kPacketSize)
        probe.on_packet(mpegts::TsPacket(datagram.subspan(i).first<mpegts::kPacketSize>()), now);
    }
    // What is absent at the end is judged at the end: of the gateway's, by a datagram that says nothing.
    now += 100 * kMs;
    inspector.on_packets(ts_packet(0x1FFF, 0, 0xFF), now);
    const FrameBytes null_packet = ts_packet(0x1FFF, 0, 0xFF);
    probe.on_packet(mpegts::TsPacket(std::span(null_packet).first<mpegts::kPacketSize>()), now);
    const mpegts::StreamReport report = probe.report();
    const mpegts::IndicatorCounts counts = inspector.indicators();
    // The probe compares a duplicate's bytes: what it is by one is an error by the other, or neither.
    EXPECT_EQ(inspector.totals().cc_errors + inspector.totals().duplicates,
              report.cc_errors + report.duplicates)
        << file.path().filename();
    for (const mpegts::IndicatorInfo& info : mpegts::kIndicators) {
      // The probe takes PCRs by arrival; its reader looks after sync.
      if (info.indicator == Indicator::ts_sync_loss || info.indicator == Indicator::continuity_count_error ||
          info.indicator == Indicator::pcr_repetition_error)
        continue;
      EXPECT_EQ(counts[info.indicator], report.tr101290[info.indicator])
          << file.path().filename() << " " << info.name;
      EXPECT_EQ(inspector.judged(info.indicator),
                !report.unmeasured[static_cast<std::size_t>(info.indicator)])
          << file.path().filename() << " " << info.name;
    }
  }
  EXPECT_GT(streams, 10);
}

}  // namespace
}  // namespace headgate::fastpath

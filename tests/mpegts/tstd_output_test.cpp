// What the constant rate and the multiplexer send of broadcast captures, judged by the whole T-STD: no buffer
// that the capture's own schedule keeps within its size may come to be too full or too empty.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mpegts/monitor/es_probe.h"
#include "mpegts/monitor/stream_analyzer.h"
#include "mpegts/mux/multiplexer.h"
#include "mpegts/mux/rate_schedule.h"
#include "mpegts/packet/packet_reader.h"
#include "mpegts/tstd/program_time.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kBegin = 1'700'000'000'000'000'000;

struct Case {
  std::string name;
  std::uint16_t pcr_pid;
  std::uint64_t rate;
  std::size_t judged;  // PIDs, at least
};

StreamReport judge(const std::vector<test::Packet>& packets) {
  StreamAnalyzer analyzer{es_codec_probes()};
  analyzer.model_decoder();
  for (const test::Packet& packet : packets) analyzer.on_packet(test::view(packet));
  return analyzer.report();
}

std::map<std::uint16_t, TstdInfo> buffers(const StreamReport& report) {
  std::map<std::uint16_t, TstdInfo> out;
  for (const PidInfo& pid : report.pids)
    if (pid.tstd) out.emplace(pid.pid.value, *pid.tstd);
  return out;
}

// Each leaves the buffer at its time by the capture's PCRs.
struct Leaving {
  std::int64_t ns;
  test::Packet packet;
};
std::vector<Leaving> leaving(const std::vector<test::Packet>& packets, std::uint16_t pcr_pid) {
  std::vector<Leaving> out;
  ProgramTime time;
  std::optional<std::uint64_t> last;
  std::vector<std::size_t> waiting;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    const TsPacket packet = test::view(packets[i]);
    if (packet.pid().value == pcr_pid && packet.has_pcr()) {
      const std::uint64_t now = packet.pcr()->ticks;
      const auto step = last ? std::optional((now + kPcrModulus - *last) % kPcrModulus) : std::nullopt;
      if (time.on_pcr(*packet.pcr(), step, i))
        for (const std::size_t at : waiting)
          out.push_back({kBegin + time.begin_of(at) * 1000 / 27, packets[at]});
      waiting.clear();
      last = now;
    }
    if (last) waiting.push_back(i);
  }
  return out;
}

class TstdOutput : public testing::TestWithParam<Case> {};

template <class Stage>
void drain(Stage& stage, std::int64_t now, std::vector<test::Packet>& out) {
  RateSchedule::Datagram datagram{};
  while (stage.next_departure_ns() < now) {
    if (!stage.pop(stage.next_departure_ns(), datagram)) continue;
    for (std::size_t at = 0; at < datagram.bytes.size(); at += kPacketSize)
      std::copy_n(datagram.bytes.begin() + static_cast<std::ptrdiff_t>(at), kPacketSize,
                  out.emplace_back().begin());
  }
}

TEST_P(TstdOutput, OfAConstantRateBreaksNoBufferThatItsInputKeeps) {
  const auto bytes = test::capture(GetParam().name);
  if (!bytes) GTEST_SKIP() << "no captures";
  const auto source = leaving(test::split(*bytes), GetParam().pcr_pid);
  std::vector<test::Packet> in, out;
  RateSchedule stage(GetParam().rate, GetParam().rate / 2 / 1504);
  for (const Leaving& it : source) {
    in.push_back(it.packet);
    drain(stage, it.ns, out);
    stage.push(it.packet, it.ns);
  }
  drain(stage, source.back().ns + 500'000'000, out);
  EXPECT_EQ(stage.counters().all_dropped(), 0U);
  const auto before = buffers(judge(in));
  const StreamReport report = judge(out);
  std::size_t judged = 0;
  for (const auto& [pid, now] : buffers(report)) {
    ASSERT_TRUE(before.contains(pid));
    const TstdInfo& then = before.at(pid);
    const std::string where = "PID " + std::to_string(pid);
    EXPECT_EQ(now.unjudged, then.unjudged) << where;
    EXPECT_LE(now.transport.overflows, then.transport.overflows) << where;
    EXPECT_LE(now.not_emptied, then.not_emptied) << where;
    EXPECT_LE(now.delayed, then.delayed) << where;
    if (!now.main) continue;
    ++judged;
    ASSERT_TRUE(then.main);
    EXPECT_LE(now.main->overflows, then.main->overflows) << where;
    if (now.multiplexing) {
      EXPECT_LE(now.multiplexing->overflows, then.multiplexing->overflows) << where;
    }
    // It has a last PCR later, and so more that are judged.
    EXPECT_GE(now.access_units, then.access_units) << where;
    EXPECT_LE(now.underflows,
              then.underflows == 0 ? 0 : then.underflows + now.access_units - then.access_units)
        << where;
  }
  EXPECT_GE(judged, GetParam().judged);
}

INSTANTIATE_TEST_SUITE_P(Captures, TstdOutput,
                         testing::Values(Case{"mpts-dvbt-it-8prog.ts", 0x0200, 22'600'000, 20},
                                         Case{"mpts-dvbt-it-8prog.ts", 0x0200, 38'000'000, 20},
                                         Case{"dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts", 0x0078, 12'000'000, 5},
                                         Case{"dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts", 0x0078, 38'000'000, 5},
                                         Case{"sd-h264i-bars-aacx2.ts", 0x1000, 1'700'000, 4},
                                         Case{"sd-h264i-bars-aacx2.ts", 0x1000, 8'000'000, 4},
                                         Case{"hd-2services-eit-one-scrambled.ts", 0x03F2, 12'000'000, 3},
                                         Case{"scte35-h264-bframes-aac-80s.ts", 0x0100, 4'000'000, 2},
                                         Case{"h264-ac3dvb-1.ts", 0x0100, 14'000'000, 2},
                                         Case{"h264-opus.ts", 0x0101, 8'000'000, 2}),
                         [](const auto& which) {
                           return std::to_string(which.index) + "At" +
                                  std::to_string(which.param.rate / 1000);
                         });

// What each keeps by itself, it keeps beside others.
TEST(TstdOfMultiplex, BreaksNoBuffer) {
  constexpr std::uint64_t kRate = 24'000'000;
  const std::vector<Case> cases{{"dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts", 0x0078, 0, 0},
                                {"sd-h264i-bars-aacx2.ts", 0x1000, 0, 0},
                                {"h264-opus.ts", 0x0101, 0, 0}};
  struct Source {
    std::vector<Leaving> packets;
    std::unique_ptr<MultiplexMember> member;
    std::size_t next = 0;
  };
  Multiplexer mux(MultiplexIdentity{1, 2, 3, "Net", true}, kRate);
  std::vector<Source> sources;
  std::vector<MultiplexPlace> places;
  for (const Case& it : cases) {
    const auto bytes = test::capture(it.name);
    if (!bytes) GTEST_SKIP() << "no captures";
    Source& source = sources.emplace_back();
    source.packets = leaving(test::split(*bytes), it.pcr_pid);
    const auto number = static_cast<std::uint16_t>(sources.size());
    source.member = std::make_unique<MultiplexMember>(MultiplexMember::Identity{number, number, 1, 3},
                                                      Multiplexer::most_packets(kRate));
    places.push_back({source.member.get(), "", "", number, 0});
  }
  mux.adopt(places);
  std::vector<test::Packet> out;
  RateSchedule::Datagram datagram{};
  for (std::int64_t now = kBegin; now < kBegin + 12'000'000'000; now += 250'000) {
    for (Source& source : sources)
      for (; source.next < source.packets.size() && source.packets[source.next].ns <= now; ++source.next)
        mux.on_packet(*source.member, test::view(source.packets[source.next].packet),
                      source.packets[source.next].ns);
    while (mux.pop(now, now, datagram)) {
      for (std::size_t at = 0; at < datagram.bytes.size(); at += kPacketSize)
        std::copy_n(datagram.bytes.begin() + static_cast<std::ptrdiff_t>(at), kPacketSize,
                    out.emplace_back().begin());
    }
  }
  std::size_t judged = 0;
  for (const auto& [pid, held] : buffers(judge(out))) {
    EXPECT_EQ(held.buffer_errors(), 0U) << "PID " << pid;
    EXPECT_EQ(held.not_emptied + held.delayed, 0U) << "PID " << pid;
    judged += held.main && (held.access_units > 10 || held.access_units == 0) ? 1 : 0;
  }
  EXPECT_GE(judged, 8U);
}

}  // namespace
}  // namespace headgate::mpegts

// An hour of multiplexes of constant rate, judged by the whole T-STD.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <vector>

#include "decodable_program.h"
#include "mpegts/mux/rate_schedule.h"
#include "mpegts/tstd/target_decoder.h"

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kStart = 1'700'000'000 * kSecond;

struct Multiplex {
  const char* name;
  std::uint64_t rate;
  std::uint64_t video;
  std::vector<double> ppm;  // of the programs' clocks
  double margin_ms;         // of their video
};

class TstdHour : public testing::TestWithParam<Multiplex> {};

TEST_P(TstdHour, BreaksNoBuffer) {
  const Multiplex& mux = GetParam();
  std::vector<test::DecodableProgram> programs;
  TargetDecoder decoder;
  std::map<std::uint16_t, std::optional<std::uint64_t>> last_pcr;
  for (std::size_t i = 0; i < mux.ppm.size(); ++i) {
    programs.emplace_back(static_cast<std::uint16_t>(i + 1), static_cast<std::uint16_t>(0x100 * (i + 1)),
                          mux.video, mux.ppm[i], mux.margin_ms);
    decoder.on_pmt(programs[i].pmt_pid(), programs[i].pmt());
  }
  RateSchedule stage(mux.rate, mux.rate / 2 / 1504);
  RateSchedule::Datagram datagram{};
  std::uint64_t number = 0;
  const auto judge = [&] {
    for (std::size_t at = 0; at < datagram.bytes.size(); at += kPacketSize, ++number) {
      const TsPacket packet(std::span<const std::uint8_t>(datagram.bytes).subspan(at).first<kPacketSize>());
      if (packet.pid() == kNullPid) continue;
      if (const auto pcr = packet.pcr()) {
        auto& last = last_pcr[packet.pid().value];
        decoder.on_pcr(packet.pid(), *pcr,
                       last ? std::optional((pcr->ticks + kPcrModulus - *last) % kPcrModulus) : std::nullopt,
                       number);
        last = pcr->ticks;
      }
      decoder.on_packet(packet, number, false, false);
    }
  };
  for (;;) {
    auto first = programs.begin();
    for (auto p = first + 1; p != programs.end(); ++p) first = p->ns() < first->ns() ? p : first;
    const std::int64_t now = kStart + first->ns();
    while (stage.next_departure_ns() < now)
      if (stage.pop(stage.next_departure_ns(), datagram)) judge();
    if (first->ns() >= 3600 * kSecond) break;
    stage.push(first->bytes(), now);
    first->next();
  }
  decoder.finish();
  EXPECT_EQ(stage.counters().all_dropped(), 0U);
  EXPECT_EQ(stage.counters().crowded, 0U);
  for (const test::DecodableProgram& program : programs) {
    const TstdInfo video = decoder.info(Pid{program.video()}).value();
    const TstdInfo sound = decoder.info(Pid{program.sound()}).value();
    const TstdInfo system = decoder.info(program.pmt_pid()).value();
    ASSERT_TRUE(video.main && video.multiplexing && sound.main && system.main);
    std::printf(
        "%s program %04x: TB %lu %lu %lu, MB %lu of %lu, EB %lu of %lu, B %lu of %lu, B_sys %lu of %lu, "
        "stay %.1f and %.1f ms, late %lu and %lu\n",
        mux.name, program.video(), video.transport.most, sound.transport.most, system.transport.most,
        video.multiplexing->most, video.multiplexing->size, video.main->most, video.main->size,
        sound.main->most, sound.main->size, system.main->most, system.main->size,
        video.delay_max_ms.value_or(0), sound.delay_max_ms.value_or(0), video.underflows, sound.underflows);
    for (const TstdInfo& info : {video, sound, system}) {
      EXPECT_EQ(info.buffer_errors(), 0U);
      EXPECT_EQ(info.not_emptied + info.delayed + info.restarts, 0U);
    }
    EXPECT_GT(video.access_units, 89'900U);
    EXPECT_GT(sound.access_units, 149'900U);
  }
}

INSTANTIATE_TEST_SUITE_P(Multiplexes, TstdHour,
                         testing::Values(Multiplex{"One2Mbps", 2'000'000, 1'500'000, {20}, 10},
                                         Multiplex{"Two8Mbps", 8'000'000, 3'300'000, {-30, -30}, 10},
                                         Multiplex{"Two38Mbps", 38'000'000, 4'000'000, {5, 5}, 10},
                                         Multiplex{"SecondFaster", 8'000'000, 3'300'000, {-30, 30}, 10},
                                         // While it is learnt its PCRs are early, by 35 ms at most.
                                         Multiplex{"SecondSlower", 8'000'000, 3'300'000, {30, -30}, 45}),
                         [](const auto& which) { return which.param.name; });

}  // namespace
}  // namespace headgate::mpegts

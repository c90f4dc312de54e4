// What the hub makes of services and PES packets: made by hand, packet by packet.
#include "dataplane/bridge/hub/channel_hub.h"

#include <gtest/gtest.h>

#include "tests/bridge/broadcast.h"
#include "tests/bridge/slots.h"
#include "tests/support/made_cue.h"

namespace headgate::bridge::hub {
namespace {

using mpegts::es::RandomAccess;
using test::append;
using test::Broadcast;
using test::Bytes;
using test::picture;

constexpr std::uint64_t kFrame = 3600;  // 25 a second, 90 kHz
constexpr std::uint16_t kVideo = 0x100, kSound = 0x101;
constexpr std::uint8_t kMpeg2 = 0x02, kMpegAudio = 0x03;

struct Seen {
  bool timed;
  RandomAccess random_access;
  std::int64_t dts, pts;
  Bytes packets;
};

class UnitCollect : public UnitSink {
 public:
  void on_configuration(std::shared_ptr<const Configuration> c) override {
    configurations.push_back(std::move(c));
  }
  void on_unit(const Unit& u) override {
    if (u.track != 0) return;
    units.push_back({u.timed, u.random_access, u.dts, u.pts, Bytes(u.packets.begin(), u.packets.end())});
  }
  void on_cue(const Cue& cue) override { cues.push_back({cue.at, cue.came, cue.pid}); }
  void on_discontinuity() override {}
  void on_loss() override {}
  struct SeenCue {
    std::optional<std::int64_t> at;
    std::int64_t came;
    mpegts::Pid pid;
  };
  std::vector<SeenCue> cues;
  std::vector<std::shared_ptr<const Configuration>> configurations;
  std::vector<Seen> units;
};

class ChannelHubTest : public testing::Test {
 protected:
  void send() {
    const Bytes bytes = air.take();
    append(sent, bytes);
    slots.packets(bytes);
    slots.flush();
  }
  // The elementary stream, and continuity checked on the way.
  static Bytes payload_of(const Bytes& packets, std::uint16_t pid) {
    Bytes out;
    int last = -1;
    for (std::size_t at = 0; at < packets.size(); at += mpegts::kPacketSize) {
      const mpegts::TsPacket packet(
          std::span<const std::uint8_t, mpegts::kPacketSize>(packets.data() + at, mpegts::kPacketSize));
      if (packet.pid().value != pid) continue;
      EXPECT_TRUE(packet.valid());
      if (last >= 0) {
        EXPECT_EQ(packet.continuity_counter(), (last + 1) & 0x0F) << at / mpegts::kPacketSize;
      }
      last = packet.continuity_counter();
      auto payload = packet.payload();
      if (packet.payload_unit_start()) {
        const auto header = mpegts::PesHeader::parse(payload);
        EXPECT_TRUE(header);
        if (header) payload = payload.subspan(header->payload_offset);
      }
      append(out, payload);
    }
    return out;
  }
  Bytes delivered() const {
    Bytes all;
    for (const Seen& s : out.units) append(all, s.packets);
    return all;
  }

  UnitCollect out;
  ChannelHub hub{out};
  test::Slots slots{[this](const ring::Slot& slot) { hub.on_slot(slot); }};
  Broadcast air;
  Bytes sent;
  const std::vector<Broadcast::Service> one{{1, 0x40, kVideo, {{kVideo, kMpeg2}}}};
};

TEST_F(ChannelHubTest, ARandomAccessPointInsideAPesPacketBeginsOneOfItsOwn) {
  air.tables(one);
  // Three pictures a PES packet, the I picture second; sizes that put the cut everywhere in a packet.
  Bytes source;
  constexpr int kCount = 200;
  for (int i = 0; i < kCount; ++i) {
    const auto n = static_cast<std::size_t>(i);
    Bytes payload = picture(false, 300 + n);
    append(payload, picture(true, 500 + 3 * n));
    append(payload, picture(false, 40 + n));
    append(source, payload);
    const std::uint64_t dts = 900'000 + static_cast<std::uint64_t>(i) * 3 * kFrame;
    air.pes({kVideo, 0xE0, dts + 2 * kFrame, payload, dts, dts - 9000, i % 2 == 0});
  }
  send();
  hub.flush();
  ASSERT_GE(hub.counters().split_pes, kCount - 20U);  // but for cuts with too few bytes beside them
  EXPECT_EQ(hub.counters().damaged_pes, 0U);
  EXPECT_EQ(payload_of(delivered(), kVideo), source);
  std::size_t joinable = 0;
  for (std::size_t i = 1; i < out.units.size(); ++i) {
    const Seen& unit = out.units[i];
    if (unit.random_access == RandomAccess::none) continue;
    ++joinable;
    EXPECT_EQ(unit.random_access, RandomAccess::clean);
    EXPECT_EQ(unit.dts - out.units[i - 1].dts, static_cast<std::int64_t>(kFrame) * 300);
    EXPECT_EQ(unit.pts - unit.dts, static_cast<std::int64_t>(2 * kFrame) * 300);
    const Bytes payload = payload_of(unit.packets, kVideo);
    ASSERT_GE(payload.size(), 4U);
    EXPECT_EQ(payload[3], 0xB3);
    // What its header says is what the unit says.
    const mpegts::TsPacket first(
        std::span<const std::uint8_t, mpegts::kPacketSize>(unit.packets.data(), 188));
    EXPECT_TRUE(first.payload_unit_start() && first.random_access());
    const auto header = mpegts::PesHeader::parse(first.payload());
    ASSERT_TRUE(header && header->pts && header->dts);
    EXPECT_EQ(header->pts->ticks - header->dts->ticks, 2 * kFrame);
  }
  EXPECT_EQ(joinable, hub.counters().split_pes);
}

// Its time is that of a picture with the same PTS, over the wrap of 33 bits too.
TEST_F(ChannelHubTest, CuesComeOnceWithTheirTimesOnTheTimeline) {
  constexpr std::uint16_t kCues = 0x1F4;
  air.tables({{1, 0x40, kVideo, {{kVideo, kMpeg2}, {kCues, 0x86}}}});
  std::uint64_t pts = mpegts::kPtsModulus - 60 * kFrame;
  const auto pictures = [&](int count) {
    for (int i = 0; i < count; ++i, pts += kFrame)
      air.pes({kVideo, 0xE0, pts, picture(i == 0, 500), std::nullopt, pts - 9000});
  };
  pictures(30);
  // Two seconds ahead, behind the wrap; by pts_adjustment one second later.
  const auto cue = headgate::test::splice_insert(7, (pts + 180'000) % mpegts::kPtsModulus, 90'000);
  air.section(kCues, cue);
  air.section(kCues, cue);
  const std::size_t cued = 30;
  pictures(80);
  send();
  hub.flush();
  ASSERT_EQ(out.cues.size(), 1U);
  ASSERT_GT(out.units.size(), cued);
  ASSERT_TRUE(out.cues[0].at.has_value());
  EXPECT_EQ(*out.cues[0].at, out.units[cued].pts + 3 * mpegts::kTicksPerSecond);
  EXPECT_NEAR(static_cast<double>(out.units[cued].pts - out.cues[0].came), 9000.0 * 300, 2.0 * kFrame * 300);
  EXPECT_EQ(out.cues[0].pid, mpegts::Pid{kCues});
  EXPECT_EQ(hub.counters().cues, 1U);
  EXPECT_EQ(hub.counters().unread_cues, 0U);
}

TEST_F(ChannelHubTest, PacketsOutsideTheCutStayBitExact) {
  air.tables(one);
  Bytes payload = picture(false, 3000);
  append(payload, picture(true, 5000));
  air.pes({kVideo, 0xE0, 900'000, payload, std::nullopt, 891'000});
  send();
  hub.flush();
  ASSERT_EQ(out.units.size(), 2U);
  const Bytes now = delivered();
  std::size_t same = 0, all = 0;
  for (std::size_t at = 0; at < sent.size(); at += 188) {
    if (((sent[at + 1] & 0x1F) << 8 | sent[at + 2]) != kVideo) continue;
    ++all;
    const auto from = sent.begin() + static_cast<std::ptrdiff_t>(at);
    for (std::size_t to = 0; to < now.size(); to += 188) {
      if (std::equal(from, from + 188, now.begin() + static_cast<std::ptrdiff_t>(to))) {
        ++same;
        break;
      }
    }
  }
  EXPECT_EQ(same, all - 1);
  EXPECT_EQ(now.size(), (all + 16) * 188);
}

TEST_F(ChannelHubTest, ARandomAccessPointBehindTheTailOfAnotherPictureKeepsItsTimeStamps) {
  air.tables(one);
  const Bytes tail(700, 0x55);
  for (std::uint64_t i = 0; i < 3; ++i) {
    Bytes payload = tail;
    append(payload, picture(true, 900));
    air.pes({kVideo, 0xE0, 900'000 + i * kFrame, payload, std::nullopt, 891'000 + i * kFrame});
  }
  send();
  hub.flush();
  ASSERT_EQ(out.units.size(), 6U);
  for (std::size_t i = 0; i < 6; i += 2) {
    EXPECT_FALSE(out.units[i].timed);
    EXPECT_EQ(payload_of(out.units[i].packets, kVideo), tail);
    EXPECT_EQ(out.units[i + 1].random_access, RandomAccess::clean);
    const mpegts::TsPacket first(
        std::span<const std::uint8_t, mpegts::kPacketSize>(out.units[i + 1].packets.data(), 188));
    EXPECT_EQ(mpegts::PesHeader::parse(first.payload())->pts->ticks, 900'000 + i / 2 * kFrame);
  }
}

TEST_F(ChannelHubTest, OfSeveralServicesTheLowestWithClearVideoIsTaken) {
  const std::vector<Broadcast::Service> services{{5, 0x40, 0x110, {{0x110, kMpeg2}, {0x111, kMpegAudio}}},
                                                 {3, 0x50, 0x121, {{0x121, kMpegAudio}}},
                                                 {9, 0x60, 0x130, {{0x130, kMpeg2}}},
                                                 {7, 0x70, 0x140, {{0x140, kMpeg2}}}};
  air.tables(services);
  for (std::uint64_t i = 0; i < 100; ++i) {
    const std::uint64_t t = 900'000 + i * kFrame;
    air.pes(
        {0x110, 0xE0, t, picture(true, 400), std::nullopt, t - 9000, false, true});  // service 5: scrambled
    air.pes({0x111, 0xC0, t, test::audio_frame(), std::nullopt, std::nullopt, true});
    air.pes({0x121, 0xC0, t, test::audio_frame(), std::nullopt, t - 9000, true});
    air.pes({0x130, 0xE0, t, picture(true, 400), std::nullopt, t - 9000});
    air.pes({0x140, 0xE0, t, picture(true, 400), std::nullopt, t - 9000});
    if (i % 10 == 9) air.tables(services);
    send();
  }
  EXPECT_EQ(hub.program_number(), 7);
  EXPECT_TRUE(hub.program_unset());
  EXPECT_EQ(hub.counters().scrambled_pes, 0U);
  EXPECT_GT(out.units.size(), 80U);
}

TEST_F(ChannelHubTest, OfServicesWithoutClearVideoTheLowestWithClearSoundIsTaken) {
  const std::vector<Broadcast::Service> services{{2, 0x40, 0x110, {{0x110, kMpeg2}}},
                                                 {8, 0x50, 0x121, {{0x121, kMpegAudio}}},
                                                 {6, 0x60, 0x131, {{0x131, kMpegAudio}}}};
  for (std::uint64_t i = 0; i < 100; ++i) {
    const std::uint64_t t = 900'000 + i * kFrame;
    if (i % 10 == 0) air.tables(services);
    air.pes({0x110, 0xE0, t, picture(true, 400), std::nullopt, t - 9000, false, true});
    air.pes({0x121, 0xC0, t, test::audio_frame(), std::nullopt, t - 9000, true});
    air.pes({0x131, 0xC0, t, test::audio_frame(), std::nullopt, t - 9000, true});
    send();
  }
  EXPECT_EQ(hub.program_number(), 6);
  EXPECT_TRUE(hub.program_unset());
}

TEST_F(ChannelHubTest, AStreamOfOneServiceNeedsNoChoice) {
  air.tables(one);
  air.pes({kVideo, 0xE0, 900'000, picture(true, 400), std::nullopt, 891'000});
  send();
  EXPECT_EQ(hub.program_number(), 1);
  EXPECT_FALSE(hub.program_unset());
}

class VideoFallback : public ChannelHubTest {
 protected:
  // Sound and the clock go on; of the video what `with_video` says.
  void second(bool with_video, bool scrambled = false) {
    for (int i = 0; i < 25; ++i, t += kFrame) {
      if (with_video)
        air.pes({kVideo, 0xE0, t, picture(i == 0, 400), std::nullopt, std::nullopt, false, scrambled});
      air.pes({kSound, 0xC0, t, test::audio_frame(), std::nullopt, t - 9000, true});
    }
    send();
  }
  void begin() { air.tables({{1, 0x40, kSound, {{kVideo, kMpeg2}, {kSound, kMpegAudio}}}}); }
  std::size_t carried() const { return out.configurations.back()->carried.size(); }
  std::uint64_t t = 900'000;
};

TEST_F(VideoFallback, SoundGoesOnAloneAfterFiveSecondsWithoutAPicture) {
  begin();
  for (int i = 0; i < 4; ++i) second(false);
  EXPECT_EQ(carried(), 2U);
  EXPECT_FALSE(hub.video_given_up());
  for (int i = 0; i < 2; ++i) second(false);
  EXPECT_EQ(carried(), 1U);
  EXPECT_TRUE(hub.video_given_up());
  EXPECT_EQ(hub.tracks()[0].reason, "no usable video packet for 5 s (silent or scrambled)");
  const std::size_t before = out.units.size();
  second(false);
  EXPECT_GE(out.units.size(), before + 24);
}

TEST_F(VideoFallback, AScrambledVideoCountsAsSilentAndIsTakenBackWhenItIsClear) {
  begin();
  second(true);
  for (int i = 0; i < 6; ++i) second(true, true);
  EXPECT_EQ(carried(), 1U);
  EXPECT_EQ(hub.last_fate(mpegts::Pid{kVideo}), Fate::scrambled);
  for (int i = 0; i < 2; ++i) second(true);
  EXPECT_EQ(carried(), 2U);
  EXPECT_FALSE(hub.video_given_up());
  EXPECT_EQ(out.configurations.back()->carried[0].pid.value, kVideo);
}

TEST_F(VideoFallback, AJumpOfTheClockIsNoSilence) {
  begin();
  second(true);
  t += 90'000 * 30;
  for (int i = 0; i < 3; ++i) second(true);
  EXPECT_EQ(hub.counters().configurations, 1U) << "the video was given up, if only for a moment";
  EXPECT_GT(hub.counters().discontinuities, 0U);
}

TEST_F(VideoFallback, AVideoThatComesIsNeverGivenUp) {
  begin();
  for (int i = 0; i < 20; ++i) second(true);
  EXPECT_EQ(carried(), 2U);
}

class OwnLoss : public VideoFallback {
 protected:
  // Pictures from the middle of a group on, its first one where `joinable`.
  void pictures(int count, bool joinable) {
    for (int i = 0; i < count; ++i, t += kFrame) {
      air.pes({kVideo, 0xE0, t, picture(joinable && i == 0, 400), std::nullopt, std::nullopt, false, false});
      air.pes({kSound, 0xC0, t, test::audio_frame(), std::nullopt, t - 9000, true});
    }
    send();
  }
};

TEST_F(OwnLoss, KeepsTheVideoBackUntilTheNextRandomAccessPoint) {
  begin();
  second(true);
  slots.lose(5);
  out.units.clear();
  pictures(12, false);
  EXPECT_TRUE(out.units.empty());
  pictures(25, true);
  hub.flush();
  ASSERT_EQ(out.units.size(), 25U);
  EXPECT_EQ(out.units[0].random_access, RandomAccess::clean);
  EXPECT_EQ(hub.counters().unreferenced_pes, 13U);  // with the picture that was open when the loss came
}

TEST_F(OwnLoss, LetsAVideoPassThatHasNoRandomAccessPointForThreeSeconds) {
  begin();
  second(true);
  slots.lose(5);
  out.units.clear();
  pictures(74, false);
  EXPECT_TRUE(out.units.empty());
  pictures(25, false);
  EXPECT_GE(out.units.size(), 22U);
}

}  // namespace
}  // namespace headgate::bridge::hub

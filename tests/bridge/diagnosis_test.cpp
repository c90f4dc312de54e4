// What a channel says of itself when players get nothing, or not all; and what a hole costs them.
#include "dataplane/bridge/app/diagnosis.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "dataplane/bridge/app/channel.h"
#include "tests/bridge/broadcast.h"
#include "tests/bridge/slots.h"

namespace headgate::bridge::app {
namespace {

namespace fs = std::filesystem;

// Why players get nothing, as control tells it.
class DiagnosisTest : public testing::Test {
 protected:
  ~DiagnosisTest() override {
    for (const std::string& path : folders) fs::remove_all(path);
  }
  std::string folder(const std::string& name) {
    folders.push_back(testing::TempDir() + "bridge_diagnosis_test_" + std::to_string(::getpid()) + "_" +
                      name);
    return folders.back();
  }
  std::unique_ptr<Channel> make(const std::string& name) {
    protocol::BridgeChannel wanted;
    wanted.id = "c";
    wanted.handle = 1;
    wanted.hls = protocol::HlsState{1000, 7};
    return std::make_unique<Channel>(wanted, folder(name));
  }
  static constexpr std::uint16_t kVideo = 0x100, kSound = 0x101;
  static constexpr std::uint64_t kFrame = 3600;

  void SetUp() override { channel = make("problem"); }
  // A second of pictures as `make_pes` has them, and a look at its end.
  template <typename F>
  void seconds(int count, F make_pes) {
    for (int s = 0; s < count; ++s) {
      for (int i = 0; i < 25; ++i, t += kFrame) make_pes(i);
      slots.packets(air.take());
      slots.flush();
      now += std::chrono::seconds(1);
      channel->on_tick(now);
    }
  }
  void clear_pictures(int count) {
    seconds(count, [this](int i) {
      air.pes({kVideo, 0xE0, t, test::picture(i == 0, 400), std::nullopt, t - 9000});
    });
  }
  const std::vector<test::Broadcast::Service> tv{{1, 0x40, kVideo, {{kVideo, 0x02}}}};
  std::vector<std::string> folders;
  std::unique_ptr<Channel> channel;
  test::Slots slots{[this](const ring::Slot& slot) { channel->on_slot(slot); }};
  test::Broadcast air;
  std::uint64_t t = 900'000;
  std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now();
};

TEST_F(DiagnosisTest, NothingIsWrongWhileSegmentsComeAndBeforeTheFirstCould) {
  air.tables(tv);
  for (int i = 0; i < 20; ++i) {
    clear_pictures(1);
    EXPECT_EQ(channel->problem(), "") << i;
  }
  EXPECT_GT(channel->segmenter_counters().segments, 15U);
}

TEST_F(DiagnosisTest, AScrambledVideoIsNamedAndTheTroubleEndsWithTheNextSegment) {
  air.tables(tv);
  seconds(10, [this](int) {
    air.pes({kVideo, 0xE0, t, test::picture(true, 400), std::nullopt, t - 9000, false, true});
  });
  EXPECT_EQ(channel->problem(),
            "HLS has no segment: PID 256 (mpeg2_video) is scrambled: take it in the clear");
  clear_pictures(4);
  EXPECT_EQ(channel->problem(), "");
  seconds(10, [this](int) {
    air.pes({kVideo, 0xE0, t, test::picture(true, 400), std::nullopt, t - 9000, false, true});
  });
  EXPECT_NE(channel->problem(), "") << "segments that stopped coming go unnoticed";
}

TEST_F(DiagnosisTest, TracksThatNobodyCarriesAreNamedWithTheReason) {
  air.tables({{1, 0x40, 0x200, {{0x200, 0x42}, {0x201, 0x86}}}});
  seconds(7, [this](int) { air.pes({0x200, 0xE0, t, test::picture(true, 400), std::nullopt, t - 9000}); });
  EXPECT_NE(channel->problem().find("none of the service's tracks can be carried: PID 512 ("),
            std::string::npos)
      << channel->problem();
  EXPECT_NE(channel->problem().find("PID 513 ("), std::string::npos);
}

TEST_F(DiagnosisTest, AStreamWithoutTablesOrClockIsNamed) {
  seconds(8, [this](int) { air.pes({kVideo, 0xE0, t, test::picture(true, 400), std::nullopt, t - 9000}); });
  EXPECT_EQ(channel->problem(), "HLS has no segment: no PAT that names a service comes");
  channel = make("noclock");
  air = {};
  air.tables({{1, 0x40, 0x300, {{kVideo, 0x02}}}});
  test::Slots bare([this](const ring::Slot& slot) {
    ring::Slot without = slot;
    without.flags = 0;
    channel->on_slot(without);
  });
  for (int s = 0; s < 9; ++s, now += std::chrono::seconds(1)) {
    for (int i = 0; i < 25; ++i, t += kFrame) air.pes({kVideo, 0xE0, t, test::picture(true, 400)});
    bare.packets(air.take());
    bare.flush();
    channel->on_tick(now);
  }
  EXPECT_NE(channel->problem().find("no PCR comes"), std::string::npos) << channel->problem();
}

TEST_F(DiagnosisTest, AVideoWithoutRandomAccessPointsIsTold) {
  air.tables(tv);
  seconds(14, [this](int) { air.pes({kVideo, 0xE0, t, test::picture(false, 400), std::nullopt, t - 9000}); });
  EXPECT_NE(channel->problem().find("no listed segment has a random access point: PID 256"),
            std::string::npos)
      << channel->problem();
  clear_pictures(3);
  EXPECT_EQ(channel->problem(), "");
}

TEST_F(DiagnosisTest, SoundThatGoesOnAloneIsTold) {
  air.tables({{1, 0x40, kSound, {{kVideo, 0x02}, {kSound, 0x03}}}});
  seconds(12, [this](int) { air.pes({kSound, 0xC0, t, test::audio_frame(), std::nullopt, t - 9000, true}); });
  EXPECT_EQ(channel->problem(), "HLS carries the sound alone: PID 256 (mpeg2_video) brings no packets");
}

TEST_F(DiagnosisTest, SegmentsThatCannotBeWrittenAreTold) {
  air.tables(tv);
  clear_pictures(4);
  fs::remove_all(channel->directory());
  clear_pictures(3);
  EXPECT_NE(channel->problem().find("HLS can't write its segments: can't write "), std::string::npos)
      << channel->problem();
  EXPECT_GT(channel->store().lost_segments(), 0U);
}

TEST_F(DiagnosisTest, AnInputThatIsSilentIsNotThisProcesssTrouble) {
  air.tables(tv);
  seconds(10, [this](int) {
    air.pes({kVideo, 0xE0, t, test::picture(true, 400), std::nullopt, t - 9000, false, true});
  });
  ASSERT_NE(channel->problem(), "");
  channel->on_tick(now + std::chrono::seconds(3));
  EXPECT_EQ(channel->problem(), "");
}

TEST_F(DiagnosisTest, ASegmentBeginsAtARandomAccessPointInsideAPesPacket) {
  air.tables(tv);
  for (int i = 0; i < 60; ++i, t += 5 * kFrame) {
    // Five pictures, the I picture fourth: never first.
    test::Bytes payload;
    for (int p = 0; p < 5; ++p) test::append(payload, test::picture(p == 3, 700));
    air.pes({kVideo, 0xE0, t, payload, std::nullopt, t - 9000});
  }
  slots.packets(air.take());
  const auto& entries = channel->store().entries();
  ASSERT_GE(entries.size(), 8U);
  EXPECT_EQ(channel->segmenter_counters().gop_too_long, 0U);
  for (const hls::Entry& entry : entries) {
    EXPECT_TRUE(entry.independent);
    EXPECT_EQ((entry.start - entries.front().start) / 300 % static_cast<std::int64_t>(kFrame), 0);
    const auto file = channel->store().find(entry.k, entry.media);
    ASSERT_NE(file, nullptr);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(file->bytes().data()) + 2 * mpegts::kPacketSize;
    const mpegts::TsPacket first(
        std::span<const std::uint8_t, mpegts::kPacketSize>(bytes, mpegts::kPacketSize));
    const auto header = mpegts::PesHeader::parse(first.payload());
    ASSERT_TRUE(header);
    EXPECT_EQ(first.payload()[header->payload_offset + 3], 0xB3) << entry.k;
  }
}

// A bridge that is not scheduled while the ring fills: what is lost is counted where it was lost, and viewers
// see at most a gap and a discontinuity.
TEST_F(DiagnosisTest, ARingThatOverflowsCostsOneHoleAndTheStreamGoesOn) {
  const std::string path = folder("ring");
  folders.push_back(path + ".wake");
  auto producer = ring::Producer::open(path, 256);
  ASSERT_TRUE(producer) << producer.error();
  auto consumer = ring::Consumer::open(path);
  ASSERT_TRUE(consumer) << consumer.error();
  bool scheduled = true;
  test::Slots into([&](const ring::Slot& slot) {
    (*producer)->push(slot, std::span(slot.packets).first(slot.packet_count * mpegts::kPacketSize));
    (*producer)->flush();
    if (scheduled) (*consumer)->poll(256, [&](const ring::Slot& taken) { channel->on_slot(taken); });
  });
  const auto run = [&](int count) {
    for (int i = 0; i < count * 25; ++i, t += kFrame) {
      if (i % 10 == 0) air.tables(tv);
      air.pes({kVideo, 0xE0, t, test::picture(i % 25 == 0, 30'000), std::nullopt, t - 9000});
    }
    into.packets(air.take());
    into.flush();
  };
  run(6);
  scheduled = false;
  run(2);
  EXPECT_GT((*producer)->dropped(1), 0U) << "the ring is too large for this test";
  scheduled = true;
  run(6);
  EXPECT_EQ(channel->hub().counters().gaps, 1U);
  EXPECT_LE(channel->hub().counters().damaged_pes, 2U);
  const auto& entries = channel->store().entries();
  for (std::size_t i = 1; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i].k, entries[i - 1].k + 1);
    EXPECT_EQ(entries[i].start, entries[i - 1].start + entries[i - 1].duration) << "a hole without a mark";
  }
  const std::string& text = channel->store().media_text()->content;
  std::size_t marks = 0;
  for (std::size_t at = text.find("#EXT-X-DISCONTINUITY\n"); at != std::string::npos;
       at = text.find("#EXT-X-DISCONTINUITY\n", at + 1))
    ++marks;
  EXPECT_LE(marks, 1U);
  EXPECT_GT(entries.back().k - entries.front().k, 8);
}

}  // namespace
}  // namespace headgate::bridge::app

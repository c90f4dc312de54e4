// What strangers send: the sound worker neither grows nor falls over.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <random>

#include "tests/transcode/sound_support.h"

namespace headgate::transcode {
namespace {

using namespace sound_test;
using mpegts::StreamKind;

constexpr std::array kKinds{StreamKind::mpeg_audio, StreamKind::aac_adts, StreamKind::aac_latm,
                            StreamKind::ac3,        StreamKind::eac3,     StreamKind::dts,
                            StreamKind::opus};

std::size_t heap() { return mallinfo2().uordblks; }

// Two minutes, or as many as HEADGATE_SOUND_MINUTES says.
TEST(SoundBounds, MemoryStaysFlat) {
  const char* text = std::getenv("HEADGATE_SOUND_MINUTES");
  const double seconds = 60 * (text != nullptr ? std::atof(text) : 2);
  const Source source = coded("mp2", music(2, 44100, 4), 44100, 192000);
  Rig rig;
  rig.out.keep = false;
  rig.begin(source.kind);
  std::int64_t at = 0;
  std::size_t early = 0;
  while (static_cast<double>(at) / 27e6 < seconds) {
    play(rig, source, at, 4);
    at += source.time(source.frames.size());
    if (at % (10 * kSecond) < 4 * kSecond) at += kSecond / 7;  // a gap now and then
    if (early == 0 && static_cast<double>(at) / 27e6 > 30) early = heap();
  }
  const std::size_t late = heap();
  std::printf("heap after 30 s: %zu KiB, after %.0f s: %zu KiB\n", early / 1024, seconds, late / 1024);
  EXPECT_LT(late, early + 64 * 1024);
}

TEST(SoundBounds, NoiseOfAnyKindMakesNoMemoryNorFrames) {
  std::mt19937 random(7);
  for (const StreamKind kind : kKinds) {
    Rig rig;
    rig.begin(kind);
    const std::size_t before = heap();
    for (int i = 0; i < 1500; ++i) {
      Bytes noise(random() % 4000);
      for (auto& b : noise) b = static_cast<std::uint8_t>(random());
      rig.packet(i * kSecond / 40, noise, random() % 64 == 0 ? job::kLoss : 0);
    }
    EXPECT_LT(heap(), before + 4 * 1024 * 1024) << to_string(kind);
    EXPECT_FALSE(rig.stream().troubles.empty()) << to_string(kind);
  }
}

// Sync words with the longest lengths that can be written.
TEST(SoundBounds, LongFramesThatNeverEndAreNotKept) {
  const std::vector<std::pair<StreamKind, Bytes>> heads{
      {StreamKind::dts, {0x7F, 0xFE, 0x80, 0x01, 0xFC, 0x3F, 0xFF, 0xF3, 0x7F, 0xFF}},
      {StreamKind::eac3, {0x0B, 0x77, 0x07, 0xFF, 0x3F, 0x80, 0, 0}},
      {StreamKind::aac_latm, {0x56, 0xFF, 0xFF, 0}},
      {StreamKind::aac_adts, {0xFF, 0xF1, 0x4C, 0x83, 0xFF, 0xFF, 0xFC}}};
  for (const auto& [kind, head] : heads) {
    Rig rig;
    rig.begin(kind);
    rig.packet(0, head);
    const std::size_t before = heap();
    for (int i = 0; i < 2000; ++i) rig.packet(i * kSecond / 40, head);
    EXPECT_LT(heap(), before + 1024 * 1024) << to_string(kind);
  }
}

TEST(SoundBounds, WildTimesAndStrangeMessagesAreSurvived) {
  const Source source = coded("mp2", music(2, 48000, 1), 48000, 192000);
  Rig rig;
  rig.begin(source.kind);
  rig.begin(StreamKind::h264, Rig::encoding(), 5);
  EXPECT_EQ(rig.stream(5).troubles.size(), 1U);
  rig.packet(0, source.frames[0], 0, 9);  // of a stream that never began
  rig.packet(0, source.frames[0], 0, 60000);
  const std::int64_t wild[] = {INT64_MAX,
                               INT64_MIN,
                               -1,
                               0,
                               INT64_MAX / 2,
                               INT64_MIN / 2,
                               std::int64_t{1} << 55,
                               -(std::int64_t{1} << 55)};
  for (int round = 0; round < 4; ++round)
    for (const std::int64_t pts : wild)
      for (std::size_t i = 0; i < 3; ++i)
        rig.packet(pts, source.frames[i + 10], static_cast<std::uint32_t>(round));
  rig.packet(5, Bytes(2 * 1024 * 1024));
  play(rig, source, 100 * kSecond);
  rig.end();
  for (const auto& frame : rig.stream().frames) EXPECT_EQ(frame.pts % kGrid, 0);
  // The last second is whole.
  ASSERT_GT(rig.stream().frames.size(), 45U);
  EXPECT_EQ(holes(std::span(rig.stream().frames).last(44)), 0U);
  ring::MessageHeader header;
  header.kind = 999;
  rig.worker->on_message(header, {});
  header.kind = static_cast<std::uint16_t>(job::Message::stream);
  rig.worker->on_message(header, Bytes(3));
}

}  // namespace
}  // namespace headgate::transcode

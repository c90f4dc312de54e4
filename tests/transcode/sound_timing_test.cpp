// Losses, gaps, jumps, drift, changes of format, and data that can't be decoded: the frames that come out
// stay on the grid, follow one another, and what can be heard is where it belongs.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/transcode/sound_support.h"

namespace headgate::transcode {
namespace {

using namespace sound_test;
using mpegts::StreamKind;

constexpr std::int64_t kStart = 1000 * kSecond + 1'234'567;

Source mp2(double seconds, int channels = 2, int rate = 48000) {
  return coded("mp2", music(channels, rate, seconds), rate, 192000);
}

// The part of it from `from` s to `to` s after kStart.
Heard part(const Heard& heard, double from, double to) {
  const std::int64_t zero = std::llround(static_cast<double>(kStart) / 562.5);
  const auto size = static_cast<std::int64_t>(heard.planes.at(0).size());
  const auto at = [&](double t) {
    return std::clamp<std::int64_t>(zero + std::llround(t * 48000) - heard.first, 0, size);
  };
  Heard cut;
  cut.first = heard.first + at(from);
  for (const auto& plane : heard.planes)
    cut.planes.emplace_back(plane.begin() + at(from), plane.begin() + at(to));
  return cut;
}

float peak(const Heard& heard) {
  float highest = 0;
  for (const auto& plane : heard.planes)
    for (const float x : plane) highest = std::max(highest, std::abs(x));
  return highest;
}

std::size_t filled(const std::vector<AacFrame>& frames) {
  std::size_t n = 0;
  for (const auto& f : frames) n += (f.flags & job::kFilled) != 0 ? 1 : 0;
  return n;
}

// Plays all but the frames [from, to); `flags` on the first one after them.
void play_without(Rig& rig, const Source& source, std::size_t from, std::size_t to, std::uint32_t flags) {
  play(rig, source, kStart, 1, 0, from);
  rig.packet(kStart + source.time(to), source.frames[to], flags);
  play(rig, source, kStart, 1, to + 1);
  rig.end();
}

void expect_whole_but_between(const Source& source, const std::vector<AacFrame>& frames, double from,
                              double to, double off_ms = 0.05) {
  EXPECT_EQ(holes(frames), 0U);
  const Heard heard = decode_aac(frames), expected = decode_source("mp2float", source.frames, kStart, 2);
  const double end = static_cast<double>(source.time(source.frames.size())) / 27e6;
  for (const auto& [a, b] : {std::pair(0.0, from - 0.01), std::pair(to + 0.06, end)}) {
    if (b - a < 0.3) continue;
    const Likeness like = compare(part(expected, a, b), part(heard, a, b));
    EXPECT_GT(like.correlation, 0.99) << a << " to " << b << " s";
    EXPECT_LT(std::abs(like.offset_ms), off_ms) << a << " to " << b << " s";
  }
  if (to - from > 0.06) {
    EXPECT_LT(peak(part(heard, from + 0.025, to - 0.025)), 0.001F);
  }
}

TEST(SoundTiming, FillsALossThatIsTold) {
  const Source source = mp2(4);
  Rig rig;
  rig.begin(source.kind);
  play_without(rig, source, 50, 60, job::kLoss);
  expect_whole_but_between(source, rig.stream().frames, 50 * 0.024, 60 * 0.024);
  // 240 ms are eleven frames and a bit.
  EXPECT_GE(filled(rig.stream().frames), 11U);
  EXPECT_LE(filled(rig.stream().frames), 15U);
}

TEST(SoundTiming, FillsAGapOfTheTimeStampsThatNobodyTold) {
  const Source source = mp2(4);
  for (const std::size_t lost : {1U, 2U, 5U, 40U}) {
    Rig rig;
    rig.begin(source.kind);
    play_without(rig, source, 60, 60 + lost, 0);
    expect_whole_but_between(source, rig.stream().frames, 60 * 0.024, static_cast<double>(60 + lost) * 0.024);
  }
}

// The frame after a single one that is missing is not heard in its place until the next packet tells better.
TEST(SoundTiming, AMissingFrameIsSilenceAtOnce) {
  const Source source = mp2(3);
  Rig rig;
  rig.begin(source.kind);
  play_without(rig, source, 60, 61, 0);
  const Heard heard = decode_aac(rig.stream().frames);
  const double lost = 60 * 0.024;
  EXPECT_GT(peak(part(heard, lost - 0.03, lost - 0.005)), 0.1F);
  EXPECT_LT(peak(part(heard, lost + 0.008, lost + 0.016)), 0.05F);
}

TEST(SoundTiming, ALossInsideAPacketCostsOneFrame) {
  const Source source = mp2(4);
  Rig rig;
  rig.begin(source.kind);
  for (std::size_t i = 0; i + 4 <= source.frames.size(); i += 4) {
    Bytes payload;
    for (std::size_t k = i; k < i + 4; ++k)
      if (k != 82) payload.insert(payload.end(), source.frames[k].begin(), source.frames[k].end());
    // One packet lacks the half of a frame.
    if (i == 40) payload.erase(payload.begin() + 700, payload.begin() + 1000);
    rig.packet(kStart + source.time(i), payload);
  }
  rig.end();
  EXPECT_EQ(holes(rig.stream().frames), 0U);
  const Heard heard = decode_aac(rig.stream().frames);
  const Heard expected = decode_source("mp2float", source.frames, kStart, 2);
  for (const auto& [a, b] : {std::pair(0.0, 0.95), std::pair(1.2, 1.9), std::pair(2.2, 3.8)}) {
    const Likeness like = compare(part(expected, a, b), part(heard, a, b));
    EXPECT_GT(like.correlation, 0.99) << a;
    EXPECT_LT(std::abs(like.offset_ms), 0.05) << a;
  }
}

TEST(SoundTiming, ALongGapBeginsAnew) {
  const Source source = mp2(2);
  Rig rig;
  rig.begin(source.kind);
  play(rig, source, kStart);
  play(rig, source, kStart + 20 * kSecond);
  rig.end();
  const auto& frames = rig.stream().frames;
  EXPECT_EQ(holes(frames), 1U);
  std::size_t begun = 0;
  for (std::size_t i = 1; i < frames.size(); ++i) {
    if (frames[i].pts == frames[i - 1].pts + kGrid) continue;
    ++begun;
    EXPECT_EQ(frames[i].flags, job::kDiscontinuity | job::kLoss);
    EXPECT_NEAR(static_cast<double>(frames[i].pts - kStart) / 27e6, 20.0, 0.05);
  }
  EXPECT_EQ(begun, 1U);
  EXPECT_LT(frames.size(), 2 * 98U);
}

TEST(SoundTiming, ADiscontinuityIsANewAnchor) {
  const Source source = mp2(2);
  for (const std::int64_t jump : {-500 * kSecond, -kSecond, kSecond / 1000, 5 * kSecond}) {
    Rig rig;
    rig.begin(source.kind);
    play(rig, source, kStart);
    const std::int64_t next = kStart + source.time(source.frames.size()) + jump;
    rig.packet(next, source.frames[0], job::kDiscontinuity);
    play(rig, source, next, 1, 1);
    rig.end();
    const auto& frames = rig.stream().frames;
    std::size_t marked = 0;
    for (std::size_t i = 1; i < frames.size(); ++i) {
      EXPECT_EQ(frames[i].pts % kGrid, 0);
      if ((frames[i].flags & job::kDiscontinuity) != 0) {
        ++marked;
        const Heard after = decode_aac(std::span(frames).subspan(i));
        const Likeness like = compare(decode_source("mp2float", source.frames, next, 2), after);
        EXPECT_GT(like.correlation, 0.99) << jump;
        EXPECT_LT(std::abs(like.offset_ms), 0.05) << jump;
      } else {
        EXPECT_EQ(frames[i].pts, frames[i - 1].pts + kGrid) << jump;
      }
    }
    EXPECT_EQ(marked, 1U) << jump;
  }
}

TEST(SoundTiming, PacketsThatAreThereAlreadyArePassedOver) {
  const Source source = mp2(4);
  Rig rig;
  rig.begin(source.kind);
  play(rig, source, kStart, 1, 0, 80);
  play(rig, source, kStart, 1, 60);
  rig.end();
  expect_whole_but_between(source, rig.stream().frames, 79 * 0.024, 80 * 0.024);
}

// 44.1 and 48 kHz, whose samples come too fast or too slow for their time stamps.
TEST(SoundTiming, FollowsADriftingSourceWithinAMillisecond) {
  for (const int rate : {48000, 44100}) {
    for (const double ppm : {-200.0, 200.0}) {
      const Source source = coded("mp2", music(2, rate, 12), rate, 192000);
      Rig rig;
      rig.begin(source.kind);
      const auto drifted = [&](std::size_t i) {
        return kStart + std::llround(static_cast<double>(source.time(i)) * (1 + ppm * 1e-6));
      };
      for (std::size_t i = 0; i < source.frames.size(); ++i) rig.packet(drifted(i), source.frames[i]);
      rig.end();
      const auto& frames = rig.stream().frames;
      EXPECT_EQ(holes(frames), 0U);
      EXPECT_EQ(filled(frames), 1U);  // the last
      const Heard heard = decode_aac(frames);
      const Heard expected = decode_source("mp2float", source.frames, kStart, 2);
      double worst = 0;
      for (double t = 2; t < 11; t += 2) {
        Heard now = part(expected, t, t + 0.4);
        now.first += std::llround(t * 48000 * ppm * 1e-6);
        const Likeness like = compare(now, part(heard, t - 0.1, t + 0.5));
        EXPECT_GT(like.correlation, 0.98) << ppm << " " << t;
        worst = std::max(worst, std::abs(like.offset_ms));
      }
      std::printf("%d Hz, %.0f ppm: at most %.3f ms off\n", rate, ppm, worst);
      EXPECT_LT(worst, 0.6) << ppm;
    }
  }
}

// Time stamps in whole milliseconds, as what passed through FLV has them.
TEST(SoundTiming, JitterOfTimeStampsIsNotHeard) {
  const Source source = mp2(10, 2, 44100);
  Rig rig;
  rig.begin(source.kind);
  for (std::size_t i = 0; i < source.frames.size(); ++i)
    rig.packet((kStart + source.time(i) + 13500) / 27000 * 27000, source.frames[i]);
  rig.end();
  const auto& frames = rig.stream().frames;
  EXPECT_EQ(holes(frames), 0U);
  EXPECT_EQ(filled(frames), 1U);  // the last
  const Heard heard = decode_aac(frames), expected = decode_source("mp2float", source.frames, kStart, 2);
  std::vector<double> offsets;
  for (double t = 1; t < 9; t += 1) {
    const Likeness like = compare(part(expected, t, t + 0.5), part(heard, t - 0.1, t + 0.6));
    EXPECT_GT(like.correlation, 0.99) << t;
    EXPECT_LT(std::abs(like.offset_ms), 0.6) << t;
    offsets.push_back(like.offset_ms);
  }
  // The first time stamp may be half a millisecond off; after that it stays where it is.
  for (std::size_t i = 3; i < offsets.size(); ++i) EXPECT_NEAR(offsets[i], offsets[2], 0.2);
}

TEST(SoundTiming, UntimedPacketsGoOnFromTheOneBefore) {
  const Source source = mp2(4);
  Rig rig;
  rig.begin(source.kind);
  for (std::size_t i = 0; i < source.frames.size(); ++i)
    rig.packet(i % 10 == 5 ? std::optional(kStart + source.time(i)) : std::nullopt, source.frames[i]);
  rig.end();
  expect_whole_but_between(source, rig.stream().frames, 0.13, 0.13);
}

TEST(SoundTiming, FramesThatSpanPacketsKeepTheirTimes) {
  const Source source = mp2(4);
  Bytes all;
  for (const auto& f : source.frames) all.insert(all.end(), f.begin(), f.end());
  const std::size_t size = source.frames[0].size();
  Rig rig;
  rig.begin(source.kind);
  for (std::size_t at = 0; at + 1500 <= all.size(); at += 1500) {
    const std::size_t first = (at + size - 1) / size;  // that starts in it
    rig.packet(kStart + source.time(first), std::span(all).subspan(at, 1500));
  }
  rig.end();
  expect_whole_but_between(source, rig.stream().frames, 0.05, 0.05);
}

TEST(SoundTiming, AChangeOfFormatLeavesNoHole) {
  const Source one = coded("mp2", music(1, 44100, 1), 44100, 96000);
  const Source two = coded("ac3", music(6, 48000, 2), 48000, 448000);
  const Source three = coded("aac", music(1, 48000, 2, 5), 48000, 96000);
  Rig rig;
  std::int64_t at = kStart;
  for (const Source* source : {&one, &two, &three}) {
    rig.begin(source->kind);
    play(rig, *source, at);
    at += source->time(source->frames.size());
  }
  rig.end();
  const auto& frames = rig.stream().frames;
  EXPECT_EQ(holes(frames), 0U);
  EXPECT_GT(frames.size(), 5 * 46U);
  int channels = 1;
  for (const auto& frame : frames) {
    const int now = (frame.data[2] & 1) << 2 | frame.data[3] >> 6;
    EXPECT_GE(now, channels);  // never back to one
    channels = now;
  }
  EXPECT_EQ(channels, 2);
  EXPECT_TRUE(rig.stream().troubles.empty());
}

TEST(SoundTiming, TheSamplingRateMayChangeWithoutAWord) {
  const Source one = mp2(1, 2, 48000), two = mp2(1, 2, 32000);
  Rig rig;
  rig.begin(one.kind);
  play(rig, one, kStart, 2);
  play(rig, two, kStart + one.time(one.frames.size()), 2);
  rig.end();
  EXPECT_EQ(holes(rig.stream().frames), 0U);
  const std::int64_t start = kStart + one.time(one.frames.size());
  const Likeness like = compare(part(decode_source("mp2float", two.frames, start, 2), 1.1, 2),
                                part(decode_aac(rig.stream().frames), 1.1, 2));
  EXPECT_GT(like.correlation, 0.99);
  EXPECT_LT(std::abs(like.offset_ms), 0.05);
}

TEST(SoundTiming, WhatCannotBeDecodedIsSilenceAndTold) {
  const Source source = mp2(8);
  Rig rig;
  rig.begin(source.kind);
  play(rig, source, kStart, 1, 0, 100);
  for (std::size_t i = 100; i < 230; ++i) {
    Bytes noise(source.frames[i].size());
    for (std::size_t k = 0; k < noise.size(); ++k) noise[k] = static_cast<std::uint8_t>(k * 131 + i * 7);
    rig.packet(kStart + source.time(i), noise);
  }
  const auto& troubles = rig.stream().troubles;
  ASSERT_EQ(troubles.size(), 1U);
  EXPECT_NE(troubles[0].find("no frame of mpeg_audio"), std::string::npos) << troubles[0];
  play(rig, source, kStart, 1, 230);
  rig.end();
  ASSERT_EQ(troubles.size(), 2U);
  EXPECT_EQ(troubles[1], "");
  expect_whole_but_between(source, rig.stream().frames, 100 * 0.024, 231 * 0.024);
}

TEST(SoundTiming, DamagedFramesAreCounted) {
  Source source = coded("ac3", music(2, 48000, 6), 48000, 192000);
  for (std::size_t i = 60; i < source.frames.size(); ++i)
    for (std::size_t k = 8; k < source.frames[i].size(); ++k) source.frames[i][k] ^= 0xA5;
  Rig rig;
  rig.begin(source.kind);
  play(rig, source, kStart);
  ASSERT_FALSE(rig.stream().levels.empty());
  EXPECT_GT(rig.stream().levels.back().decode_errors, 60U);
  ASSERT_FALSE(rig.stream().troubles.empty());
  EXPECT_NE(rig.stream().troubles[0].find("could be decoded"), std::string::npos) << rig.stream().troubles[0];
}

TEST(SoundTiming, EachTrackIsItsOwn) {
  const Source one = mp2(2), two = coded("ac3", music(2, 48000, 2, 9), 48000, 192000);
  Rig rig;
  rig.begin(one.kind, Rig::encoding(), 3);
  rig.begin(two.kind, Rig::encoding(), 31);
  for (std::size_t i = 0; i < std::max(one.frames.size(), two.frames.size()); ++i) {
    if (i < one.frames.size()) rig.packet(kStart + one.time(i), one.frames[i], 0, 3);
    if (i < two.frames.size()) rig.packet(kStart + two.time(i), two.frames[i], 0, 31);
  }
  rig.end(3);
  rig.end(31);
  EXPECT_GT(
      compare(decode_source("mp2float", one.frames, kStart, 2), decode_aac(rig.stream(3).frames)).correlation,
      0.99);
  EXPECT_GT(
      compare(decode_source("ac3", two.frames, kStart, 2), decode_aac(rig.stream(31).frames)).correlation,
      0.99);
}

// A frame goes out as soon as the encoder has looked two frames ahead.
TEST(SoundTiming, AFrameWaitsForTwoMoreAtMost) {
  const Source source = coded("aac", music(2, 48000, 3), 48000, 128000);
  Rig rig;
  rig.begin(source.kind);
  std::int64_t worst = 0;
  for (std::size_t i = 0; i < source.frames.size(); ++i) {
    rig.packet(kStart + source.time(i), source.frames[i]);
    if (rig.stream().frames.empty()) continue;
    const std::int64_t fed = kStart + source.time(i + 1);
    worst = std::max(worst, fed - (rig.stream().frames.back().pts + kGrid));
  }
  std::printf("a sample waits %.1f ms in the worker\n", static_cast<double>(worst) / 27000);
  EXPECT_LE(worst, 3 * kGrid);
}

}  // namespace
}  // namespace headgate::transcode

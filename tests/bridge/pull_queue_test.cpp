// Pacing and speed, by a clock that the test moves.
#include <gtest/gtest.h>

#include "dataplane/bridge/pull/paced_queue.h"
#include "dataplane/bridge/pull/speed.h"
#include "dataplane/bridge/pull/ts_input.h"
#include "tests/bridge/pull_support.h"

namespace headgate::bridge::pull {
namespace {

using namespace std::chrono_literals;
using test::Bytes;
using test::make_ts;

struct Player {
  explicit Player(bool looped = false) : queue(looped) {}
  std::size_t run(std::chrono::nanoseconds elapsed) {
    const std::size_t before = media.size();
    queue.advance(elapsed, [&](std::span<const std::uint8_t> packets, bool gap) {
      if (gap) gaps.push_back(media.size() / 188);
      media.insert(media.end(), packets.begin(), packets.end());
    });
    return (media.size() - before) / 188;
  }
  PacedQueue queue;
  Bytes media;
  std::vector<std::size_t> gaps;
};

TEST(PullQueue, ABurstLeavesAtThePaceOfItsPcr) {
  Player player;
  TsInput input;
  ASSERT_EQ(input.push(make_ts(4), player.queue), "");  // 1,000 packets a second
  EXPECT_NEAR(static_cast<double>(player.queue.level().count()), 4e9, 0.03e9);
  for (int i = 0; i < 300; ++i) EXPECT_NEAR(static_cast<double>(player.run(10ms)), 10, i == 0 ? 2 : 1);
  EXPECT_NEAR(static_cast<double>(player.media.size() / 188), 3000, 3);
}

TEST(PullQueue, StandsStillWhileNothingWaits) {
  Player player;
  TsInput input;
  const Bytes stream = make_ts(2);
  ASSERT_EQ(input.push(std::span(stream).first(stream.size() / 2), player.queue), "");
  player.run(10s);  // runs dry after one
  EXPECT_TRUE(player.queue.dry());
  ASSERT_EQ(input.push(std::span(stream).subspan(stream.size() / 2), player.queue), "");
  // Not in a burst.
  EXPECT_LT(player.run(10ms), 40U);
  EXPECT_GT(player.queue.level(), 900ms);
}

TEST(PullQueue, WhatIsMissingIsWaitedForAndMarked) {
  Player player;
  TsInput input;
  ASSERT_EQ(input.push(make_ts(2), player.queue), "");
  player.queue.mark(4s, true);
  TsInput next;
  ASSERT_EQ(next.push(make_ts(2, 1'504'000, 6000, 16), player.queue), "");
  player.run(2100ms);
  const std::size_t before = player.media.size();
  EXPECT_NEAR(static_cast<double>(before / 188), 2000, 30);
  EXPECT_LT(player.run(3800ms), 30U);
  EXPECT_GT(player.run(300ms), 50U);
  ASSERT_EQ(player.gaps.size(), 1U);
  EXPECT_EQ(player.gaps[0], 2000U);
}

TEST(PullQueue, ALoopGoesOn) {
  Player player(true);
  const Bytes stream = make_ts(1);
  for (int loop = 0; loop < 3; ++loop) {
    TsInput input;
    ASSERT_EQ(input.push(stream, player.queue), "");
    ASSERT_EQ(input.finish(player.queue), "");
    player.queue.end_of_loop();
  }
  player.run(10s);
  ASSERT_EQ(player.media.size(), 3 * stream.size());
  std::optional<std::uint64_t> last;
  for (std::size_t at = 0; at < player.media.size(); at += 188) {
    const mpegts::TsPacket packet{std::span(player.media).subspan(at).first<188>()};
    EXPECT_EQ(packet.continuity_counter(), (at / 188) & 15);
    if (const auto pcr = packet.pcr()) {
      if (last) {
        EXPECT_NEAR(static_cast<double>(pcr->ticks - *last), 540'000, 600);
      }
      last = pcr->ticks;
    }
  }
}

TEST(PullInput, SaysWhatItIsInstead) {
  const struct {
    std::string content;
    std::string what;
  } cases[] = {{"<!DOCTYPE html>", "a web page or XML"},
               {"#EXTM3U\n", "an HLS playlist: its address must end in .m3u8"},
               {std::string("\0\0\0\x18styp", 8) + "msdh", "MP4"},
               {"FLV\x01", "FLV"},
               {"ID3\x04", "packed audio with ID3 tags"},
               {"\xFF\xF1\x50", "packed audio (ADTS)"},
               {"{\"error\":1}", "JSON"}};
  for (const auto& c : cases) {
    PacedQueue queue;
    TsInput input;
    const Bytes bytes(c.content.begin(), c.content.end());
    EXPECT_EQ(input.push(bytes, queue), "");
    EXPECT_EQ(input.finish(queue), "no transport stream, but " + c.what);
  }
  PacedQueue queue;
  TsInput input;
  EXPECT_EQ(input.push(Bytes(200'000, 1), queue),
            "no transport stream: no sync bytes in the first 65536 bytes");
  EXPECT_EQ(TsInput().finish(queue), "no transport stream: it is empty");
}

TEST(PullInput, TakesPacketsOf188BytesOnly) {
  const Bytes stream = make_ts(0.2);
  for (const std::size_t extra : {4U, 16U}) {
    Bytes longer;
    for (std::size_t at = 0; at < stream.size(); at += 188) {
      if (extra == 4) longer.insert(longer.end(), 4, 0);
      longer.insert(longer.end(), stream.begin() + static_cast<std::ptrdiff_t>(at),
                    stream.begin() + static_cast<std::ptrdiff_t>(at + 188));
      if (extra == 16) longer.insert(longer.end(), 16, 0);
    }
    PacedQueue queue;
    TsInput input;
    const std::string why = input.push(longer, queue);
    EXPECT_TRUE(
        why.starts_with("transport packets of " + std::to_string(188 + extra) + " bytes are not supported"))
        << why;
  }
}

TEST(PullInput, FindsPacketsBehindGarbageAndCountsIt) {
  PacedQueue queue;
  TsInput input;
  Bytes bytes(1000, 0x11);
  const Bytes stream = make_ts(1);
  bytes.insert(bytes.end(), stream.begin(), stream.end());
  EXPECT_EQ(input.push(bytes, queue), "");
  EXPECT_EQ(input.finish(queue), "");
  EXPECT_EQ(input.packets(), 1000U);
  EXPECT_EQ(input.garbage(), 1000U);
}

// An hour of a source whose clock is off by 100 millionths, in bursts of 4 s, as HLS brings it.
TEST(PullSpeed, FollowsTheSourcesClock) {
  for (const double drift : {-100e-6, 100e-6}) {
    Speed speed(30s);
    double waiting = 9;
    double due = 4;
    double least = 100;
    double most = 0;
    for (int tick = 0; tick < 360'000; ++tick) {
      due -= 0.01 * (1 + drift);
      if (due <= 0) {
        waiting += 4;
        due += 4;
      }
      waiting -= 0.01 * speed.factor();
      speed.on_level(std::chrono::nanoseconds(static_cast<std::int64_t>(waiting * 1e9)), 10ms);
      least = std::min(least, waiting);
      most = std::max(most, waiting);
    }
    EXPECT_NEAR(speed.factor(), 1 + drift, 20e-6);
    EXPECT_GT(least, 4.7) << drift;
    EXPECT_LT(most, 9.4) << drift;
  }
}

TEST(PullSpeed, IsNeverMoreThanThreeHundredMillionthsOff) {
  Speed speed(10s);
  speed.on_level(5s, 10s);
  speed.on_level(500s, 10s);
  EXPECT_DOUBLE_EQ(speed.factor(), 1 + 300e-6);
  speed.on_level(0s, 10s);
  EXPECT_DOUBLE_EQ(speed.factor(), 1 - 300e-6);
  speed.reset();
  EXPECT_DOUBLE_EQ(speed.factor(), 1);
}

}  // namespace
}  // namespace headgate::bridge::pull

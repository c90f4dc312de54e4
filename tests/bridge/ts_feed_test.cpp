// Chunks, what a joining player gets first, and sessions of TS over HTTP that fall behind.
#include "dataplane/bridge/hub/ts_feed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "dataplane/bridge/http/ts_output.h"
#include "tests/bridge/broadcast.h"
#include "tests/bridge/slots.h"

namespace headgate::bridge::hub {
namespace {

using test::Broadcast;
using test::Bytes;
using test::picture;

constexpr std::uint16_t kVideo = 0x100;

class TsFeedTest : public testing::Test {
 protected:
  class Collect : public TsSink {
   public:
    void on_chunk(const std::shared_ptr<const TsChunk>& chunk) override { chunks.push_back(chunk); }
    void on_end() override { ++ends; }
    std::vector<std::shared_ptr<const TsChunk>> chunks;
    int ends = 0;
  };

  void tables() { air.tables({{1, 0x20, kVideo, {{kVideo, 0x02}, {0x101, 0x03}}}}); }
  // A group of pictures, 25 a second: one to begin with and `count` more.
  void group(int count, bool with_tables = true, bool scrambled = false) {
    if (with_tables) tables();
    for (int i = 0; i <= count; ++i) {
      air.pes({kVideo, 0xE0, pts, picture(i == 0, 900), std::nullopt, pts - 9000, false, scrambled});
      pts += 3600;
    }
    slots.packets(air.take());
    slots.flush();
  }
  static Bytes bytes_of(const std::vector<std::shared_ptr<const TsChunk>>& chunks) {
    Bytes out;
    for (const auto& chunk : chunks) test::append(out, chunk->data());
    return out;
  }
  static int continuity_errors(const Bytes& packets) {
    std::map<std::uint16_t, int> last;
    int errors = 0;
    for (std::size_t at = 0; at < packets.size(); at += mpegts::kPacketSize) {
      const std::uint16_t pid = static_cast<std::uint16_t>((packets[at + 1] & 0x1F) << 8 | packets[at + 2]);
      const int now = packets[at + 3] & 0x0F;
      if (last.contains(pid) && now != (last[pid] + 1) % 16) ++errors;
      last[pid] = now;
    }
    return errors;
  }

  Broadcast air;
  std::uint64_t pts = 900'000;
  TsFeed feed;
  test::Slots slots{[this](const ring::Slot& slot) { feed.on_slot(slot); }};
  Collect sink;
};

TEST_F(TsFeedTest, StartIsEmptyBeforeTheFirstRandomAccessPoint) {
  EXPECT_TRUE(feed.start().empty());
  tables();
  air.pes({kVideo, 0xE0, pts, picture(false, 900), std::nullopt, pts});
  slots.packets(air.take());
  slots.flush();
  EXPECT_TRUE(feed.start().empty());
}

// ISO/IEC 13818-1 2.4.3.5: where the source does not say so, players would see the clock go back.
TEST_F(TsFeedTest, AnnouncesAJumpOfTheClockOnceWhereItComes) {
  feed.add(&sink);
  group(3);
  pts -= 450'000;
  group(3);
  group(3);
  std::vector<std::uint64_t> announced;
  for (const auto& chunk : sink.chunks) {
    for (std::size_t i = 0; i < chunk->packets; ++i) {
      const mpegts::TsPacket packet(chunk->data().subspan(i * 188).first<188>());
      if (packet.has_adaptation() && packet.discontinuity()) announced.push_back(packet.pcr()->ticks / 300);
    }
  }
  EXPECT_EQ(announced, std::vector<std::uint64_t>{900'000 + 4 * 3600 - 450'000 - 9000});
}

TEST_F(TsFeedTest, StartIsTheTablesAndTheLastGroupAndJoinsWithoutAnError) {
  for (int i = 0; i < 21; ++i) group(3);
  group(5, false);  // tables come at other times than pictures to begin with
  const Bytes first = bytes_of(feed.start());
  feed.add(&sink);
  group(4);
  group(4);
  ASSERT_GT(first.size(), 2 * mpegts::kPacketSize);
  EXPECT_EQ(first[1] & 0x1F, 0);
  EXPECT_EQ(first[2], 0);
  EXPECT_EQ(first[mpegts::kPacketSize + 2], 0x20);
  Bytes all = first;
  test::append(all, bytes_of(sink.chunks));
  EXPECT_EQ(continuity_errors(all), 0);
}

TEST_F(TsFeedTest, ScrambledVideoBeginsWhereItsIndicatorSaysSo) {
  group(3);
  group(3, true, true);
  const auto start = feed.start();
  EXPECT_EQ(start.front()->packets, 2);  // of the clear group: the scrambled one has no indicator
  air.pes({kVideo, 0xE0, pts, picture(true, 900), std::nullopt, pts, false, true});
  Bytes marked = air.take();
  marked[5] |= 0x40;  // random_access_indicator
  slots.packets(marked);
  slots.flush();
  EXPECT_LT(feed.start().size(), start.size());
  EXPECT_TRUE(feed.start()[1]->random_access);
}

TEST_F(TsFeedTest, WhatWasLostIsMarkedAndNotKept) {
  group(3);
  feed.add(&sink);
  slots.lose(3);
  air.pes({kVideo, 0xE0, pts, picture(false, 900)});
  slots.packets(air.take());
  slots.flush();
  ASSERT_FALSE(sink.chunks.empty());
  EXPECT_TRUE(sink.chunks.front()->gap);
  EXPECT_TRUE(feed.start().empty());
}

TEST_F(TsFeedTest, KeepsNoMoreThanItsTime) {
  group(3);
  EXPECT_FALSE(feed.start().empty());
  for (int i = 0; i < 13 * 25; ++i) {
    air.pes({kVideo, 0xE0, pts, picture(false, 900), std::nullopt, pts - 9000});
    pts += 3600;
  }
  slots.packets(air.take());
  slots.flush();
  EXPECT_TRUE(feed.start().empty());
}

TEST_F(TsFeedTest, EndTellsAllButOne) {
  Collect other;
  feed.add(&sink);
  feed.add(&other);
  feed.end(&other);
  EXPECT_EQ(sink.ends, 1);
  EXPECT_EQ(other.ends, 0);
  group(1);
  EXPECT_TRUE(sink.chunks.empty());
  EXPECT_FALSE(other.chunks.empty());
  feed.remove(&other);
}

class TsOutputTest : public TsFeedTest {
 protected:
  static Bytes taken(http::BodyStream& stream, std::size_t limit = std::size_t{1} << 30) {
    std::vector<http::BodyStream::Piece> pieces;
    stream.take(limit, pieces);
    Bytes out;
    for (const auto& piece : pieces) {
      const auto* data = reinterpret_cast<const std::uint8_t*>(piece.bytes.data());
      out.insert(out.end(), data, data + piece.bytes.size());
    }
    return out;
  }
  std::shared_ptr<OutputStats> stats = std::make_shared<OutputStats>();
  std::unique_ptr<http::TsOutput> output = std::make_unique<http::TsOutput>(feed, "news", stats);
};

TEST_F(TsOutputTest, ASessionTakesEverythingFromTheLastGroupOn) {
  group(3);
  group(3);
  const auto stream = output->open();
  Bytes got = taken(*stream);
  EXPECT_EQ(got, bytes_of(feed.start()));
  int calls = 0;
  stream->on_ready([&] { ++calls; });
  group(3);
  EXPECT_GT(calls, 0);
  test::append(got, taken(*stream));
  EXPECT_EQ(continuity_errors(got), 0);
  EXPECT_EQ(stats->sessions, 1U);
  EXPECT_EQ(stats->skips, 0U);
}

TEST_F(TsOutputTest, ASessionThatCameTooEarlyBeginsAtTheFirstRandomAccessPoint) {
  const auto stream = output->open();
  air.pes({kVideo, 0xE0, pts, picture(false, 900), std::nullopt, pts});
  slots.packets(air.take());
  slots.flush();
  EXPECT_TRUE(taken(*stream).empty());
  group(3);
  EXPECT_EQ(taken(*stream), bytes_of(feed.start()));
}

TEST_F(TsOutputTest, ASlowSessionJumpsToARandomAccessPointAndTheOtherLosesNothing) {
  group(3);
  const auto slow = output->open();
  const auto quick = output->open();
  Bytes all = taken(*quick);
  for (int i = 0; i < 40; ++i) {  // 20 s
    group(12);
    test::append(all, taken(*quick));
  }
  EXPECT_EQ(continuity_errors(all), 0);
  EXPECT_GT(stats->skips, 0U);
  EXPECT_GT(stats->skipped, 0U);
  const Bytes rest = taken(*slow);
  EXPECT_LT(rest.size(), all.size() / 2);
  // What is left begins with a picture to begin with, in whole chunks.
  const auto view = std::span(rest);
  bool begins = false;
  for (std::size_t at = 0; at < 7 * mpegts::kPacketSize && !begins; at += mpegts::kPacketSize) {
    const mpegts::TsPacket packet(view.subspan(at).first<mpegts::kPacketSize>());
    const auto payload = packet.payload();
    const Bytes sequence{0, 0, 1, 0xB3};
    begins = packet.pid().value == kVideo && packet.payload_unit_start() &&
             std::search(payload.begin(), payload.end(), sequence.begin(), sequence.end()) != payload.end();
  }
  EXPECT_TRUE(begins);
}

TEST_F(TsOutputTest, SessionsEndWithTheOutputAndMayOutliveIt) {
  group(3);
  const auto stream = output->open();
  bool called = false;
  stream->on_ready([&] { called = true; });
  output.reset();
  EXPECT_TRUE(called);
  EXPECT_TRUE(stream->ended());
  group(3);
  EXPECT_EQ(stats->sessions, 1U);
}

}  // namespace
}  // namespace headgate::bridge::hub

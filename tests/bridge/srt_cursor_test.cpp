#include "dataplane/bridge/srt/cursor.h"

#include <gtest/gtest.h>

namespace headgate::bridge::srt {
namespace {

constexpr std::int64_t kMs = 1000;  // us

Chunk chunk(std::int64_t at_ms, bool access_point = false, std::uint8_t packets = 7, std::uint8_t mark = 0) {
  auto made = std::make_shared<hub::TsChunk>();
  made->packets = packets;
  made->random_access = access_point;
  made->arrival_ns = at_ms * 1'000'000;
  made->bytes.fill(mark);
  return made;
}

// Sends what is due and says how many messages that were.
int drain(Cursor& cursor, const MessageQueue& queue, std::int64_t now_us) {
  int sent = 0;
  while (auto message = cursor.next(queue, now_us)) {
    cursor.advance(*message);
    ++sent;
  }
  return sent;
}

TEST(SrtMessageQueue, JoinsShortChunksToWholeMessages) {
  MessageQueue queue;
  queue.add(chunk(0, false, 4, 1), 10 * kMs);
  queue.add(chunk(1, false, 3, 2), 11 * kMs);
  ASSERT_EQ(queue.end(), 1U);
  const Message& message = queue.at(0);
  EXPECT_EQ(message.chunk->packets, 7);
  EXPECT_EQ(message.source_us, 10 * kMs);
  EXPECT_EQ(message.chunk->bytes[4 * 188 - 1], 1);
  EXPECT_EQ(message.chunk->bytes[4 * 188], 2);
}

TEST(SrtMessageQueue, ARandomAccessPointBeginsAMessage) {
  MessageQueue queue;
  queue.add(chunk(0, false, 2), 0);
  queue.add(chunk(1, true, 7), kMs);
  ASSERT_EQ(queue.end(), 2U);
  EXPECT_EQ(queue.last_access_point(0), 1U);
  EXPECT_EQ(queue.last_access_point(2), std::nullopt);
}

TEST(SrtMessageQueue, LetsAShortChunkGoWhenNothingFollows) {
  MessageQueue queue;
  queue.add(chunk(0, false, 2), 0);
  queue.tick(9 * kMs);
  EXPECT_EQ(queue.end(), 0U);
  queue.tick(10 * kMs);
  EXPECT_EQ(queue.end(), 1U);
}

TEST(SrtMessageQueue, KeepsNoMoreThanItsLimits) {
  MessageQueue queue;
  for (int i = 0; i < 20'000; ++i) queue.add(chunk(i), i);
  queue.tick(20'000);
  EXPECT_LE(queue.bytes(), MessageQueue::kMaxBytes);
  EXPECT_GT(queue.first(), 0U);
  queue.tick(20'000 + MessageQueue::kMaxTime);
  EXPECT_EQ(queue.first(), queue.end());
}

TEST(SrtCursor, SendsTheStartAtFourTimesItsSpeed) {
  std::vector<Chunk> start;
  for (int i = 0; i < 400; ++i) start.push_back(chunk(i * 10, i == 0));  // 4 s
  MessageQueue queue;
  Cursor cursor(120 * kMs);
  cursor.begin(start, 0, 0);
  int sent = 0;
  for (std::int64_t now = 0; now <= 500 * kMs; now += 5 * kMs) sent += drain(cursor, queue, now);
  EXPECT_NEAR(sent, 200, 2);
  for (std::int64_t now = 505 * kMs; now <= 1010 * kMs; now += 5 * kMs) sent += drain(cursor, queue, now);
  EXPECT_EQ(sent, 400);
}

TEST(SrtCursor, NoMomentOfTheStartIsABurstEvenAfterAWait) {
  std::vector<Chunk> start;
  for (int i = 0; i < 400; ++i) start.push_back(chunk(i * 10, i == 0));
  MessageQueue queue;
  Cursor cursor(120 * kMs);
  cursor.begin(start, 0, 0);
  EXPECT_EQ(drain(cursor, queue, 0), 1);
  EXPECT_LE(drain(cursor, queue, 800 * kMs), 20 * 4 / 10 + 1);
}

// A stream that comes in lumps, as by TCP: between them is more than what is not made up for.
TEST(SrtCursor, PausesInTheStartAndAfterItAreOverAtFourTimesTheirSpeed) {
  std::vector<Chunk> start;
  for (int i = 0; i < 40; ++i) start.push_back(chunk(i / 10 * 95, i == 0));
  MessageQueue queue;
  Cursor cursor(120 * kMs);
  cursor.begin(start, 0, 0);
  for (int i = 40; i < 80; ++i) queue.add(chunk(i / 10 * 95), 0);
  int sent = 0;
  for (std::int64_t now = 0; now <= 180 * kMs; now += 5 * kMs) sent += drain(cursor, queue, now);
  EXPECT_EQ(sent, 80);
}

TEST(SrtCursor, GoesOnWithLiveMessagesWithoutLossOrRepetitionAndStampsThemForward) {
  std::vector<Chunk> start;
  for (int i = 0; i < 100; ++i) start.push_back(chunk(i * 10, i == 0));
  MessageQueue queue;
  Cursor cursor(120 * kMs);
  std::int64_t now = 1000 * kMs;
  cursor.begin(start, queue.end(), now);
  std::vector<std::int64_t> arrivals;
  std::int64_t last_stamp = 0;
  for (int i = 100; i < 400; ++i) {
    queue.add(chunk(i * 10), now - 3 * kMs);
    while (auto message = cursor.next(queue, now)) {
      EXPECT_GE(message->source_us, last_stamp);
      last_stamp = message->source_us;
      arrivals.push_back(message->chunk->arrival_ns / 10'000'000);
      cursor.advance(*message);
    }
    now += 10 * kMs;
  }
  ASSERT_EQ(arrivals.size(), 400U);
  for (std::size_t i = 0; i < arrivals.size(); ++i) EXPECT_EQ(arrivals[i], static_cast<std::int64_t>(i));
  EXPECT_FALSE(cursor.catching_up());
  EXPECT_EQ(last_stamp, now - 13 * kMs);  // the time at which it came, not at which it was sent
  EXPECT_EQ(cursor.dropped(), 0U);
}

class LateCursor : public testing::Test {
 protected:
  LateCursor() {
    cursor_.begin({}, 0, 0);
    cursor_.next(queue_, 0);  // nothing: it stands at the live point
  }
  MessageQueue queue_;
  Cursor cursor_{120 * kMs};
};

TEST_F(LateCursor, JumpsToTheLastRandomAccessPointAndCounts) {
  for (int i = 0; i < 150; ++i) queue_.add(chunk(i * 10, i == 0 || i == 100), i * 10 * kMs);
  const auto message = cursor_.next(queue_, 1500 * kMs);
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->chunk->random_access);
  EXPECT_EQ(cursor_.dropped(), 100U);
  EXPECT_EQ(cursor_.jumps(), 1U);
}

TEST_F(LateCursor, WaitsForTheNextRandomAccessPointWhereThereIsNone) {
  for (int i = 0; i < 150; ++i) queue_.add(chunk(i * 10), i * 10 * kMs);
  EXPECT_FALSE(cursor_.next(queue_, 1500 * kMs));
  queue_.add(chunk(1500), 1500 * kMs);
  EXPECT_FALSE(cursor_.next(queue_, 1500 * kMs));
  queue_.add(chunk(1510, true), 1510 * kMs);
  ASSERT_TRUE(cursor_.next(queue_, 1510 * kMs));
  EXPECT_EQ(cursor_.dropped(), 151U);
}

TEST_F(LateCursor, AStreamWithoutRandomAccessPointsGoesOnAfterAWhile) {
  queue_.add(chunk(0), 0);
  EXPECT_FALSE(cursor_.next(queue_, 1500 * kMs));
  const std::int64_t later = 1500 * kMs + Cursor::kMaxWaitForAccessPoint + 1;
  queue_.add(chunk(13'500), later);
  EXPECT_TRUE(cursor_.next(queue_, later));
}

TEST_F(LateCursor, ALongerLatencyMayLagLonger) {
  Cursor patient(3000 * kMs);
  patient.begin({}, 0, 0);
  patient.next(queue_, 0);
  queue_.add(chunk(0), 0);
  EXPECT_TRUE(patient.next(queue_, 2900 * kMs));
  EXPECT_FALSE(patient.next(queue_, 3100 * kMs));
}

TEST_F(LateCursor, WhatFellOutOfTheQueueIsCounted) {
  for (int i = 0; i < 50; ++i) queue_.add(chunk(i * 10), i * 10 * kMs);
  queue_.forget_before(40);
  EXPECT_FALSE(cursor_.next(queue_, 500 * kMs));
  EXPECT_EQ(cursor_.dropped(), 50U);
}

}  // namespace
}  // namespace headgate::bridge::srt

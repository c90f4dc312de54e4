#include "dataplane/bridge/rtmp/chunk.h"

#include <gtest/gtest.h>

namespace headgate::bridge::rtmp {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Fed whole and byte by byte: the same messages must come.
std::vector<Message> read_all(const Bytes& bytes, const ChunkLimits& limits = {}) {
  std::vector<Message> whole;
  ChunkReader at_once(limits);
  at_once.add(bytes);
  while (true) {
    auto message = at_once.next();
    if (!message || !*message) break;
    whole.push_back(std::move(**message));
  }
  ChunkReader bytewise(limits);
  std::size_t count = 0;
  for (const std::uint8_t byte : bytes) {
    bytewise.add({&byte, 1});
    while (true) {
      const auto message = bytewise.next();
      if (!message || !*message) break;
      EXPECT_LT(count, whole.size());
      if (count < whole.size()) {
        EXPECT_EQ((*message)->body, whole[count].body);
        EXPECT_EQ((*message)->timestamp, whole[count].timestamp);
      }
      ++count;
    }
  }
  EXPECT_EQ(count, whole.size());
  return whole;
}

std::optional<ChunkError> error_of(const Bytes& bytes, const ChunkLimits& limits = {}) {
  ChunkReader reader(limits);
  reader.add(bytes);
  while (true) {
    const auto message = reader.next();
    if (!message) return message.error();
    if (!*message) return std::nullopt;
  }
}

// Adobe RTMP 1.0, 5.3.2.2's audio in our numbers: type 0, then 2, 3, 3 with a delta of 20.
TEST(RtmpChunkReader, ReadsAllHeaderTypes) {
  const Bytes body{1, 2};
  const auto messages =
      read_all(Bytes{3, 0, 3, 0xE8, 0, 0, 2, 8, 1, 0, 0, 0} + body + Bytes{0x43, 0, 0, 20, 0, 0, 3, 9} +
               Bytes{1, 2, 3} + Bytes{0x83, 0, 0, 30, 4, 5, 6} + Bytes{0xC3, 7, 8, 9});
  ASSERT_EQ(messages.size(), 4U);
  EXPECT_EQ(messages[0].timestamp, 1000U);
  EXPECT_EQ(messages[0].stream, 1U);
  EXPECT_EQ(messages[0].type, 8);
  EXPECT_EQ(messages[1].timestamp, 1020U);
  EXPECT_EQ(messages[1].type, 9);
  EXPECT_EQ(messages[1].stream, 1U);
  EXPECT_EQ(messages[2].timestamp, 1050U);
  EXPECT_EQ(messages[2].body, (Bytes{4, 5, 6}));
  EXPECT_EQ(messages[3].timestamp, 1080U);  // the delta again
}

TEST(RtmpChunkReader, ReadsAllFormsOfTheChunkStreamId) {
  const Bytes rest{0, 0, 0, 0, 0, 1, 8, 0, 0, 0, 0, 9};
  const auto messages = read_all(Bytes{63} + rest + Bytes{0, 255} + rest + Bytes{1, 1, 2} + rest);
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_EQ(messages[0].chunk_stream, 63U);
  EXPECT_EQ(messages[1].chunk_stream, 319U);
  EXPECT_EQ(messages[2].chunk_stream, 64U + 1 + 512);
}

TEST(RtmpChunkReader, StreamIdIsTheOnlyFieldWithTheLowByteFirst) {
  const auto messages = read_all({3, 0, 0, 0, 0, 0, 1, 8, 1, 2, 3, 4, 9});
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0].stream, 0x04030201U);
}

TEST(RtmpChunkReader, JoinsInterleavedMessages) {
  Bytes bytes = Bytes{3, 0, 0, 1, 0, 0, 130, 8, 1, 0, 0, 0} + Bytes(128, 7);
  bytes = bytes + Bytes{4, 0, 0, 2, 0, 0, 1, 9, 1, 0, 0, 0, 5} + Bytes{0xC3, 8, 8};
  const auto messages = read_all(bytes);
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[0].body, Bytes{5});
  EXPECT_EQ(messages[1].body, Bytes(128, 7) + Bytes(2, 8));
}

TEST(RtmpChunkReader, ExtendedTimestampMayBeRepeatedOrLeftOut) {
  const Bytes first = Bytes{3, 0xFF, 0xFF, 0xFF, 0, 0, 130, 8, 1, 0, 0, 0, 1, 0, 0, 2} + Bytes(128, 7);
  for (const Bytes& second : {Bytes{0xC3, 1, 0, 0, 2, 8, 9}, Bytes{0xC3, 8, 9}}) {
    ChunkReader reader;
    reader.add(first + second);
    const auto message = reader.next();
    ASSERT_TRUE(message && *message);
    EXPECT_EQ((*message)->timestamp, 0x01000002U);
    EXPECT_EQ((*message)->body, Bytes(128, 7) + (Bytes{8, 9}));
  }
  // A delta may be extended, too.
  const auto messages =
      read_all(Bytes{3, 0, 0, 5, 0, 0, 1, 8, 1, 0, 0, 0, 1} + Bytes{0x83, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, 2});
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[1].timestamp, 0x01000005U);
}

TEST(RtmpChunkReader, TimestampsWrap) {
  const auto messages =
      read_all(Bytes{3, 0xFF, 0xFF, 0xFF, 0, 0, 1, 8, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFE, 1} +
               Bytes{0x83, 0, 0, 5, 2});
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[1].timestamp, 3U);
}

TEST(RtmpChunkReader, ObeysSetChunkSizeAndAbort) {
  const Bytes set{2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 4};
  const Bytes begin{3, 0, 0, 0, 0, 0, 6, 8, 1, 0, 0, 0, 1, 2, 3, 4};
  const Bytes abort{2, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0, 0, 0, 3};
  const Bytes again{3, 0, 0, 0, 0, 0, 2, 8, 1, 0, 0, 0, 9, 9};
  const auto messages = read_all(set + begin + abort + again);
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_EQ(messages[2].body, (Bytes{9, 9}));
  const auto cut = read_all(set + begin + Bytes{0xC3, 5, 6});
  ASSERT_EQ(cut.size(), 2U);
  EXPECT_EQ(cut[1].body, (Bytes{1, 2, 3, 4, 5, 6}));
}

TEST(RtmpChunkReader, RefusesWhatBreaksTheRules) {
  EXPECT_EQ(error_of({0xC3}), ChunkError::no_header_before);
  EXPECT_EQ(error_of({0x43, 0, 0, 0, 0, 0, 1, 8}), ChunkError::no_header_before);
  for (const Bytes& size : {Bytes{0, 0, 0, 0}, Bytes{0x80, 0, 0, 0}}) {
    EXPECT_EQ(error_of(Bytes{2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0} + size), ChunkError::bad_chunk_size);
  }
  const Bytes begun = Bytes{3, 0, 0, 0, 0, 0, 200, 8, 1, 0, 0, 0} + Bytes(128, 1);
  EXPECT_EQ(error_of(begun + begun), ChunkError::header_inside_message);
}

TEST(RtmpChunkReader, LimitsMemory) {
  ChunkLimits limits;
  limits.message_bytes = 1000;
  limits.partial_bytes = 300;
  limits.chunk_streams = 4;
  EXPECT_EQ(error_of({3, 0, 0, 0, 0, 3, 0xE9, 8, 1, 0, 0, 0}, limits), ChunkError::message_too_long);
  Bytes bytes;
  for (std::uint8_t stream = 3; stream < 6; ++stream)
    bytes = bytes + Bytes{stream, 0, 0, 0, 0, 0, 200, 8, 1, 0, 0, 0} + Bytes(128, 1);
  EXPECT_EQ(error_of(bytes, limits), ChunkError::partial_too_large);
  bytes.clear();
  for (std::uint8_t stream = 3; stream < 8; ++stream)
    bytes = bytes + Bytes{stream, 0, 0, 0, 0, 0, 1, 8, 1, 0, 0, 0, 1};
  EXPECT_EQ(error_of(bytes, limits), ChunkError::too_many_chunk_streams);
}

TEST(RtmpChunkReader, NewLimitsHoldFromTheNextMessageOn) {
  const Bytes begin = Bytes{3, 0, 0, 0, 0, 1, 0x2C, 9, 1, 0, 0, 0} + Bytes(128, 7);  // of 300 bytes
  ChunkReader reader;
  reader.add(begin);
  EXPECT_FALSE(reader.next()->has_value());
  reader.set_limits({64, 200, 1'000});
  reader.add(Bytes{0xC3} + Bytes(128, 7) + Bytes{0xC3} + Bytes(44, 7));
  const auto whole = reader.next();
  ASSERT_TRUE(whole && *whole);
  EXPECT_EQ((*whole)->body.size(), 300U);
  reader.add(begin);
  EXPECT_EQ(reader.next().error(), ChunkError::message_too_long);
}

TEST(RtmpChunkReader, AHugeChunkSizeTakesNoMemoryByItself) {
  ChunkReader reader;
  const Bytes set{2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF};
  reader.add(set + Bytes{3, 0, 0, 0, 0, 0xFF, 0xFF, 8, 1, 0, 0, 0});
  while (true) {
    const auto message = reader.next();
    ASSERT_TRUE(message);
    if (!*message) break;
  }
  EXPECT_EQ(reader.partial_bytes(), 0U);
}

TEST(RtmpChunkWriter, WritesKnownBytes) {
  std::string out;
  append_message(out, {6, MessageType::video, 1, 0x010203, 0}, Bytes{9, 8, 7}, 2);
  const Bytes expected{6, 1, 2, 3, 0, 0, 3, 9, 1, 0, 0, 0, 9, 8, 0xC6, 7};
  EXPECT_EQ(Bytes(out.begin(), out.end()), expected);
}

TEST(RtmpChunkWriter, RepeatsTheExtendedTimestamp) {
  for (const std::uint32_t time : {0xFFFFFEU, 0xFFFFFFU, 0x1000000U, 0xFFFFFFFFU}) {
    std::string out;
    const ChunkHeader header{6, MessageType::video, 1, time, 300};
    append_message(out, header, Bytes(300, 5), 128);
    EXPECT_EQ(out.size(), chunked_size(header, 128));
    EXPECT_EQ(out.size(), time >= 0xFFFFFF ? 12U + 4 + 300 + 2 * 5 : 12U + 300 + 2);
    const auto messages = read_all(Bytes(out.begin(), out.end()));
    ASSERT_EQ(messages.size(), 1U);
    EXPECT_EQ(messages[0].timestamp, time);
    EXPECT_EQ(messages[0].body, Bytes(300, 5));
  }
}

}  // namespace
}  // namespace headgate::bridge::rtmp

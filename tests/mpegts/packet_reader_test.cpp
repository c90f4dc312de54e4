#include "mpegts/packet/packet_reader.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

// n packets in frames of this size; the payload never looks like a sync byte.
std::vector<std::uint8_t> stream(int n, std::size_t size) {
  std::vector<std::uint8_t> bytes;
  for (int i = 0; i < n; ++i) {
    const auto p = test::packet(0x100, static_cast<std::uint8_t>(i));
    if (size == 192) bytes.insert(bytes.end(), 4, 0x11);
    bytes.insert(bytes.end(), p.begin(), p.end());
    if (size == 204) bytes.insert(bytes.end(), 16, 0x22);
  }
  return bytes;
}

struct Result {
  std::vector<std::uint8_t> counters;
  std::vector<std::uint64_t> positions;
  PacketReader::Counters totals;
  std::size_t size = 0;
};

Result read(const std::vector<std::uint8_t>& bytes, std::size_t chunk) {
  Result result;
  PacketReader reader;
  const auto drain = [&] {
    while (const auto item = reader.next()) {
      result.counters.push_back(item->packet.continuity_counter());
      result.positions.push_back(item->position);
    }
  };
  for (std::size_t at = 0; at < bytes.size(); at += chunk) {
    reader.push(std::span{bytes}.subspan(at, std::min(chunk, bytes.size() - at)));
    drain();
  }
  reader.finish();
  drain();
  result.totals = reader.counters();
  result.size = reader.packet_size();
  return result;
}

TEST(PacketReader, FindsEachSizeInChunksOfAnyLength) {
  for (const std::size_t size : {188U, 192U, 204U}) {
    for (const std::size_t chunk : {1U, 7U, 188U, 5000U}) {
      const auto r = read(stream(20, size), chunk);
      EXPECT_EQ(r.size, size);
      EXPECT_EQ(r.counters.size(), 20U) << size << " " << chunk;
      EXPECT_EQ(r.totals.sync_losses, 0U);
      EXPECT_EQ(r.positions[1] - r.positions[0], size);
    }
  }
}

TEST(PacketReader, ReadsAFileOfOnePacketAndOneOfTwo) {
  EXPECT_EQ(read(stream(1, 188), 1000).totals.packets, 1U);
  EXPECT_EQ(read(stream(2, 188), 1000).totals.packets, 2U);
}

TEST(PacketReader, SkipsGarbageBeforeBetweenAndAfter) {
  auto bytes = std::vector<std::uint8_t>(100, 0x47);
  bytes.push_back(0);
  const auto good = stream(10, 188);
  bytes.insert(bytes.end(), good.begin(), good.end());
  bytes.insert(bytes.end(), 100, 0x33);
  bytes.insert(bytes.end(), good.begin(), good.end());
  bytes.insert(bytes.end(), 50, 0x33);
  const auto r = read(bytes, 64);
  EXPECT_EQ(r.totals.packets, 20U);
  EXPECT_EQ(r.totals.sync_losses, 1U);
  EXPECT_EQ(r.totals.skipped_bytes, 101U + 100U + 50U);
}

TEST(PacketReader, OneWrongSyncByteCostsOnePacket) {
  auto bytes = stream(20, 188);
  bytes[5 * 188] = 0x46;
  const auto r = read(bytes, 400);
  EXPECT_EQ(r.totals.packets, 19U);
  EXPECT_EQ(r.totals.sync_byte_errors, 1U);
  EXPECT_EQ(r.totals.sync_losses, 0U);
}

TEST(PacketReader, TwoWrongSyncBytesInARowLoseSync) {
  auto bytes = stream(20, 188);
  bytes[5 * 188] = bytes[6 * 188] = 0x46;
  const auto r = read(bytes, 400);
  EXPECT_EQ(r.totals.packets, 18U);
  EXPECT_EQ(r.totals.sync_losses, 1U);
}

TEST(PacketReader, GivesNothingForWhatIsNoTransportStream) {
  EXPECT_EQ(read(std::vector<std::uint8_t>(5000, 0x20), 100).totals.packets, 0U);
  EXPECT_EQ(read({}, 100).totals.packets, 0U);
  EXPECT_EQ(read({0x47}, 100).totals.packets, 0U);
}

}  // namespace
}  // namespace headgate::mpegts

#include "mpegts/tstd/video_leak.h"

#include <gtest/gtest.h>

#include <vector>

#include "mpegts/pes/pes_packet.h"
#include "tests/mpegts/ts_builder.h"

namespace headgate::mpegts {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Leak = std::optional<std::uint32_t>;

Bytes sequence(std::uint8_t first, std::uint8_t second) {
  return {0, 0, 1, 0xB3, 0x2D, 0x02, 0x40, 0x33, 0x24, 0x9F, 0x23, 0x81, 0, 0, 1, 0xB5, first, second, 0, 1};
}
// Behind an access unit delimiter.
Bytes avc(std::uint8_t profile, std::uint8_t constraints, std::uint8_t level) {
  return {0, 0, 0, 1, 0x09, 0xF0, 0, 0, 0, 1, 0x67, profile, constraints, level, 0xAC};
}
// general_profile_compatibility_flags and what follows hold zeros, which are sent with emulation prevention.
Bytes hevc(bool vps, std::uint8_t space_tier_profile, std::uint8_t level) {
  Bytes out{0, 0, 0, 1, 0x46, 0x01, 0x50, 0, 0, 0, 1};
  const Bytes head = vps ? Bytes{0x40, 0x01, 0x0C, 0x01, 0xFF, 0xFF} : Bytes{0x42, 0x01, 0x01};
  out.insert(out.end(), head.begin(), head.end());
  out.push_back(space_tier_profile);
  const Bytes constraints{0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00};
  out.insert(out.end(), constraints.begin(), constraints.end());
  out.push_back(level);
  out.push_back(0x80);
  return out;
}

TEST(VideoLeak, IsThatOfProfileAndLevel) {
  EXPECT_EQ(video_leak(sequence(0x14, 0x8A)), Leak(18'000'000)) << "MP@ML: 1.2 times 15 Mb/s";
  EXPECT_EQ(video_leak(sequence(0x14, 0x4A)), Leak(96'000'000)) << "MP@HL";
  EXPECT_EQ(video_leak(sequence(0x18, 0x5A)), Leak(60'000'000)) << "422P@ML";
  EXPECT_EQ(video_leak(avc(77, 0x40, 30)), Leak(12'000'000)) << "main profile, level 3";
  EXPECT_EQ(video_leak(avc(100, 0, 40)), Leak(30'000'000)) << "high profile, level 4";
  EXPECT_EQ(video_leak(avc(122, 0, 41)), Leak(240'000'000)) << "high 4:2:2";
  EXPECT_EQ(video_leak(avc(66, 0x10, 11)), Leak(153'600)) << "level 1b";
  EXPECT_EQ(video_leak(hevc(true, 0x01, 123)), Leak(22'000'000)) << "main, main tier, level 4.1";
  EXPECT_EQ(video_leak(hevc(false, 0x22, 153)), Leak(176'000'000)) << "main 10, high tier, level 5.1";
}

TEST(VideoLeak, WhatDoesNotTellHasNone) {
  EXPECT_EQ(video_leak({}), Leak());
  EXPECT_EQ(video_leak(Bytes(184, 0)), Leak());
  EXPECT_EQ(video_leak(Bytes{0, 0, 1, 0x65, 0x88, 0x84, 0}), Leak()) << "a slice alone";
  EXPECT_EQ(video_leak(Bytes{0, 0, 1, 0xB3, 0x2D, 0x02, 0x40, 0x33}), Leak()) << "no sequence_extension";
  EXPECT_EQ(video_leak(avc(100, 0, 99)), Leak()) << "no such level";
  EXPECT_EQ(video_leak(avc(100, 0, 0)), Leak());
  EXPECT_EQ(video_leak(hevc(true, 0x04, 123)), Leak()) << "range extensions: rates of their own";
  // Every prefix of each is read without a fault, and the whole tells.
  for (const Bytes& whole : {sequence(0x14, 0x8A), avc(100, 0, 40), hevc(true, 0x01, 123)}) {
    for (std::size_t size = 0; size < whole.size(); ++size) video_leak(std::span(whole).first(size));
    EXPECT_TRUE(video_leak(whole).has_value());
  }
}

// Of captures: what ffprobe says of their profile and level, by hand.
TEST(VideoLeak, IsFoundInTheFirstPacketsOfBroadcastStreams) {
  struct Row {
    const char* name;
    Leak leak;
  };
  for (const Row& row :
       {Row{"h264-mp2.ts", 15'000'000}, Row{"scte35-mpeg2v-mp2.ts", 18'000'000},
        Row{"hevc-aac-0.ts", 11'000'000}, Row{"dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts", 30'000'000},
        Row{"h264-aac-0.ts", 921'600}}) {
    const auto bytes = test::capture(row.name);
    if (!bytes) GTEST_SKIP() << "HEADGATE_STREAMS is not set";
    Leak found;
    for (const auto& packet : test::split(*bytes)) {
      const TsPacket view = test::view(packet);
      const auto payload = view.payload();
      if (!view.payload_unit_start() || payload.size() < 9 || payload[0] != 0 || payload[3] >> 4 != 0xE)
        continue;
      const std::size_t at = 9U + payload[8];
      if (at < payload.size() && !found) found = video_leak(payload.subspan(at));
    }
    EXPECT_EQ(found, row.leak) << row.name;
  }
}

}  // namespace
}  // namespace headgate::mpegts

// Sizes and rates of a decoder's buffers, as computed by hand from the standards' tables.
#include "mpegts/tstd/stream_limits.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {
namespace {

PmtStream stream(std::uint8_t type, std::vector<std::uint8_t> descriptors = {}) {
  return {type, Pid{0x100}, {std::move(descriptors)}};
}

// Rmax, VBV or CPB of the byte stream in bits; MBS in bytes: (Rmax * (0.004 + 1/750) + what cpb_size leaves)
// / 8.
TEST(StreamLimits, OfVideoFollowProfileAndLevel) {
  using Bytes = std::vector<std::uint8_t>;
  const Bytes mpeg2_main{0, 0, 1, 0xB3, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 1, 0xB5, 0x14, 0x80};
  const Bytes mpeg2_high{0, 0, 1, 0xB3, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 1, 0xB5, 0x14, 0x40};
  const Bytes mpeg2_scalable{0, 0, 1, 0xB3, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 1, 0xB5, 0x13, 0x80};
  const Bytes avc_main_31{0, 0, 1, 0x67, 77, 0, 31, 0};
  const Bytes avc_high_40{0, 0, 1, 0x67, 100, 0, 40, 0};
  const Bytes avc_baseline_10{0, 0, 1, 0x67, 66, 0, 10, 0};
  es::VideoBuffering none, vbv, small_vbv, hrd, fast;
  vbv.size_bits = 1'835'008;  // 112 * 16384
  small_vbv.size_bits = 1'720'320;
  hrd.size_bits = 8'000'000;
  fast.size_bits = 9'781'248;
  fast.rate_bps = 20'000'000;
  struct Row {
    Bytes bytes;
    std::uint8_t type;
    es::VideoBuffering buffering;
    std::uint64_t multiplexing, main;
    double leak;
  };
  const std::vector<Row> rows{
      {mpeg2_main, 2, vbv, 10'000, 229'376, 15e6},           // 15e6 * 0.0053333 = 80,000 bits
      {mpeg2_main, 2, small_vbv, 24'336, 215'040, 15e6},     // and 1,835,008 - 1,720,320 = 114,688
      {mpeg2_high, 2, fast, 53'333, 1'222'656, 21e6},        // 80e6 * 0.0053333 = 426,667; 1.05 * 20e6
      {avc_main_31, 0x1B, none, 11'200, 2'100'000, 16.8e6},  // 14,000 * 1200 each
      {avc_main_31, 0x1B, hrd, 1'111'200, 1'000'000, 16.8e6},
      {avc_high_40, 0x1B, none, 20'000, 4'687'500, 30e6},    // 20,000 and 25,000 * 1500
      {avc_baseline_10, 0x1B, none, 1'333, 26'250, 76'800},  // 2,000,000 * 0.0053333; 175 * 1200 / 8
  };
  for (const Row& row : rows) {
    const auto level = video_limits(row.bytes);
    ASSERT_TRUE(level);
    const StreamLimits limits = video_stream_limits(stream(row.type), *level, row.buffering);
    EXPECT_EQ(limits.unjudged, "");
    EXPECT_EQ(limits.multiplexing, row.multiplexing);
    EXPECT_EQ(limits.main, row.main);
    EXPECT_DOUBLE_EQ(limits.main_leak, row.leak);
  }
  EXPECT_NE(video_stream_limits(stream(2), *video_limits(mpeg2_scalable), vbv).unjudged, "") << "SNR profile";
  EXPECT_NE(video_stream_limits(stream(2), *video_limits(mpeg2_main), none).unjudged, "");
  // STD_descriptor: leak_valid_flag 1, then 0 with vbv_delay in the pictures, then 0 without.
  EXPECT_EQ(video_stream_limits(stream(2, {0x11, 1, 0xFF}), *video_limits(mpeg2_main), vbv).unjudged, "");
  EXPECT_EQ(video_stream_limits(stream(2, {0x11, 1, 0xFE}), *video_limits(mpeg2_main), vbv).unjudged, "");
  vbv.fixed_vbv_delay = true;
  EXPECT_NE(video_stream_limits(stream(2, {0x11, 1, 0xFE}), *video_limits(mpeg2_main), vbv).unjudged, "");
  EXPECT_NE(video_stream_limits(stream(0x1B, {0x2A, 2, 0x80, 0}), *video_limits(avc_main_31), none).unjudged,
            "");
}

TEST(StreamLimits, OfSoundFollowCodecAndChannels) {
  es::AudioFormat format;
  const auto aac = [&](std::uint32_t channels) {
    format.channels = channels;
    return audio_stream_limits(stream(0x0F), format);
  };
  EXPECT_EQ(aac(2).main, 3584U);
  EXPECT_EQ(aac(2).leak, 2'000'000U);
  EXPECT_EQ(aac(6).main, 8976U);
  EXPECT_EQ(aac(6).leak, 5'529'600U);
  EXPECT_EQ(aac(12).main, 12'804U);
  EXPECT_EQ(aac(24).main, 51'216U);
  EXPECT_EQ(aac(24).leak, 33'177'600U);
  EXPECT_NE(aac(0).unjudged, "");
  EXPECT_EQ(audio_stream_limits(stream(0x03), std::nullopt).main, 3584U);
  EXPECT_EQ(audio_stream_limits(stream(0x06, {0x6A, 1, 0}), std::nullopt).main, 5696U);
  EXPECT_EQ(audio_stream_limits(stream(0x06, {0x7A, 1, 0}), std::nullopt).main, 5696U);
  EXPECT_EQ(audio_stream_limits(stream(0x81), std::nullopt).main, 2592U);
  EXPECT_NE(audio_stream_limits(stream(0x87), std::nullopt).unjudged, "");
}

TEST(StreamLimits, SayHowLongDataMayStay) {
  EXPECT_EQ(longest_stay_ticks(stream(0x02)), kTicksPerSecond);
  EXPECT_EQ(longest_stay_ticks(stream(0x02, {0x02, 1, 0x01})), 60 * kTicksPerSecond) << "still_picture_flag";
  EXPECT_EQ(longest_stay_ticks(stream(0x03)), kTicksPerSecond);
  EXPECT_EQ(longest_stay_ticks(stream(0x1B)), 10 * kTicksPerSecond);
  EXPECT_EQ(longest_stay_ticks(stream(0x1B, {0x28, 4, 100, 0, 40, 0xBF})), 60 * kTicksPerSecond);
  EXPECT_EQ(longest_stay_ticks(stream(0x24)), 10 * kTicksPerSecond);
}

}  // namespace
}  // namespace headgate::mpegts

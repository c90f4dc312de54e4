// What the bridge needs of HEVC's VPS and SPS (ITU-T H.265 7.3.2.1, 7.3.2.2, 7.3.3, E.2.1; CODECS by ISO/IEC
// 14496-15 E.3). Threading: pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "mpegts/es/video.h"

namespace headgate::mpegts::es {

struct HevcRate {
  std::uint32_t num = 0;
  std::uint32_t den = 0;
};

// What an HEVCDecoderConfigurationRecord takes from the SPS (ISO/IEC 14496-15 8.3.3.1).
struct HevcSpsFacts {
  std::array<std::uint8_t, 12> profile_tier_level{};  // general_profile_space to general_level_idc, as sent
  std::uint8_t temporal_layers = 1;
  bool temporal_id_nested = false;
  std::uint8_t chroma_format = 1;
  std::uint8_t luma_depth_minus8 = 0;
  std::uint8_t chroma_depth_minus8 = 0;
  std::uint16_t min_spatial_segmentation = 0;
};

// `nal`: from the NAL unit header on; may run past the NAL unit's end. Nothing where it can't be read.
std::optional<VideoFormat> parse_hevc_sps(std::span<const std::uint8_t> nal);
VideoBuffering parse_hevc_sps_buffering(std::span<const std::uint8_t> nal);
std::optional<HevcSpsFacts> parse_hevc_sps_facts(std::span<const std::uint8_t> nal);
// The picture rate of a VPS with vps_timing_info_present_flag.
std::optional<HevcRate> parse_hevc_vps_rate(std::span<const std::uint8_t> nal);

}  // namespace headgate::mpegts::es

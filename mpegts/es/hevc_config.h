// The HEVCDecoderConfigurationRecord ("hvcC") of Enhanced RTMP and MP4. Reference: ISO/IEC 14496-15 8.3.3.1.
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/es/avc_config.h"

namespace headgate::mpegts::es {

inline constexpr std::uint8_t kHevcVps = 32, kHevcSps = 33, kHevcPps = 34;  // ITU-T H.265 table 7-1

// The number of a VPS, SPS or PPS of the base layer (ITU-T H.265 7.3.2.1 to 7.3.2.3); nothing for other NAL
// units, and where it can't be read.
std::optional<std::uint8_t> hevc_parameter_set_id(std::span<const std::uint8_t> nal);

// NAL units with their headers, the active SPS first. Lengths of 4 bytes, arrays complete. Empty where one
// kind is missing, the first SPS can't be read, or a record can't hold them.
std::vector<std::uint8_t> hevc_configuration(std::span<const NalUnit> vps, std::span<const NalUnit> sps,
                                             std::span<const NalUnit> pps);

}  // namespace headgate::mpegts::es

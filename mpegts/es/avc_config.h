// The AVCDecoderConfigurationRecord ("avcC") of FLV, RTMP and MP4. Reference: ISO/IEC 14496-15 5.3.3.1.
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace headgate::mpegts::es {

using NalUnit = std::vector<std::uint8_t>;

// seq_parameter_set_id of an SPS (ITU-T H.264 7.3.2.1.1), pic_parameter_set_id of a PPS (7.3.2.2); nothing
// where the NAL unit can't be read or the number is beyond the standard's.
std::optional<std::uint8_t> avc_sps_id(std::span<const std::uint8_t> nal);
std::optional<std::uint8_t> avc_pps_id(std::span<const std::uint8_t> nal);

// `sps`, `pps`: NAL units with their headers, the active SPS first. Lengths of 4 bytes. Empty where there is
// no SPS or PPS, the first SPS can't be read, or a record can't hold them.
std::vector<std::uint8_t> avc_configuration(std::span<const NalUnit> sps, std::span<const NalUnit> pps);

}  // namespace headgate::mpegts::es

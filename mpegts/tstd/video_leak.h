// What a video's profile and level say of a decoder's buffers: Rx_n, how fast it empties the transport
// buffer, Rmax and the largest VBV or CPB. References: ISO/IEC 13818-1:2022 2.4.2.4 (1.2 times
// Rmax), 2.14.3.1 (AVC), 2.17.2 (HEVC); ISO/IEC 13818-2 8 and tables 8-13, 8-14; ITU-T H.264 tables;
// ITU-T H.265 tables A.8, A.10. Threading: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace headgate::mpegts {

struct VideoLimits {
  std::uint32_t leak = 0;    // Rx_n, bits a second
  std::uint64_t rate = 0;    // Rmax of the byte stream, bits a second
  std::uint64_t buffer = 0;  // VBV or CPB of the byte stream, bits; 0: not known of this profile
  bool mpeg2 = false;
  bool high = false;  // MPEG-2 at High-1440 or High level
  bool operator==(const VideoLimits&) const = default;
};

// Of the sequence header or parameter set among these bytes, which are the beginning of an access unit. Bits
// a second; nothing where none stands there whole, or where its profile or level is not known. Which of the
// three codecs it is, the start code and what follows it tell. Does not allocate.
std::optional<VideoLimits> video_limits(std::span<const std::uint8_t> bytes) noexcept;
// Rx_n alone.
std::optional<std::uint32_t> video_leak(std::span<const std::uint8_t> bytes) noexcept;

}  // namespace headgate::mpegts

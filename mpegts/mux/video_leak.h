// Rx_n of a video stream: how fast a decoder empties its transport buffer, by the profile and level that its
// parameter sets name. References: ISO/IEC 13818-1:2022 2.4.2.4 (1.2 times Rmax), 2.14.3.1 (AVC), 2.17.2
// (HEVC); ISO/IEC 13818-2 8 and table 8-13; ITU-T H.264 tables; ITU-T H.265 tables A.8, A.10.
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace headgate::mpegts {

// Of the sequence header or parameter set among these bytes, which are the beginning of an access unit. Bits
// a second; nothing where none stands there whole, or where its profile or level is not known. Which of the
// three codecs it is, the start code and what follows it tell. Does not allocate.
std::optional<std::uint32_t> video_leak(std::span<const std::uint8_t> bytes) noexcept;

}  // namespace headgate::mpegts

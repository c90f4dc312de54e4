// Sizes and rates of an elementary stream's buffers in the T-STD, by what its descriptors and its own headers
// say. References: ISO/IEC 13818-1:2022 2.4.2.3 to 2.4.2.5, 2.14.3 (AVC), 2.17.2 (HEVC); ETSI TS 101 154
// (AC-3 and E-AC-3 in DVB); ATSC A/52 Annex A (AC-3 of stream_type 0x81). Threading: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "mpegts/es/audio.h"
#include "mpegts/es/video.h"
#include "mpegts/psi/tables.h"
#include "mpegts/tstd/video_leak.h"

namespace headgate::mpegts {

struct StreamLimits {
  std::string_view unjudged;       // why nothing behind TB_n can be judged; empty: all below is known
  std::uint32_t leak = 0;          // Rx_n, bits a second; 0: not known, nothing can be judged
  std::uint64_t multiplexing = 0;  // MBS_n of video, bytes
  std::uint64_t main = 0;          // EBS_n of video, BS_n of audio
  double main_leak = 0;            // Rbx_n, bits a second
  bool low_delay = false;          // an access unit may be late (2.4.2.6)
  bool operator==(const StreamLimits&) const = default;
};

StreamLimits video_stream_limits(const PmtStream& stream, const VideoLimits& level,
                                 const es::VideoBuffering& buffering) noexcept;
// Without a format: as far as the kind alone tells.
StreamLimits audio_stream_limits(const PmtStream& stream,
                                 const std::optional<es::AudioFormat>& format) noexcept;

// How long data may stay (2.4.2.6): a second, 10 s of ISO/IEC 14496 and HEVC, 60 s of still pictures.
std::int64_t longest_stay_ticks(const PmtStream& stream) noexcept;

}  // namespace headgate::mpegts

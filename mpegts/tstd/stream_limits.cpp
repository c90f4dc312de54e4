#include "mpegts/tstd/stream_limits.h"

#include <algorithm>

#include "mpegts/packet/types.h"
#include "mpegts/tstd/tstd_model.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint8_t kVideoStream = 0x02, kStd = 0x11, kAvcVideo = 0x28, kAvcTiming = 0x2A,
                       kHevcVideo = 0x38, kExtension = 0x3F, kHevcTiming = 0x03;
constexpr std::uint8_t kAtscAc3 = 0x81, kAtscEac3 = 0x87;

// Set where the descriptor has that byte and the bit is 1.
bool flag(const PmtStream& stream, std::uint8_t tag, std::size_t at, std::uint8_t bit) noexcept {
  const auto body = stream.descriptors.find(tag);
  return body && body->size() > at && ((*body)[at] & bit) != 0;
}

// hrd_management_valid_flag (2.6.66, 2.6.97): EB_n is then filled by the HRD's schedule.
bool hrd_method(const PmtStream& stream) noexcept {
  if (flag(stream, kAvcTiming, 0, 0x80)) return true;
  const auto extension = stream.descriptors.find(kExtension);
  return extension && extension->size() > 1 && (*extension)[0] == kHevcTiming &&
         ((*extension)[1] & 0x80) != 0;
}

// leak_valid_flag 0 (2.6.32).
bool vbv_method(const PmtStream& stream) noexcept {
  return stream.descriptors.find(kStd).has_value() && !flag(stream, kStd, 0, 0x01);
}

std::uint64_t bytes(double bits) noexcept { return static_cast<std::uint64_t>(bits / 8); }

StreamLimits mpeg2_limits(const VideoLimits& level, const es::VideoBuffering& buffering) noexcept {
  StreamLimits out;
  const std::uint64_t vbv = *buffering.size_bits;
  const auto rate = static_cast<double>(level.rate);
  // BS_mux and BS_oh; at low and main level also what the VBV leaves of the level's largest.
  double multiplexing = rate * 0.004 + rate / 750;
  if (!level.high && level.buffer > vbv) multiplexing += static_cast<double>(level.buffer - vbv);
  out.multiplexing = bytes(multiplexing);
  out.main = vbv / 8;
  out.main_leak = rate;
  if (level.high && buffering.rate_bps)
    out.main_leak = std::min(1.05 * static_cast<double>(*buffering.rate_bps), rate);
  return out;
}

// Both codecs alike: cpb_size is the NAL HRD's, else the level's largest.
StreamLimits cpb_limits(const VideoLimits& level, const es::VideoBuffering& buffering) noexcept {
  StreamLimits out;
  const std::uint64_t cpb = buffering.size_bits.value_or(level.buffer);
  const double rate = std::max(static_cast<double>(level.rate), 2'000'000.0);
  const std::uint64_t rest = level.buffer > cpb ? level.buffer - cpb : 0;
  out.multiplexing = bytes(rate * 0.004 + rate / 750 + static_cast<double>(rest));
  out.main = cpb / 8;
  out.main_leak = static_cast<double>(level.rate);
  return out;
}

}  // namespace

StreamLimits video_stream_limits(const PmtStream& stream, const VideoLimits& level,
                                 const es::VideoBuffering& buffering) noexcept {
  StreamLimits out;
  if (level.buffer == 0) {
    out.unjudged = "a profile whose buffers are not known here";
  } else if (level.mpeg2 && buffering.size_bits.value_or(0) == 0) {
    out.unjudged = "no vbv_buffer_size";
  } else if (level.mpeg2 && vbv_method(stream) && buffering.fixed_vbv_delay) {
    out.unjudged = "filled by vbv_delay, which is not modelled";
  } else if (!level.mpeg2 && hrd_method(stream)) {
    out.unjudged = "filled by the HRD's schedule, which is not modelled";
  } else {
    out = level.mpeg2 ? mpeg2_limits(level, buffering) : cpb_limits(level, buffering);
    out.low_delay = buffering.low_delay;
  }
  out.leak = level.leak;
  return out;
}

StreamLimits audio_stream_limits(const PmtStream& stream,
                                 const std::optional<es::AudioFormat>& format) noexcept {
  StreamLimits out;
  out.leak = TransportBuffer::kAudioLeak;
  switch (stream_kind(stream)) {
    case StreamKind::mpeg_audio:
      out.main = 3584;  // 2.4.2.3
      break;
    case StreamKind::ac3:
      out.main = stream.stream_type == kAtscAc3 ? 2592 : 5696;
      break;
    case StreamKind::eac3:
      if (stream.stream_type == kAtscEac3) {
        out.unjudged = "E-AC-3 by ATSC, whose buffer is not known here";
      } else {
        out.main = 5696;
      }
      break;
    case StreamKind::aac_adts:
    case StreamKind::aac_latm: {  // 2.4.2.4 of 13818-7, 2.11.2.2 of 14496-3: by channels
      struct Row {
        std::uint32_t channels, leak;
        std::uint64_t size;
      };
      constexpr Row kRows[] = {
          {2, 2'000'000, 3584}, {8, 5'529'600, 8976}, {12, 8'294'400, 12'804}, {48, 33'177'600, 51'216}};
      const std::uint32_t channels = format ? format->channels : 0;
      const auto* const row = std::find_if(std::begin(kRows), std::end(kRows),
                                           [&](const Row& it) { return channels <= it.channels; });
      if (channels == 0 || row == std::end(kRows)) {
        out.leak = 0;
        out.unjudged = "no header of the stream tells its channels";
      } else {
        out.leak = row->leak;
        out.main = row->size;
      }
      break;
    }
    default:
      out.unjudged = "a codec whose buffer is not known here";
  }
  return out;
}

std::int64_t longest_stay_ticks(const PmtStream& stream) noexcept {
  const StreamKind kind = stream_kind(stream);
  // still_picture_flag, AVC_still_present, HEVC_still_present_flag.
  const bool still = flag(stream, kVideoStream, 0, 0x01) ||
                     (kind == StreamKind::h264 && flag(stream, kAvcVideo, 3, 0x80)) ||
                     (kind == StreamKind::hevc && flag(stream, kHevcVideo, 12, 0x40));
  const bool long_stay = kind == StreamKind::h264 || kind == StreamKind::hevc || kind == StreamKind::aac_latm;
  return (still ? 60 : long_stay ? 10 : 1) * kTicksPerSecond;
}

}  // namespace headgate::mpegts

#include "dataplane/bridge/transcode/twin_packer.h"

#include <algorithm>
#include <array>

#include "mpegts/packet/clock_fields.h"

namespace headgate::bridge::transcode {
namespace {

constexpr std::size_t kAdtsHeader = 7;
constexpr std::size_t kPesHeader = 14;
constexpr std::size_t kLargestPayload = mpegts::kPacketSize - 4;
constexpr std::uint8_t kAudioStream = 0xC0;    // table 2-22
constexpr std::uint8_t kPayload = 0x10;        // adaptation_field_control, table 2-5
constexpr std::uint8_t kAdaptation = 0x20;     // likewise
constexpr std::uint8_t kDiscontinuous = 0x80;  // discontinuity_indicator
constexpr unsigned kProfileLc = 1;             // ISO/IEC 14496-3 table 1.A.6
constexpr unsigned k48kHz = 3;                 // table 1.18

}  // namespace

std::optional<mpegts::es::AudioFormat> adts_format(std::span<const std::uint8_t> frame) {
  if (frame.size() < kAdtsHeader || frame[0] != 0xFF || (frame[1] & 0xF6) != 0xF0) return std::nullopt;
  const std::size_t size = std::size_t{frame[3] & 0x03U} << 11 | std::size_t{frame[4]} << 3 | frame[5] >> 5;
  const unsigned rate = frame[2] >> 2 & 0x0FU;
  const unsigned channels = (frame[2] & 0x01U) << 2 | frame[3] >> 6;
  const bool one_block = (frame[6] & 0x03) == 0;
  if (size != frame.size() || rate != k48kHz || frame[2] >> 6 != kProfileLc || channels == 0 || !one_block) {
    return std::nullopt;
  }
  mpegts::es::AudioFormat format;
  format.kind = mpegts::StreamKind::aac_adts;
  format.sample_rate = 48'000;
  format.channels = channels == 7 ? 8 : channels;
  format.samples_per_frame = 1024;
  format.codec = "mp4a.40.2";
  return format;
}

// A single_channel_element, or a channel_pair_element without common_window, of max_sfb 0 and global_gain 0,
// then the end: ISO/IEC 14496-3 tables 4.4, 4.5, 4.6 and 4.50.
std::span<const std::uint8_t> silent_adts_frame(unsigned channels) {
  static constexpr std::array<std::uint8_t, 11> kMono{0xFF, 0xF1, 0x4C, 0x40, 0x01, 0x7F,
                                                      0xFC, 0x00, 0x00, 0x00, 0x07};
  static constexpr std::array<std::uint8_t, 14> kStereo{0xFF, 0xF1, 0x4C, 0x80, 0x01, 0xDF, 0xFC,
                                                        0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0E};
  if (channels == 1) return kMono;
  return kStereo;
}

std::span<const std::uint8_t> TwinPacker::pack(std::span<const std::uint8_t> frame, mpegts::Pts90kHz pts,
                                               bool break_before) {
  pes_.assign(kPesHeader, 0);
  const std::size_t length = kPesHeader - 6 + frame.size();
  pes_[2] = 1;
  pes_[3] = kAudioStream;
  pes_[4] = static_cast<std::uint8_t>(length >> 8);
  pes_[5] = static_cast<std::uint8_t>(length);
  pes_[6] = 0x84;  // data_alignment_indicator: begins with the frame
  pes_[7] = 0x80;  // PTS
  pes_[8] = 5;
  pes_[9] = 0x20;
  mpegts::put_stamp(std::span<std::uint8_t, 5>(pes_.data() + 9, 5), pts);
  pes_.insert(pes_.end(), frame.begin(), frame.end());

  out_.clear();
  for (std::size_t at = 0; at < pes_.size();) {
    const bool first = at == 0;
    const std::size_t least_field = first && break_before ? 2 : 0;
    const std::size_t size = std::min(kLargestPayload - least_field, pes_.size() - at);
    const std::size_t field = kLargestPayload - size;  // its length byte counted in
    out_.push_back(mpegts::kSyncByte);
    out_.push_back(static_cast<std::uint8_t>((first ? 0x40 : 0) | pid_.value >> 8));
    out_.push_back(static_cast<std::uint8_t>(pid_.value));
    out_.push_back(static_cast<std::uint8_t>(kPayload | (field > 0 ? kAdaptation : 0) | continuity_));
    continuity_ = (continuity_ + 1) & 0x0F;
    if (field > 0) out_.push_back(static_cast<std::uint8_t>(field - 1));
    if (field > 1) {
      out_.push_back(first && break_before ? kDiscontinuous : 0);
      out_.insert(out_.end(), field - 2, 0xFF);
    }
    const auto begin = pes_.begin() + static_cast<std::ptrdiff_t>(at);
    out_.insert(out_.end(), begin, begin + static_cast<std::ptrdiff_t>(size));
    at += size;
  }
  return out_;
}

}  // namespace headgate::bridge::transcode

#include "mpegts/es/hevc_sps.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include "mpegts/es/bit_reader.h"
#include "mpegts/es/unit_scanner.h"

namespace headgate::mpegts::es {
namespace {

constexpr std::uint32_t kExtendedSar = 255;

struct ProfileTierLevel {
  std::uint32_t space = 0;
  bool high_tier = false;
  std::uint32_t profile = 0;
  std::uint32_t compatibility = 0;
  std::array<std::uint32_t, 6> constraints{};
  std::uint32_t level = 0;
  bool interlaced() const {
    return (constraints[0] & 0xC0) == 0x40;
  }  // interlaced_source without progressive_source
};

// 7.3.3 with profilePresentFlag 1.
ProfileTierLevel read_ptl(NalReader& r, std::uint32_t max_sub_layers_minus1) {
  ProfileTierLevel ptl;
  ptl.space = r.u(2);
  ptl.high_tier = r.flag();
  ptl.profile = r.u(5);
  ptl.compatibility = r.u(32);
  for (auto& byte : ptl.constraints) byte = r.u(8);
  ptl.level = r.u(8);
  std::array<bool, 8> profile_present{}, level_present{};
  for (std::uint32_t i = 0; i < max_sub_layers_minus1; ++i) {
    profile_present[i] = r.flag();
    level_present[i] = r.flag();
  }
  if (max_sub_layers_minus1 > 0) r.skip((8 - max_sub_layers_minus1) * 2);
  for (std::uint32_t i = 0; i < max_sub_layers_minus1; ++i) {
    if (profile_present[i]) r.skip(88);
    if (level_present[i]) r.skip(8);
  }
  return ptl;
}

// ISO/IEC 14496-15 E.3: profile with its space, compatibility flags in reverse bit order, tier and level,
// constraint bytes without the trailing zero ones.
std::string codec_string(const ProfileTierLevel& ptl) {
  std::uint32_t reversed = 0;
  for (unsigned i = 0; i < 32; ++i) reversed |= (ptl.compatibility >> i & 1U) << (31 - i);
  std::string codec = "hvc1.";
  if (ptl.space > 0) codec += static_cast<char>('A' + ptl.space - 1);
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%u.%X.%c%u", ptl.profile, reversed, ptl.high_tier ? 'H' : 'L',
                ptl.level);
  codec += text.data();
  std::size_t used = ptl.constraints.size();
  while (used > 0 && ptl.constraints[used - 1] == 0) --used;
  for (std::size_t i = 0; i < used; ++i) {
    std::snprintf(text.data(), text.size(), ".%X", ptl.constraints[i]);
    codec += text.data();
  }
  return codec;
}

void skip_scaling_lists(NalReader& r) {  // 7.3.4
  for (unsigned size = 0; size < 4; ++size) {
    for (unsigned matrix = 0; matrix < 6; matrix += size == 3 ? 3 : 1) {
      if (!r.flag()) {
        r.ue();
        continue;
      }
      const unsigned coefficients = std::min(64U, 1U << (4 + 2 * size));
      if (size > 1) r.se();
      for (unsigned i = 0; i < coefficients && r.ok(); ++i) r.se();
    }
  }
}

// 7.3.7: the number of pictures in each set is needed to read the next one. False where it can't be.
bool skip_short_term_sets(NalReader& r) {
  const std::uint32_t count = r.ue();
  if (count > 64) return false;
  std::vector<std::uint32_t> deltas;  // NumDeltaPocs
  for (std::uint32_t set = 0; set < count; ++set) {
    std::uint32_t pictures = 0;
    if (set > 0 && r.flag()) {  // inter_ref_pic_set_prediction_flag
      r.skip(1);
      r.ue();
      for (std::uint32_t j = 0; j <= deltas.back(); ++j) {
        const bool used = r.flag();
        const bool use_delta = used || r.flag();
        if (used || use_delta) ++pictures;
      }
    } else {
      const std::uint32_t negative = r.ue(), positive = r.ue();
      if (negative > 16 || positive > 16) return false;
      pictures = negative + positive;
      for (std::uint32_t i = 0; i < pictures; ++i) {
        r.ue();
        r.skip(1);
      }
    }
    if (!r.ok() || pictures > 32) return false;
    deltas.push_back(pictures);
  }
  return true;
}

// E.2.1; ends with bitstream_restriction_flag's fields, of which one is wanted.
void read_restriction(NalReader& r, HevcSpsFacts& facts) {
  if (!r.flag()) return;
  r.skip(3);  // tiles_fixed_structure, motion_vectors_over_pic_boundaries, restricted_ref_pic_lists
  const std::uint32_t segmentation = r.ue();
  if (r.ok() && segmentation <= 4095) {
    facts.min_spatial_segmentation = static_cast<std::uint16_t>(segmentation);
  }
}

// E.2.3, E.3.3: size and rate of the last CPB.
void read_sub_layer_hrd(NalReader& r, std::uint32_t cpbs, bool sub_pic, std::uint32_t scales,
                        VideoBuffering& out) {
  for (std::uint32_t i = 0; i < cpbs && r.ok(); ++i) {
    out.rate_bps = (std::uint64_t{r.ue()} + 1) << (6 + (scales >> 4));
    out.size_bits = (std::uint64_t{r.ue()} + 1) << (4 + (scales & 15));
    if (sub_pic) {
      r.ue();
      r.ue();
    }
    r.skip(1);
  }
}

// E.2.2 with commonInfPresentFlag 1. False where it can't be read.
bool read_hrd(NalReader& r, std::uint32_t max_sub_layers_minus1, VideoBuffering& out) {
  const bool nal = r.flag(), vcl = r.flag();
  bool sub_pic = false;
  std::uint32_t scales = 0;
  VideoBuffering hrd, other;
  if (nal || vcl) {
    sub_pic = r.flag();
    if (sub_pic) r.skip(8 + 5 + 1 + 5);
    scales = r.u(8);  // bit_rate_scale, cpb_size_scale
    if (sub_pic) r.skip(4);
    r.skip(5 + 5 + 5);
  }
  for (std::uint32_t i = 0; i <= max_sub_layers_minus1; ++i) {
    const bool fixed_general = r.flag();
    const bool fixed = fixed_general || r.flag();
    bool low_delay = false;
    if (fixed) {
      r.ue();
    } else {
      low_delay = r.flag();
    }
    const std::uint32_t cpbs = low_delay ? 1 : r.ue() + 1;
    if (!r.ok() || cpbs > 32) return false;
    if (nal) read_sub_layer_hrd(r, cpbs, sub_pic, scales, hrd);
    if (vcl) read_sub_layer_hrd(r, cpbs, sub_pic, scales, other);
    hrd.low_delay = low_delay;
  }
  if (r.ok()) out = hrd;
  return r.ok();
}

void read_vui(NalReader& r, std::uint32_t max_sub_layers_minus1, VideoFormat& format, HevcSpsFacts& facts,
              VideoBuffering& buffering) {  // E.2.1
  if (r.flag() && r.u(8) == kExtendedSar) r.skip(32);
  if (r.flag()) r.skip(1);  // overscan
  if (r.flag()) {           // video_signal_type
    r.skip(4);
    if (r.flag()) r.skip(24);
  }
  if (r.flag()) {  // chroma_loc_info
    r.ue();
    r.ue();
  }
  r.skip(1);                             // neutral_chroma_indication_flag
  const bool field_sequence = r.flag();  // each picture is a field
  r.skip(1);                             // frame_field_info_present_flag
  if (r.flag()) {                        // default_display_window
    for (int i = 0; i < 4; ++i) r.ue();
  }
  if (!r.ok()) return;
  format.interlaced = format.interlaced || field_sequence;
  if (r.flag()) {
    const std::uint64_t units = r.u(32);
    const std::uint64_t scale = r.u(32);
    if (r.ok()) set_frame_rate(format, scale, field_sequence ? units * 2 : units);
    if (r.flag()) r.ue();  // num_ticks_poc_diff_one_minus1
    if (r.flag() && !read_hrd(r, max_sub_layers_minus1, buffering)) return;
  }
  read_restriction(r, facts);
}

bool read_size(NalReader& r, VideoFormat& format, HevcSpsFacts& facts) {
  const std::uint32_t chroma = r.ue();
  facts.chroma_format = static_cast<std::uint8_t>(chroma & 3);
  const bool separate = chroma == 3 && r.flag();
  const std::uint64_t width = r.ue(), height = r.ue();
  std::uint64_t crop_x = 0, crop_y = 0;
  if (r.flag()) {
    const std::uint64_t unit_x = !separate && (chroma == 1 || chroma == 2) ? 2 : 1;
    const std::uint64_t unit_y = !separate && chroma == 1 ? 2 : 1;
    const std::uint64_t left = r.ue(), right = r.ue(), top = r.ue(), bottom = r.ue();
    crop_x = (left + right) * unit_x;
    crop_y = (top + bottom) * unit_y;
  }
  // 16888 is the longest side any level allows (A.4.1).
  if (!r.ok() || chroma > 3 || width > 16888 || height > 16888 || crop_x >= width || crop_y >= height)
    return false;
  format.width = static_cast<std::uint32_t>(width - crop_x);
  format.height = static_cast<std::uint32_t>(height - crop_y);
  return true;
}

// From the bit depths to the VUI; without effect on what is known already where the bytes end early.
void read_tail(NalReader& r, std::uint32_t max_sub_layers_minus1, VideoFormat& format, HevcSpsFacts& facts,
               VideoBuffering& buffering) {
  facts.luma_depth_minus8 = static_cast<std::uint8_t>(r.ue() & 7);
  facts.chroma_depth_minus8 = static_cast<std::uint8_t>(r.ue() & 7);
  const std::uint32_t poc_bits = r.ue() + 4;
  const bool ordering = r.flag();
  for (std::uint32_t i = ordering ? 0 : max_sub_layers_minus1; i <= max_sub_layers_minus1; ++i) {
    for (int k = 0; k < 3; ++k) r.ue();
  }
  for (int i = 0; i < 6; ++i) r.ue();  // block and transform sizes and depths
  if (r.flag() && r.flag()) skip_scaling_lists(r);
  r.skip(2);       // amp, sample_adaptive_offset
  if (r.flag()) {  // pcm
    r.skip(8);
    r.ue();
    r.ue();
    r.skip(1);
  }
  if (!skip_short_term_sets(r)) return;
  if (r.flag()) {  // long_term_ref_pics
    const std::uint32_t count = r.ue();
    if (count > 32 || poc_bits > 16) return;
    r.skip(std::size_t{count} * (poc_bits + 1));
  }
  r.skip(2);  // temporal_mvp, strong_intra_smoothing
  if (r.flag() && r.ok()) read_vui(r, max_sub_layers_minus1, format, facts, buffering);
}

// general_profile_space to general_level_idc as they are sent.
std::array<std::uint8_t, 12> pack(const ProfileTierLevel& ptl) {
  std::array<std::uint8_t, 12> out{};
  out[0] = static_cast<std::uint8_t>(ptl.space << 6 | (ptl.high_tier ? 0x20U : 0U) | ptl.profile);
  for (unsigned i = 0; i < 4; ++i) out[1 + i] = static_cast<std::uint8_t>(ptl.compatibility >> (24 - 8 * i));
  for (unsigned i = 0; i < 6; ++i) out[5 + i] = static_cast<std::uint8_t>(ptl.constraints[i]);
  out[11] = static_cast<std::uint8_t>(ptl.level);
  return out;
}

bool read_sps(std::span<const std::uint8_t> nal, VideoFormat& format, HevcSpsFacts& facts,
              VideoBuffering& buffering) {
  NalReader r(nal);
  r.skip(16 + 4);  // NAL unit header, sps_video_parameter_set_id
  const std::uint32_t max_sub_layers_minus1 = r.u(3);
  facts.temporal_id_nested = r.flag();
  if (max_sub_layers_minus1 > 6) return false;
  facts.temporal_layers = static_cast<std::uint8_t>(max_sub_layers_minus1 + 1);
  const ProfileTierLevel ptl = read_ptl(r, max_sub_layers_minus1);
  facts.profile_tier_level = pack(ptl);
  if (r.ue() > 15) return false;
  format.kind = StreamKind::hevc;
  if (!read_size(r, format, facts)) return false;
  format.codec = codec_string(ptl);
  format.interlaced = ptl.interlaced();
  read_tail(r, max_sub_layers_minus1, format, facts, buffering);
  return true;
}

}  // namespace

std::optional<VideoFormat> parse_hevc_sps(std::span<const std::uint8_t> nal) {
  VideoFormat format;
  HevcSpsFacts facts;
  VideoBuffering buffering;
  if (!read_sps(nal, format, facts, buffering)) return std::nullopt;
  return format;
}

VideoBuffering parse_hevc_sps_buffering(std::span<const std::uint8_t> nal) {
  VideoFormat format;
  HevcSpsFacts facts;
  VideoBuffering buffering;
  return read_sps(nal, format, facts, buffering) ? buffering : VideoBuffering();
}

std::optional<HevcSpsFacts> parse_hevc_sps_facts(std::span<const std::uint8_t> nal) {
  VideoFormat format;
  HevcSpsFacts facts;
  VideoBuffering buffering;
  if (!read_sps(nal, format, facts, buffering)) return std::nullopt;
  return facts;
}

std::optional<HevcRate> parse_hevc_vps_rate(std::span<const std::uint8_t> nal) {
  NalReader r(nal);
  r.skip(16 + 4 + 2 + 6);
  const std::uint32_t max_sub_layers_minus1 = r.u(3);
  r.skip(1 + 16);
  if (max_sub_layers_minus1 > 6) return std::nullopt;
  read_ptl(r, max_sub_layers_minus1);
  const bool ordering = r.flag();
  for (std::uint32_t i = ordering ? 0 : max_sub_layers_minus1; i <= max_sub_layers_minus1; ++i) {
    for (int k = 0; k < 3; ++k) r.ue();
  }
  const std::uint32_t max_layer = r.u(6);
  const std::uint32_t sets = r.ue();
  if (sets > 1023) return std::nullopt;
  r.skip(std::size_t{sets} * (max_layer + 1));
  if (!r.flag()) return std::nullopt;
  HevcRate rate;
  rate.den = r.u(32);
  rate.num = r.u(32);
  if (!r.ok() || rate.num == 0 || rate.den == 0) return std::nullopt;
  return rate;
}

}  // namespace headgate::mpegts::es

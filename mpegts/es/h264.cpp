// H.264: parameter sets (ITU-T H.264 7.3.2.1, 7.3.2.2, E.1.1), slice headers (7.3.3), recovery point SEI
// (D.1.8) and the first NAL unit of an access unit (7.4.1.2.3, 7.4.1.2.4).
#include <algorithm>
#include <array>
#include <cstdio>

#include "mpegts/es/bit_reader.h"
#include "mpegts/es/unit_scanner.h"

namespace headgate::mpegts::es {
namespace {

constexpr std::uint8_t kSlice = 1, kSliceA = 2, kIdr = 5, kSei = 6, kSps = 7, kPps = 8, kAud = 9;
constexpr std::uint32_t kSeiRecoveryPoint = 6;
constexpr std::uint32_t kExtendedSar = 255;

struct Sps {
  VideoFormat format;
  VideoBuffering buffering;
  unsigned frame_num_bits = 4;
  bool frames_only = true;
  bool separate_planes = false;
};

bool has_chroma_fields(std::uint32_t profile) {
  constexpr std::array<std::uint32_t, 13> kProfiles{100, 110, 122, 244, 44,  83, 86,
                                                    118, 128, 138, 139, 134, 135};
  return std::find(kProfiles.begin(), kProfiles.end(), profile) != kProfiles.end();
}

void skip_scaling_list(NalReader& r, unsigned size) {
  std::int32_t last = 8, next = 8;
  for (unsigned i = 0; i < size && r.ok(); ++i) {
    if (next != 0) next = (last + r.se() % 256 + 256) % 256;
    if (next != 0) last = next;
  }
}

// 7.3.2.1.1 from chroma_format_idc to the scaling matrices; returns chroma_format_idc.
std::uint32_t read_chroma(NalReader& r, Sps& sps) {
  const std::uint32_t chroma = r.ue();
  if (chroma == 3) sps.separate_planes = r.flag();
  r.ue();     // bit_depth_luma_minus8
  r.ue();     // bit_depth_chroma_minus8
  r.skip(1);  // qpprime_y_zero_transform_bypass_flag
  if (r.flag()) {
    const unsigned lists = chroma == 3 ? 12 : 8;
    for (unsigned i = 0; i < lists; ++i) {
      if (r.flag()) skip_scaling_list(r, i < 6 ? 16 : 64);
    }
  }
  return chroma;
}

// E.1.2, E.2.2: size and rate of the last CPB.
VideoBuffering read_hrd(NalReader& r) {
  VideoBuffering out;
  const std::uint32_t cpbs = r.ue() + 1;
  const std::uint32_t rate_scale = r.u(4), size_scale = r.u(4);
  for (std::uint32_t i = 0; i < cpbs && cpbs <= 32 && r.ok(); ++i) {
    out.rate_bps = (std::uint64_t{r.ue()} + 1) << (6 + rate_scale);
    out.size_bits = (std::uint64_t{r.ue()} + 1) << (4 + size_scale);
    r.skip(1);  // cbr_flag
  }
  r.skip(5 + 5 + 5 + 5);
  return r.ok() && cpbs <= 32 ? out : VideoBuffering();
}

void read_vui(NalReader& r, VideoFormat& format, VideoBuffering& buffering) {
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
  if (r.flag()) {
    const std::uint64_t units = r.u(32);
    const std::uint64_t scale = r.u(32);
    // A tick is a field's time, also in frames-only streams (E.2.1).
    if (r.ok()) set_frame_rate(format, scale, units * 2);
    r.skip(1);  // fixed_frame_rate_flag
  }
  const bool nal = r.flag();
  VideoBuffering hrd = nal ? read_hrd(r) : VideoBuffering();
  const bool vcl = r.flag();
  if (vcl) read_hrd(r);
  if (nal || vcl) hrd.low_delay = r.flag();
  if (r.ok()) buffering = hrd;
}

void skip_poc(NalReader& r) {
  const std::uint32_t type = r.ue();
  if (type == 0) {
    r.ue();
  } else if (type == 1) {
    r.skip(1);
    r.se();
    r.se();
    const std::uint32_t count = r.ue();
    for (std::uint32_t i = 0; i < count && i < 255 && r.ok(); ++i) r.se();
  }
}

void read_size(NalReader& r, std::uint32_t chroma, Sps& sps) {
  const std::uint64_t width_mbs = std::uint64_t{r.ue()} + 1;
  const std::uint64_t height_units = std::uint64_t{r.ue()} + 1;
  sps.frames_only = r.flag();
  if (!sps.frames_only) r.skip(1);  // mb_adaptive_frame_field_flag
  r.skip(1);                        // direct_8x8_inference_flag
  const std::uint32_t fields = sps.frames_only ? 1 : 2;
  std::uint64_t crop_x = 0, crop_y = 0;
  if (r.flag()) {
    const bool planar = chroma == 0 || sps.separate_planes;
    const std::uint64_t unit_x = !planar && chroma != 3 ? 2 : 1;
    const std::uint64_t unit_y = (!planar && chroma == 1 ? 2U : 1U) * fields;
    const std::uint64_t left = r.ue(), right = r.ue(), top = r.ue(), bottom = r.ue();
    crop_x = (left + right) * unit_x;
    crop_y = (top + bottom) * unit_y;
  }
  const std::uint64_t width = width_mbs * 16, height = height_units * 16 * fields;
  // 16384 is above any level of table A-1.
  if (width > 16384 || height > 16384 || crop_x >= width || crop_y >= height) return;
  sps.format.width = static_cast<std::uint32_t>(width - crop_x);
  sps.format.height = static_cast<std::uint32_t>(height - crop_y);
}

std::optional<std::pair<std::uint32_t, Sps>> parse_sps(std::span<const std::uint8_t> nal) {
  NalReader r(nal);
  r.skip(8);
  Sps sps;
  const std::uint32_t profile = r.u(8), constraints = r.u(8), level = r.u(8);
  const std::uint32_t id = r.ue();
  const std::uint32_t chroma = has_chroma_fields(profile) ? read_chroma(r, sps) : 1;
  const std::uint32_t log2_frame_num = r.ue();
  skip_poc(r);
  r.ue();     // max_num_ref_frames
  r.skip(1);  // gaps_in_frame_num_value_allowed_flag
  read_size(r, chroma, sps);
  const bool vui = r.flag();
  if (!r.ok() || id > 31 || log2_frame_num > 12 || chroma > 3 || sps.format.width == 0) return std::nullopt;
  if (vui) read_vui(r, sps.format, sps.buffering);
  sps.frame_num_bits = log2_frame_num + 4;
  sps.format.kind = StreamKind::h264;
  sps.format.interlaced = !sps.frames_only;
  std::array<char, 16> codec{};
  std::snprintf(codec.data(), codec.size(), "avc1.%02x%02x%02x", profile, constraints, level);
  sps.format.codec = codec.data();
  return std::pair{id, std::move(sps)};
}

bool has_recovery_point(std::span<const std::uint8_t> nal) {
  NalReader r(nal);
  r.skip(8);
  while (r.ok()) {
    std::uint32_t type = 0, size = 0, byte = 0;
    do {
      byte = r.u(8);
      type += byte;
    } while (byte == 0xFF && r.ok());
    do {
      byte = r.u(8);
      size += byte;
    } while (byte == 0xFF && r.ok());
    if (!r.ok()) return false;  // also where the "type" was the trailing bits
    if (type == kSeiRecoveryPoint) return true;
    r.skip(std::size_t{size} * 8);
  }
  return false;
}

class H264Scanner final : public UnitScanner {
 public:
  H264Scanner() { pps_.fill(kNoSps); }

  Part classify(std::span<const std::uint8_t> bytes, const Unit& unit) override {
    const std::uint8_t type = bytes[0] & 0x1F;
    if (type == kSlice || type == kSliceA || type == kIdr) {
      return starts_picture(bytes, unit) ? Part::picture_start : Part::other;
    }
    return (type >= kSei && type <= kAud) || (type >= 14 && type <= 18) ? Part::prefix : Part::other;
  }

  void note(std::span<const std::uint8_t> bytes, Unit& unit) override {
    const std::uint8_t type = bytes[0] & 0x1F;
    switch (type) {
      case kSei:
        unit.recovery_point = unit.recovery_point || has_recovery_point(bytes);
        break;
      case kSps:
        note_sps(bytes);
        break;
      case kPps:
        note_pps(bytes);
        break;
      case kSlice:
      case kSliceA:
      case kIdr:
        if (!unit.has_picture) note_picture(bytes, type, unit);
        break;
      default:
        break;
    }
  }

 private:
  static constexpr std::uint8_t kNoSps = 0xFF;

  struct Slice {
    std::uint32_t first_mb = 0;
    PictureKey key;
  };

  const Sps* sps_of(std::uint32_t pps) const {
    const std::uint8_t id = pps < pps_.size() ? pps_[pps] : kNoSps;
    return id != kNoSps && sps_[id] ? &*sps_[id] : nullptr;
  }

  // Without its parameter sets a slice still tells first_mb_in_slice, which finds nearly every picture.
  Slice parse_slice(std::span<const std::uint8_t> bytes) const {
    NalReader r(bytes);
    r.skip(1);
    Slice slice;
    slice.key.reference = r.u(2) != 0;
    slice.key.idr = r.u(5) == kIdr;
    slice.first_mb = r.ue();
    r.ue();  // slice_type
    slice.key.pps = r.ue();
    if (const Sps* sps = sps_of(slice.key.pps)) {
      if (sps->separate_planes) r.skip(2);
      slice.key.frame_num = r.u(sps->frame_num_bits);
      if (!sps->frames_only) {
        slice.key.field = r.flag();
        slice.key.bottom = slice.key.field && r.flag();
      }
      if (slice.key.idr) slice.key.idr_pic_id = r.ue();
    }
    return slice;
  }

  bool starts_picture(std::span<const std::uint8_t> bytes, const Unit& unit) const {
    const Slice slice = parse_slice(bytes);
    if (slice.first_mb == 0) return true;
    // The slice with macroblock 0 may be lost: 7.4.1.2.4 compares the headers.
    return unit.has_picture && unit.picture && !(slice.key == *unit.picture);
  }

  void note_picture(std::span<const std::uint8_t> bytes, std::uint8_t type, Unit& unit) {
    const Slice slice = parse_slice(bytes);
    unit.next_picture(slice.key);
    unit.nal_type = type;
    if (type == kIdr) {
      unit.random_access = RandomAccess::clean;
    } else if (unit.recovery_point && !unit.second_field) {
      unit.random_access = RandomAccess::recovery_point;
    }
    const std::uint8_t id = slice.key.pps < pps_.size() ? pps_[slice.key.pps] : kNoSps;
    if (id != kNoSps && id != active_ && sps_[id]) {
      active_ = id;
      format = sps_[id]->format;
      buffering = sps_[id]->buffering;
    }
  }

  void note_sps(std::span<const std::uint8_t> bytes) {
    auto parsed = parse_sps(bytes);
    if (!parsed) return;
    const auto id = static_cast<std::uint8_t>(parsed->first);
    if (!format || active_ == id || active_ == kNoSps) {
      format = parsed->second.format;
      buffering = parsed->second.buffering;
    }
    sps_[id] = std::move(parsed->second);
  }

  void note_pps(std::span<const std::uint8_t> bytes) {
    NalReader r(bytes);
    r.skip(8);
    const std::uint32_t pps = r.ue(), sps = r.ue();
    if (r.ok() && pps < pps_.size() && sps < sps_.size()) pps_[pps] = static_cast<std::uint8_t>(sps);
  }

  std::array<std::optional<Sps>, 32> sps_;
  std::array<std::uint8_t, 256> pps_{};  // the SPS each PPS is for
  std::uint8_t active_ = kNoSps;
};

}  // namespace

std::unique_ptr<UnitScanner> make_h264_scanner() { return std::make_unique<H264Scanner>(); }

}  // namespace headgate::mpegts::es

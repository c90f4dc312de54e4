// MPEG-2 video (and MPEG-1 in its place): sequence header and extension, GOP and picture headers
// (ISO/IEC 13818-2 6.2.2.1, 6.2.2.3, 6.2.2.6, 6.2.3, 6.2.3.1).
#include <algorithm>
#include <array>
#include <cstdio>

#include "mpegts/es/bit_reader.h"
#include "mpegts/es/start_code.h"
#include "mpegts/es/unit_scanner.h"

namespace headgate::mpegts::es {
namespace {

constexpr std::uint8_t kPicture = 0x00, kSequence = 0xB3, kExtension = 0xB5, kGroup = 0xB8;
constexpr std::uint32_t kSequenceExtension = 1, kPictureCodingExtension = 8;
constexpr std::uint8_t kIntra = 1;
constexpr std::uint32_t kFramePicture = 3, kBottomField = 2;

struct Rate {
  std::uint32_t num, den;
};
// Table 6-4, frame_rate_code.
constexpr std::array<Rate, 9> kRates{
    {{0, 0}, {24000, 1001}, {24, 1}, {25, 1}, {30000, 1001}, {30, 1}, {50, 1}, {60000, 1001}, {60, 1}}};

// objectTypeIndication (ISO/IEC 14496-1 table 5) of a profile_and_level_indication (ISO/IEC 13818-2 8).
unsigned object_type(std::uint32_t profile_level) {
  if ((profile_level & 0x80) != 0) return 0x65;  // escape: 4:2:2 and Multi-view; only 4:2:2 has an indication
  switch (profile_level >> 4) {
    case 5:
      return 0x60;
    case 3:
      return 0x62;
    case 2:
      return 0x63;
    case 1:
      return 0x64;
    default:
      return 0x61;
  }
}

class Mpeg2Scanner final : public UnitScanner {
 public:
  Part classify(std::span<const std::uint8_t> bytes, const Unit&) override {
    switch (bytes[0]) {
      case kPicture:
        return Part::picture_start;
      case kSequence:
      case kGroup:
        return Part::prefix;
      default:
        return Part::other;
    }
  }

  void note(std::span<const std::uint8_t> bytes, Unit& unit) override {
    switch (bytes[0]) {
      case kSequence:
        unit.sequence_header = true;
        note_sequence(bytes);
        break;
      case kExtension:
        note_extension(bytes);
        break;
      case kGroup: {
        BitReader r(bytes.subspan(1));
        r.skip(25);  // time_code
        const bool closed = r.flag();
        const bool broken = r.flag();
        unit.closed_gop = r.ok() && (closed || broken);
        break;
      }
      case kPicture:
        note_picture(bytes, unit);
        break;
      default:
        break;
    }
  }

 private:
  void note_sequence(std::span<const std::uint8_t> bytes) {
    BitReader r(bytes.subspan(1));
    VideoFormat next;
    next.kind = StreamKind::mpeg2_video;
    next.width = r.u(12);
    next.height = r.u(12);
    r.skip(4);
    const std::uint32_t code = r.u(4);
    rate_value_ = r.u(18);
    r.skip(1);  // marker_bit
    vbv_value_ = r.u(10);
    if (!r.ok() || next.width == 0 || next.height == 0 || code == 0 || code >= kRates.size()) return;
    set_frame_rate(next, kRates[code].num, kRates[code].den);
    next.codec = "mp4v.6A";  // MPEG-1, unless a sequence_extension follows
    pending_ = next;
  }

  void note_extension(std::span<const std::uint8_t> bytes) {
    BitReader r(bytes.subspan(1));
    if (r.u(4) != kSequenceExtension || !pending_) return;
    VideoFormat next = *pending_;
    const std::uint32_t profile_level = r.u(8);
    next.interlaced = !r.flag();
    r.skip(2);  // chroma_format
    next.width |= r.u(2) << 12;
    next.height |= r.u(2) << 12;
    const std::uint64_t rate = std::uint64_t{r.u(12)} << 18 | rate_value_;
    r.skip(1);  // marker_bit
    const std::uint64_t vbv = std::uint64_t{r.u(8)} << 10 | vbv_value_;
    const bool low_delay = r.flag();
    const std::uint32_t n = r.u(2), d = r.u(5);
    if (!r.ok()) return;
    set_frame_rate(next, std::uint64_t{next.frame_rate_num} * (n + 1),
                   std::uint64_t{next.frame_rate_den} * (d + 1));
    std::array<char, 16> codec{};
    std::snprintf(codec.data(), codec.size(), "mp4v.%02X", object_type(profile_level));
    next.codec = codec.data();
    pending_ = next;
    buffering = VideoBuffering{vbv * 16 * 1024, rate * 400, low_delay, buffering.fixed_vbv_delay};
  }

  void note_picture(std::span<const std::uint8_t> bytes, Unit& unit) {
    BitReader r(bytes.subspan(1));
    PictureKey key;
    key.frame_num = r.u(10);
    const auto type = static_cast<std::uint8_t>(r.u(3));
    const std::uint32_t vbv_delay = r.u(16);
    if (r.ok()) buffering.fixed_vbv_delay = vbv_delay != 0xFFFF;
    if (pending_) {
      if (format != pending_) format = pending_;
      pending_.reset();
    }
    const std::uint32_t structure = picture_structure(bytes);
    key.field = structure != kFramePicture;
    key.bottom = structure == kBottomField;
    unit.next_picture(key);
    unit.nal_type = type;
    // The GOP header is optional (6.1.1.6): an I picture behind a sequence header alone makes no promise.
    if (r.ok() && type == kIntra && unit.sequence_header) {
      unit.random_access = unit.closed_gop ? RandomAccess::clean : RandomAccess::recovery_point;
    }
  }

  // From the picture_coding_extension, which directly follows the picture header; a frame where there is none
  // (MPEG-1).
  static std::uint32_t picture_structure(std::span<const std::uint8_t> bytes) {
    const auto near = bytes.first(std::min<std::size_t>(bytes.size(), 64));
    const std::size_t code = find_start_code(near, 1);
    if (code + 4 >= near.size() || near[code + 3] != kExtension) return kFramePicture;
    BitReader r(near.subspan(code + 4));
    if (r.u(4) != kPictureCodingExtension) return kFramePicture;
    r.skip(16 + 2);  // f_code, intra_dc_precision
    const std::uint32_t structure = r.u(2);
    return r.ok() && structure != 0 ? structure : kFramePicture;
  }

  std::uint32_t rate_value_ = 0;  // the lower bits of bit_rate and vbv_buffer_size
  std::uint32_t vbv_value_ = 0;
  std::optional<VideoFormat> pending_;  // a sequence header whose extension may still come
};

}  // namespace

std::unique_ptr<UnitScanner> make_mpeg2_scanner() { return std::make_unique<Mpeg2Scanner>(); }

}  // namespace headgate::mpegts::es

#include "mpegts/es/video.h"

#include <algorithm>
#include <numeric>

#include "mpegts/es/start_code.h"
#include "mpegts/es/unit_scanner.h"

namespace headgate::mpegts::es {

void set_frame_rate(VideoFormat& format, std::uint64_t num, std::uint64_t den) noexcept {
  format.frame_rate_num = format.frame_rate_den = 0;
  if (num == 0 || den == 0 || num / den > 300) return;
  const std::uint64_t divisor = std::gcd(num, den);
  if (num / divisor > UINT32_MAX || den / divisor > UINT32_MAX) return;
  format.frame_rate_num = static_cast<std::uint32_t>(num / divisor);
  format.frame_rate_den = static_cast<std::uint32_t>(den / divisor);
}

struct VideoParser::Impl {
  std::unique_ptr<UnitScanner> scanner;
  Unit inspected;  // the two walks are apart, so that one parser may serve both
  Unit walked;
  bool inspected_picture = false;
  bool has_zero_byte = false;  // before a unit's first start code (H.264, H.265 B.1.1)
};

namespace {

std::unique_ptr<UnitScanner> make_scanner(StreamKind kind) {
  switch (kind) {
    case StreamKind::mpeg2_video:
      return make_mpeg2_scanner();
    case StreamKind::h264:
      return make_h264_scanner();
    case StreamKind::hevc:
      return make_hevc_scanner();
    default:
      return nullptr;
  }
}

// Where the unit begins whose first start code is at `code`: leading zeros of the payload count, and its
// zero_byte where the coding has one. In MPEG-2 a zero there may be the last bits of the slice before it.
std::size_t unit_offset(std::span<const std::uint8_t> payload, std::size_t code,
                        bool has_zero_byte) noexcept {
  const auto before = payload.first(code);
  if (std::all_of(before.begin(), before.end(), [](std::uint8_t b) { return b == 0; })) return 0;
  return has_zero_byte && before.back() == 0 ? code - 1 : code;
}

}  // namespace

VideoParser::VideoParser(StreamKind kind) : impl_(std::make_unique<Impl>()) {
  impl_->scanner = make_scanner(kind);
  impl_->has_zero_byte = kind != StreamKind::mpeg2_video;
}
VideoParser::~VideoParser() = default;
VideoParser::VideoParser(VideoParser&&) noexcept = default;

const std::optional<VideoFormat>& VideoParser::format() const {
  static const std::optional<VideoFormat> kNone;
  return impl_->scanner ? impl_->scanner->format : kNone;
}

VideoBuffering VideoParser::buffering() const {
  return impl_->scanner ? impl_->scanner->buffering : VideoBuffering();
}

bool VideoParser::inspected_picture() const noexcept { return impl_->inspected_picture; }

RandomAccess VideoParser::inspect_start(std::span<const std::uint8_t> payload) {
  if (!impl_->scanner) return RandomAccess::none;
  Unit& unit = impl_->inspected;
  impl_->inspected_picture = false;
  bool begun = false;
  std::size_t at = find_start_code(payload, 0);
  while (at < payload.size()) {
    const auto bytes = payload.subspan(at + 3);
    if (bytes.empty()) break;
    const Part part = impl_->scanner->classify(bytes, unit);
    if (!begun && part != Part::other) {
      unit.begin();
      begun = true;
    }
    if (begun) impl_->scanner->note(bytes, unit);
    if (part == Part::picture_start) {
      unit.has_picture = true;
      impl_->inspected_picture = true;
      return unit.random_access;
    }
    at = find_start_code(payload, at + 3);
  }
  return RandomAccess::none;
}

VideoParser::Split VideoParser::split(std::span<const std::uint8_t> payload) {
  Split split;
  if (!impl_->scanner || payload.empty()) return split;
  Unit& unit = impl_->walked;
  std::size_t at = find_start_code(payload, 0);
  while (at < payload.size()) {
    const auto bytes = payload.subspan(at + 3);
    if (bytes.empty()) break;
    const Part part = impl_->scanner->classify(bytes, unit);
    const bool begins = part != Part::other && (!unit.open || unit.has_picture);
    const std::size_t offset = begins ? unit_offset(payload, at, impl_->has_zero_byte) : 0;
    if (split.units.empty() && (!begins || offset > 0)) {
      split.continues = true;
      split.units.push_back({});
    }
    if (begins) {
      if (!split.units.empty()) split.units.back().size = offset - split.units.back().offset;
      AccessUnit next;
      next.offset = offset;
      split.units.push_back(next);
      unit.begin();
    }
    impl_->scanner->note(bytes, unit);
    if (part == Part::picture_start) {
      unit.has_picture = true;
      split.units.back().random_access = unit.random_access;
      split.units.back().nal_type = unit.nal_type;
      split.units.back().second_field = unit.second_field;
    }
    at = find_start_code(payload, at + 3);
  }
  if (split.units.empty()) {
    split.continues = true;
    split.units.push_back({});
  }
  split.units.back().size = payload.size() - split.units.back().offset;
  return split;
}

}  // namespace headgate::mpegts::es

// HEVC access units and random access (ITU-T H.265 7.3.1.2, 7.4.2.2, 7.4.2.4.4); the parameter sets are in
// hevc_sps.cpp.
#include <array>

#include "mpegts/es/bit_reader.h"
#include "mpegts/es/hevc_sps.h"
#include "mpegts/es/unit_scanner.h"

namespace headgate::mpegts::es {
namespace {

constexpr std::uint8_t kLastVcl = 31, kVps = 32, kSps = 33, kAud = 35, kPrefixSei = 39;

class HevcScanner final : public UnitScanner {
 public:
  Part classify(std::span<const std::uint8_t> bytes, const Unit&) override {
    if (bytes.size() < 2 || layer(bytes) != 0) return Part::other;  // 7.4.2.4.4 counts only the base layer
    const std::uint8_t type = nal_type(bytes);
    if (type <= kLastVcl) {
      // first_slice_segment_in_pic_flag is the first bit of the slice segment header.
      return bytes.size() > 2 && (bytes[2] & 0x80) != 0 ? Part::picture_start : Part::other;
    }
    const bool prefix = (type >= kVps && type <= kAud) || type == kPrefixSei || (type >= 41 && type <= 44) ||
                        (type >= 48 && type <= 55);
    return prefix ? Part::prefix : Part::other;
  }

  void note(std::span<const std::uint8_t> bytes, Unit& unit) override {
    if (bytes.size() < 3 || layer(bytes) != 0) return;
    const std::uint8_t type = nal_type(bytes);
    if (type == kVps) {
      if (const auto rate = parse_hevc_vps_rate(bytes)) vps_rate_ = rate;
    } else if (type == kSps) {
      note_sps(bytes);
    } else if (type <= kLastVcl && !unit.has_picture && (bytes[2] & 0x80) != 0) {
      unit.nal_type = type;
      unit.random_access = type >= 16 && type <= 21 ? RandomAccess::clean : RandomAccess::none;
    }
  }

 private:
  static std::uint8_t nal_type(std::span<const std::uint8_t> bytes) { return (bytes[0] >> 1) & 0x3F; }
  static unsigned layer(std::span<const std::uint8_t> bytes) {
    return (bytes[0] & 1U) << 5 | static_cast<unsigned>(bytes[1] >> 3);
  }

  void note_sps(std::span<const std::uint8_t> bytes) {
    auto parsed = parse_hevc_sps(bytes);
    if (!parsed) return;
    if (parsed->frame_rate_num == 0 && vps_rate_) set_frame_rate(*parsed, vps_rate_->num, vps_rate_->den);
    if (format != parsed) format = std::move(parsed);
    buffering = parse_hevc_sps_buffering(bytes);
  }

  std::optional<HevcRate> vps_rate_;
};

}  // namespace

std::unique_ptr<UnitScanner> make_hevc_scanner() { return std::make_unique<HevcScanner>(); }

}  // namespace headgate::mpegts::es

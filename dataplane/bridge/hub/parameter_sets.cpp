#include "dataplane/bridge/hub/parameter_sets.h"

#include <algorithm>

#include "mpegts/es/hevc_config.h"
#include "mpegts/es/nal_units.h"

namespace headgate::bridge::hub {

namespace es = mpegts::es;

namespace {
constexpr std::size_t kLengthBytes = 4;  // in front of a NAL unit
}

bool ParameterSets::key_of(std::span<const std::uint8_t> nal, Key& key) const {
  std::optional<std::uint8_t> id;
  if (kind_ == mpegts::StreamKind::h264) {
    constexpr std::uint8_t kAvcSps = 7, kAvcPps = 8;  // ITU-T H.264 table 7-1
    const std::uint8_t type = nal[0] & 0x1F;
    if (type != kAvcSps && type != kAvcPps) return false;
    key.kind = type == kAvcSps ? kSps : kPps;
    id = type == kAvcSps ? es::avc_sps_id(nal) : es::avc_pps_id(nal);
  } else {
    const std::uint8_t type = nal[0] >> 1 & 0x3F;
    if (type < es::kHevcVps || type > es::kHevcPps) return false;
    key.kind = static_cast<Kind>(type - es::kHevcVps);
    id = es::hevc_parameter_set_id(nal);
  }
  if (!id) return false;
  key.id = *id;
  return true;
}

// What has no room stays in its frame, and at the next random access point all is gathered anew.
void ParameterSets::store(const Key& key, std::span<const std::uint8_t> nal) {
  if (bytes_ + nal.size() > kMaxBytes) {
    full_ = true;
    return;
  }
  es::NalUnit& place = latest_[key];
  bytes_ += nal.size() - place.size();
  place.assign(nal.begin(), nal.end());
}

void ParameterSets::take(std::span<const std::span<const std::uint8_t>> nals, bool random_access) {
  Key key{};
  bool fresh = full_ && random_access;
  for (const auto nal : nals) {
    if (!random_access || !key_of(nal, key) || key.kind != kSps) continue;
    const auto old = latest_.find(key);
    fresh = fresh || old == latest_.end() || !std::ranges::equal(old->second, nal);
  }
  if (fresh) {
    latest_.clear();
    bytes_ = 0;
    full_ = false;
  }
  for (const auto nal : nals) {
    if (!key_of(nal, key)) continue;
    const auto old = latest_.find(key);
    if (old == latest_.end() || !std::ranges::equal(old->second, nal)) store(key, nal);
  }
  if (!random_access || latest_ == in_force_) return;
  in_force_ = latest_;
  configuration_ = build();
}

bool ParameterSets::configured(std::span<const std::uint8_t> nal) const {
  Key key{};
  if (configuration_.empty() || !key_of(nal, key)) return false;
  const auto found = in_force_.find(key);
  return found != in_force_.end() && std::ranges::equal(found->second, nal);
}

// Access unit delimiters and filler (ITU-T H.264 table 7-1, H.265 table 7-1), and what is configured.
bool ParameterSets::stays_out(std::span<const std::uint8_t> nal) const {
  const unsigned type = kind_ == mpegts::StreamKind::h264 ? nal[0] & 0x1FU : nal[0] >> 1 & 0x3FU;
  const bool plain = kind_ == mpegts::StreamKind::h264 ? type != 9 && type != 12 : type != 35 && type != 38;
  return !plain || configured(nal);
}

std::vector<std::uint8_t> ParameterSets::frame_of(std::span<const std::span<const std::uint8_t>> nals) const {
  std::vector<std::uint8_t> out;
  std::size_t size = 0;
  for (const auto nal : nals) size += kLengthBytes + nal.size();
  out.reserve(size);
  for (const auto nal : nals) {
    if (!stays_out(nal)) es::append_length_prefixed(out, nal);
  }
  return out;
}

std::vector<std::uint8_t> ParameterSets::build() const {
  std::array<std::vector<es::NalUnit>, kKinds> sets;
  for (const auto& [key, nal] : in_force_) sets[key.kind].push_back(nal);
  if (kind_ == mpegts::StreamKind::h264) return es::avc_configuration(sets[kSps], sets[kPps]);
  return es::hevc_configuration(sets[kVps], sets[kSps], sets[kPps]);
}

}  // namespace headgate::bridge::hub

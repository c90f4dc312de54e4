#include "mpegts/es/hevc_config.h"

#include "mpegts/es/bit_reader.h"
#include "mpegts/es/hevc_sps.h"

namespace headgate::mpegts::es {
namespace {

constexpr std::size_t kMostSets = 64;  // of PPS, the most there are

bool fits(std::span<const NalUnit> sets) {
  if (sets.empty() || sets.size() > kMostSets) return false;
  for (const NalUnit& set : sets) {
    if (set.size() < 2 || set.size() > 0xFFFF) return false;
  }
  return true;
}

void append16(std::vector<std::uint8_t>& out, std::size_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value & 0xFF));
}

void append_array(std::vector<std::uint8_t>& out, std::uint8_t type, std::span<const NalUnit> sets) {
  out.push_back(static_cast<std::uint8_t>(0x80 | type));  // array_completeness
  append16(out, sets.size());
  for (const NalUnit& set : sets) {
    append16(out, set.size());
    out.insert(out.end(), set.begin(), set.end());
  }
}

}  // namespace

std::optional<std::uint8_t> hevc_parameter_set_id(std::span<const std::uint8_t> nal) {
  if (nal.size() < 3 || ((nal[0] & 1U) << 5 | nal[1] >> 3) != 0) return std::nullopt;
  const std::uint8_t type = nal[0] >> 1 & 0x3F;
  NalReader r(nal);
  r.skip(16);
  std::uint32_t id = 0, most = 15;
  if (type == kHevcVps) {
    id = r.u(4);
  } else if (type == kHevcSps) {
    // 7.3.3: the number stands behind the profile_tier_level, whose length depends on the sub-layers.
    r.skip(4);
    const std::uint32_t sub_layers = r.u(3);
    r.skip(1 + 88 + 8);
    std::size_t skipped = 0;
    for (std::uint32_t i = 0; i < sub_layers; ++i) {
      if (r.flag()) skipped += 88;
      if (r.flag()) skipped += 8;
    }
    if (sub_layers > 0) r.skip((8 - sub_layers) * 2);
    r.skip(skipped);
    id = r.ue();
  } else if (type == kHevcPps) {
    id = r.ue();
    most = 63;
  } else {
    return std::nullopt;
  }
  if (!r.ok() || id > most) return std::nullopt;
  return static_cast<std::uint8_t>(id);
}

std::vector<std::uint8_t> hevc_configuration(std::span<const NalUnit> vps, std::span<const NalUnit> sps,
                                             std::span<const NalUnit> pps) {
  if (!fits(vps) || !fits(sps) || !fits(pps)) return {};
  const auto facts = parse_hevc_sps_facts(sps[0]);
  if (!facts) return {};
  std::vector<std::uint8_t> out{1};
  out.insert(out.end(), facts->profile_tier_level.begin(), facts->profile_tier_level.end());
  append16(out, 0xF000U | facts->min_spatial_segmentation);
  out.push_back(0xFC);  // parallelismType 0: unknown, or more than one
  out.push_back(static_cast<std::uint8_t>(0xFC | facts->chroma_format));
  out.push_back(static_cast<std::uint8_t>(0xF8 | facts->luma_depth_minus8));
  out.push_back(static_cast<std::uint8_t>(0xF8 | facts->chroma_depth_minus8));
  append16(out, 0);  // avgFrameRate: not said
  out.push_back(static_cast<std::uint8_t>(facts->temporal_layers << 3 |
                                          (facts->temporal_id_nested ? 1U << 2 : 0U) | 3U));
  out.push_back(3);  // numOfArrays
  append_array(out, kHevcVps, vps);
  append_array(out, kHevcSps, sps);
  append_array(out, kHevcPps, pps);
  return out;
}

}  // namespace headgate::mpegts::es

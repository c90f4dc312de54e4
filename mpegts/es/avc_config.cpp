#include "mpegts/es/avc_config.h"

#include "mpegts/es/bit_reader.h"

namespace headgate::mpegts::es {
namespace {

constexpr std::size_t kMaxSps = 31, kMaxPps = 255;  // numOfSequenceParameterSets: 5 bits, of PPS: 8 bits
constexpr std::uint8_t kBaseline = 66, kMain = 77, kExtended = 88;

void append_sets(std::vector<std::uint8_t>& out, std::span<const NalUnit> sets) {
  for (const NalUnit& set : sets) {
    out.push_back(static_cast<std::uint8_t>(set.size() >> 8));
    out.push_back(static_cast<std::uint8_t>(set.size() & 0xFF));
    out.insert(out.end(), set.begin(), set.end());
  }
}

bool fits(std::span<const NalUnit> sets, std::size_t most) {
  if (sets.empty() || sets.size() > most) return false;
  for (const NalUnit& set : sets) {
    if (set.empty() || set.size() > 0xFFFF) return false;
  }
  return true;
}

}  // namespace

std::optional<std::uint8_t> avc_sps_id(std::span<const std::uint8_t> nal) {
  NalReader r(nal);
  r.skip(8 + 24);  // NAL unit header, profile_idc, constraint flags, level_idc
  const std::uint32_t id = r.ue();
  if (!r.ok() || id > 31) return std::nullopt;
  return static_cast<std::uint8_t>(id);
}

std::optional<std::uint8_t> avc_pps_id(std::span<const std::uint8_t> nal) {
  NalReader r(nal);
  r.skip(8);
  const std::uint32_t id = r.ue();
  if (!r.ok() || id > 255) return std::nullopt;
  return static_cast<std::uint8_t>(id);
}

std::vector<std::uint8_t> avc_configuration(std::span<const NalUnit> sps, std::span<const NalUnit> pps) {
  if (!fits(sps, kMaxSps) || !fits(pps, kMaxPps) || sps[0].size() < 4) return {};
  const NalUnit& first = sps[0];
  const std::uint8_t profile = first[1];
  std::vector<std::uint8_t> out{1,        profile,  first[2],
                                first[3], 0xFC | 3, static_cast<std::uint8_t>(0xE0 | sps.size())};
  append_sets(out, sps);
  out.push_back(static_cast<std::uint8_t>(pps.size()));
  append_sets(out, pps);
  if (profile != kBaseline && profile != kMain && profile != kExtended) {
    NalReader r(first);
    r.skip(8 + 24);
    r.ue();  // seq_parameter_set_id
    const std::uint32_t chroma = r.ue();
    if (chroma == 3) r.skip(1);  // separate_colour_plane_flag
    const std::uint32_t luma = r.ue(), chroma_depth = r.ue();
    if (!r.ok() || chroma > 3 || luma > 7 || chroma_depth > 7) return {};
    out.push_back(static_cast<std::uint8_t>(0xFC | chroma));
    out.push_back(static_cast<std::uint8_t>(0xF8 | luma));
    out.push_back(static_cast<std::uint8_t>(0xF8 | chroma_depth));
    out.push_back(0);  // numOfSequenceParameterSetExt: they stay in the stream
  }
  return out;
}

}  // namespace headgate::mpegts::es

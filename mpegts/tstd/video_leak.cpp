#include "mpegts/tstd/video_leak.h"

#include <algorithm>
#include <array>

#include "mpegts/es/start_code.h"

namespace headgate::mpegts {
namespace {

using Bytes = std::span<const std::uint8_t>;
using Limits = std::optional<VideoLimits>;

struct Level {
  std::uint8_t idc;
  std::uint32_t rate;    // Rmax, MaxBR
  std::uint32_t buffer;  // VBV, MaxCPB
};

// Both times `factor`, the buffer times `buffer_factor`.
template <std::size_t N>
Limits limits_of(const std::array<Level, N>& levels, std::uint8_t idc, std::uint64_t factor,
                 std::uint64_t buffer_factor) noexcept {
  const auto level =
      std::find_if(levels.begin(), levels.end(), [&](const Level& it) { return it.idc == idc; });
  if (level == levels.end()) return std::nullopt;
  VideoLimits limits;
  limits.rate = level->rate * factor;
  limits.buffer = level->buffer * buffer_factor;
  limits.leak = static_cast<std::uint32_t>(std::min<std::uint64_t>(limits.rate, 0xFFFFFFFF));
  return limits;
}

// sequence_extension, behind its start code. Without one it is ISO/IEC 11172-2, whose rate is not bounded so.
Limits mpeg2_limits(Bytes extension) noexcept {
  if (extension.size() < 2 || extension[0] >> 4 != 1) return std::nullopt;
  const auto indication = static_cast<std::uint8_t>(extension[0] << 4 | extension[1] >> 4);
  const bool escape = (indication & 0x80) != 0;  // 4:2:2 profile at main and high level
  constexpr std::array<Level, 2> kProfile422{{{0x85, 50'000, 9'437'184}, {0x82, 300'000, 47'185'920}}};
  constexpr std::array<Level, 4> kMain{
      {{10, 4'000, 475'136}, {8, 15'000, 1'835'008}, {6, 60'000, 7'340'032}, {4, 80'000, 9'781'248}}};
  Limits limits =
      escape ? limits_of(kProfile422, indication, 1000, 1) : limits_of(kMain, indication & 0x0F, 1000, 1);
  if (!limits) return limits;
  limits->leak = static_cast<std::uint32_t>(limits->rate * 12 / 10);
  limits->mpeg2 = true;
  limits->high = escape ? indication == 0x82 : (indication & 0x0F) < 8;
  const unsigned profile = indication >> 4;
  if (!escape && profile != 4 && profile != 5) limits->buffer = 0;  // neither main nor simple
  return limits;
}

// seq_parameter_set_data, behind nal_unit_header.
Limits avc_limits(Bytes sps) noexcept {
  if (sps.size() < 3) return std::nullopt;
  const std::uint8_t profile = sps[0];
  const std::uint32_t factor = profile == 100                                      ? 1500
                               : profile == 110                                    ? 3600
                               : profile == 122 || profile == 244 || profile == 44 ? 4800
                                                                                   : 1200;
  const bool level_1b = sps[2] == 11 && (sps[1] & 0x10) != 0 && factor == 1200;
  constexpr std::array<Level, 20> kLevels{
      {{9, 128, 350},          {10, 64, 175},          {11, 192, 500},         {12, 384, 1'000},
       {13, 768, 2'000},       {20, 2'000, 2'000},     {21, 4'000, 4'000},     {22, 4'000, 4'000},
       {30, 10'000, 10'000},   {31, 14'000, 14'000},   {32, 20'000, 20'000},   {40, 20'000, 25'000},
       {41, 50'000, 62'500},   {42, 50'000, 62'500},   {50, 135'000, 135'000}, {51, 240'000, 240'000},
       {52, 240'000, 240'000}, {60, 240'000, 240'000}, {61, 480'000, 480'000}, {62, 800'000, 800'000}}};
  return limits_of(kLevels, level_1b ? 9 : sps[2], factor, factor);
}

// profile_tier_level, behind `skip` bytes of the NAL unit; emulation_prevention_three_byte taken out.
Limits hevc_limits(Bytes nal, std::size_t skip) noexcept {
  std::array<std::uint8_t, 12> profile_tier_level;
  std::size_t zeros = 0, at = 0;
  for (std::size_t i = 0, read = 0; i < nal.size() && at < profile_tier_level.size(); ++i) {
    const bool emulation = zeros >= 2 && nal[i] == 3;
    zeros = emulation || nal[i] != 0 ? 0 : zeros + 1;
    if (!emulation && read++ >= skip) profile_tier_level[at++] = nal[i];
  }
  if (at < profile_tier_level.size()) return std::nullopt;
  constexpr std::uint32_t kFactor = 1100;  // of Main, Main 10, Main Still Picture
  const std::uint8_t profile = profile_tier_level[0] & 0x1F;
  if (profile == 0 || profile > 3) return std::nullopt;
  constexpr std::array<Level, 13> kMain{{{30, 128, 350},
                                         {60, 1'500, 1'500},
                                         {63, 3'000, 3'000},
                                         {90, 6'000, 6'000},
                                         {93, 10'000, 10'000},
                                         {120, 12'000, 12'000},
                                         {123, 20'000, 20'000},
                                         {150, 25'000, 25'000},
                                         {153, 40'000, 40'000},
                                         {156, 60'000, 60'000},
                                         {180, 60'000, 60'000},
                                         {183, 120'000, 120'000},
                                         {186, 240'000, 240'000}}};
  constexpr std::array<Level, 8> kHigh{{{120, 30'000, 30'000},
                                        {123, 50'000, 50'000},
                                        {150, 100'000, 100'000},
                                        {153, 160'000, 160'000},
                                        {156, 240'000, 240'000},
                                        {180, 240'000, 240'000},
                                        {183, 480'000, 480'000},
                                        {186, 800'000, 800'000}}};
  const std::uint8_t level = profile_tier_level[11];
  if ((profile_tier_level[0] & 0x20) == 0) return limits_of(kMain, level, kFactor, kFactor);
  return limits_of(kHigh, level, kFactor, kFactor);
}

}  // namespace

std::optional<VideoLimits> video_limits(Bytes bytes) noexcept {
  bool mpeg2 = false;
  for (std::size_t at = es::find_start_code(bytes, 0); at + 4 < bytes.size();
       at = es::find_start_code(bytes, at + 3)) {
    const Bytes unit = bytes.subspan(at + 3);
    const std::uint8_t code = unit[0];
    if (code == 0xB3) mpeg2 = true;                                   // sequence_header_code
    if (mpeg2 && code == 0xB5) return mpeg2_limits(unit.subspan(1));  // extension_start_code
    if (mpeg2) continue;
    if (unit[1] == 0x01) {
      if (code == 0x40) return hevc_limits(unit, 2 + 4);  // VPS_NUT, 7.3.2.1
      if (code == 0x42) return hevc_limits(unit, 2 + 1);  // SPS_NUT, 7.3.2.2
    }
    if ((code & 0x9F) == 0x07 && (code & 0x60) != 0) return avc_limits(unit.subspan(1));
  }
  return std::nullopt;
}

std::optional<std::uint32_t> video_leak(Bytes bytes) noexcept {
  const auto limits = video_limits(bytes);
  return limits ? std::optional(limits->leak) : std::nullopt;
}

}  // namespace headgate::mpegts

#include "mpegts/es/audio_header.h"

#include <array>

#include "mpegts/es/aac_config.h"
#include "mpegts/es/bit_reader.h"

namespace headgate::mpegts::es {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t kAdtsHeader = 7;

std::optional<AudioHeader> parse_adts(Bytes b) {
  BitReader r(b);
  if (r.u(12) != 0xFFF) return std::nullopt;
  r.skip(1);  // ID
  if (r.u(2) != 0) return std::nullopt;
  const bool protection_absent = r.flag();
  const std::uint32_t profile = r.u(2);
  const std::uint32_t rate = r.u(4);
  r.skip(1);
  const std::uint32_t configuration = r.u(3);
  r.skip(4);
  AudioHeader h;
  h.size = r.u(13);
  r.skip(11);
  const std::uint32_t blocks = r.u(2) + 1;
  h.sample_rate = aac_sample_rate(rate);
  const std::size_t header = protection_absent ? kAdtsHeader : kAdtsHeader + 2;
  if (!r.ok() || h.sample_rate == 0 || h.size <= header) return std::nullopt;
  h.channels = aac_channels(configuration);
  // Channel configuration 0: a program_config_element begins the first frame, where it is in sight.
  if (configuration == 0 && b.size() > header) h.channels = aac_pce_channels(b.subspan(header));
  h.samples = 1024 * blocks;
  h.codec = "mp4a.40." + std::to_string(profile + 1);
  h.signature = profile << 8 | rate << 4 | configuration;
  return h;
}

// ISO/IEC 11172-3 table "bitrate_index" and ISO/IEC 13818-3 2.4.2.3, kbit/s: MPEG-1 layers I, II, III, then
// LSF layer I and LSF layers II and III.
constexpr std::array<std::array<std::uint16_t, 15>, 5> kBitrates{{
    {0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
    {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
    {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
    {0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},
    {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
}};

std::optional<AudioHeader> parse_mpeg(Bytes b) {
  if (b.size() < 4 || b[0] != 0xFF || (b[1] & 0xE0) != 0xE0) return std::nullopt;
  const unsigned version =
      b[1] >> 3 & 3U;  // 3 MPEG-1, 2 LSF, 0 the unofficial 2.5, which also halves the rates
  const unsigned layer = 4 - (b[1] >> 1 & 3U);  // 1..3, 4 reserved
  const unsigned bitrate_index = b[2] >> 4, rate_index = b[2] >> 2 & 3U;
  // Index 0 is free format, whose size no header tells; emphasis 2 is reserved.
  if (version == 1 || layer == 4 || bitrate_index == 0 || bitrate_index == 15 || rate_index == 3 ||
      (b[3] & 3) == 2) {
    return std::nullopt;
  }
  constexpr std::array<std::uint32_t, 3> kRates{44100, 48000, 32000};
  const bool lsf = version != 3;
  AudioHeader h;
  h.sample_rate = kRates[rate_index] >> (version == 3 ? 0 : version == 2 ? 1 : 2);
  const std::uint32_t bitrate = kBitrates[lsf ? (layer == 1 ? 3 : 4) : layer - 1][bitrate_index] * 1000U;
  const std::uint32_t padding = b[2] >> 1 & 1U;
  h.samples = layer == 1 ? 384 : layer == 3 && lsf ? 576 : 1152;
  h.size = layer == 1 ? std::size_t{12 * bitrate / h.sample_rate + padding} * 4
                      : std::size_t{h.samples / 8 * bitrate / h.sample_rate + padding};
  h.channels = b[3] >> 6 == 3 ? 1 : 2;
  h.codec = "mp4a.40." + std::to_string(31 + layer);
  h.signature = std::uint32_t{b[1] & 0xFEU} << 8 | rate_index;
  return h;
}

constexpr std::array<std::uint8_t, 8> kAcmodChannels{2, 1, 2, 3, 3, 4, 4, 5};  // table 4.3
constexpr std::array<std::uint32_t, 3> kAc3Rates{48000, 44100, 32000};         // table 4.1

std::optional<AudioHeader> parse_ac3(Bytes b, std::uint32_t bsid) {
  constexpr std::array<std::uint16_t, 19> kKbits{32,  40,  48,  56,  64,  80,  96,  112, 128, 160,
                                                 192, 224, 256, 320, 384, 448, 512, 576, 640};  // table 4.13
  BitReader r(b);
  r.skip(32);
  const std::uint32_t fscod = r.u(2), frmsizecod = r.u(6);
  r.skip(5 + 3);
  const std::uint32_t acmod = r.u(3);
  if ((acmod & 1) != 0 && acmod != 1) r.skip(2);  // cmixlev
  if ((acmod & 4) != 0) r.skip(2);                // surmixlev
  if (acmod == 2) r.skip(2);                      // dsurmod
  const bool lfe = r.flag();
  if (!r.ok() || fscod == 3 || frmsizecod >= 2 * kKbits.size()) return std::nullopt;
  const std::size_t kbits = kKbits[frmsizecod / 2];
  AudioHeader h;
  h.size = fscod == 0 ? kbits * 4 : fscod == 1 ? (kbits * 320 / 147 + (frmsizecod & 1U)) * 2 : kbits * 6;
  // bsid 9 and 10 are the half and quarter rate bit streams in use: the frame is the same, played slower.
  h.sample_rate = kAc3Rates[fscod] >> (bsid > 8 ? bsid - 8 : 0);
  h.channels = kAcmodChannels[acmod] + (lfe ? 1U : 0U);
  h.samples = 1536;
  h.codec = "ac-3";
  h.signature = bsid << 8 | fscod;
  return h;
}

std::optional<AudioHeader> parse_eac3(Bytes b, std::uint32_t bsid) {
  BitReader r(b);
  r.skip(16);
  const std::uint32_t type = r.u(2), substream = r.u(3);
  AudioHeader h;
  h.size = (std::size_t{r.u(11)} + 1) * 2;
  const std::uint32_t fscod = r.u(2), second = r.u(2);
  const std::uint32_t acmod = r.u(3);
  const bool lfe = r.flag();
  if (!r.ok() || type == 3 || (fscod == 3 && second == 3) || h.size < 8) return std::nullopt;
  constexpr std::array<std::uint32_t, 4> kBlocks{1, 2, 3, 6};  // table E.1.4
  // fscod 3: fscod2 halves the rate and there are always six blocks (E.1.3.1.4).
  h.sample_rate = fscod == 3 ? kAc3Rates[second] / 2 : kAc3Rates[fscod];
  h.samples = 256 * (fscod == 3 ? 6 : kBlocks[second]);
  h.channels = kAcmodChannels[acmod] + (lfe ? 1U : 0U);
  h.codec = "ec-3";
  h.dependent = type == 1 || substream != 0;
  h.signature = bsid << 8 | fscod;
  return h;
}

std::optional<AudioHeader> parse_ac3_family(Bytes b) {
  if (b.size() < 8 || b[0] != 0x0B || b[1] != 0x77) return std::nullopt;
  const std::uint32_t bsid = b[5] >> 3;  // at the same place in both syntaxes (E.1.3.1.6)
  if (bsid <= 10) return parse_ac3(b, bsid);
  return bsid <= 16 ? parse_eac3(b, bsid) : std::nullopt;
}

std::optional<AudioHeader> parse_loas(Bytes b) {
  if (b.size() < 3 || b[0] != 0x56 || (b[1] & 0xE0) != 0xE0) return std::nullopt;
  AudioHeader h;
  h.size = 3 + (static_cast<std::size_t>(b[1] & 0x1F) << 8 | b[2]);
  if (h.size == 3) return std::nullopt;
  return h;
}

}  // namespace

std::uint32_t aac_channels(std::uint32_t configuration) noexcept {
  constexpr std::array<std::uint8_t, 16> kChannels{0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0};
  return configuration < kChannels.size() ? kChannels[configuration] : 0;
}

std::uint32_t aac_sample_rate(std::uint32_t index) noexcept {
  constexpr std::array<std::uint32_t, 13> kRates{96000, 88200, 64000, 48000, 44100, 32000, 24000,
                                                 22050, 16000, 12000, 11025, 8000,  7350};
  return index < kRates.size() ? kRates[index] : 0;
}

std::size_t audio_header_size(StreamKind kind) noexcept {
  switch (kind) {
    case StreamKind::aac_adts:
      return kAdtsHeader;
    case StreamKind::mpeg_audio:
      return 4;
    case StreamKind::ac3:
    case StreamKind::eac3:
      return 8;
    default:
      return 3;
  }
}

std::optional<AudioHeader> parse_audio_header(StreamKind kind, Bytes bytes) {
  switch (kind) {
    case StreamKind::aac_adts:
      return parse_adts(bytes);
    case StreamKind::mpeg_audio:
      return parse_mpeg(bytes);
    case StreamKind::ac3:
    case StreamKind::eac3:
      return parse_ac3_family(bytes);
    case StreamKind::aac_latm:
      return parse_loas(bytes);
    default:
      return std::nullopt;
  }
}

}  // namespace headgate::mpegts::es

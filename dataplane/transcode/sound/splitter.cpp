#include "dataplane/transcode/sound/splitter.h"

#include <algorithm>
#include <array>
#include <optional>

#include "mpegts/es/bit_reader.h"

namespace headgate::transcode::sound {
namespace {

using mpegts::StreamKind;
using Bytes = std::span<const std::uint8_t>;

constexpr std::int64_t kClock = 27'000'000;

struct DtsHeader {
  std::size_t size = 0;
  std::uint32_t samples = 0, rate = 0;
};
constexpr std::size_t kDtsHeaderBytes = 10;
constexpr std::size_t kMaxDtsFrame = 16384;

// The core frame at the first byte (TS 102 114 5.3.1); transport streams carry it as 16 bit big endian only.
std::optional<DtsHeader> parse_dts(Bytes b) {
  constexpr std::array<std::uint32_t, 16> kRates{0, 8000, 16000, 32000, 0,     0, 11025, 22050, 44100,
                                                 0, 0,    12000, 24000, 48000, 0, 0};  // table 5.5
  mpegts::es::BitReader r(b);
  if (r.u(32) != 0x7FFE8001) return std::nullopt;
  r.skip(1 + 5 + 1);  // FTYPE, SHORT, CPF
  const std::uint32_t blocks = r.u(7) + 1;
  DtsHeader h;
  h.size = r.u(14) + 1;
  r.skip(6);  // AMODE
  h.rate = kRates[r.u(4)];
  h.samples = blocks * 32;
  if (!r.ok() || h.rate == 0 || blocks < 6 || h.size < 96 || h.size > kMaxDtsFrame) return std::nullopt;
  return h;
}

// Samples at 48 kHz that one Opus packet holds (RFC 6716 3.1); 0: it is none.
std::int64_t opus_samples(Bytes packet) {
  if (packet.empty()) return 0;
  const unsigned config = packet[0] >> 3, code = packet[0] & 3U;
  std::int64_t frame = 0;
  if (config < 12) {
    constexpr std::array<int, 4> kSilk{480, 960, 1920, 2880};
    frame = kSilk[config % 4];
  } else if (config < 16) {
    frame = config % 2 == 0 ? 480 : 960;
  } else {
    frame = std::int64_t{120} << (config % 4);
  }
  std::int64_t count = code == 0 ? 1 : 2;
  if (code == 3) count = packet.size() < 2 ? 0 : packet[1] & 0x3F;
  return frame * count > 5760 ? 0 : frame * count;
}

}  // namespace

void Splitter::reset() {
  parser_.reset();
  work_.clear();
  used_ = 0;
  carried_offset_ = 0;
}

const std::vector<SoundFrame>& Splitter::on_payload(Bytes payload) {
  frames_.clear();
  if (kind_ == StreamKind::dts) {
    split_dts(payload);
    return frames_;
  }
  if (kind_ == StreamKind::opus) {
    split_opus(payload);
    return frames_;
  }
  for (const auto& frame : parser_.on_payload(payload)) {
    const auto& format = *parser_.format();
    if (format.sample_rate == 0) continue;
    SoundFrame& f = frames_.emplace_back();
    f.data = frame.data;
    f.starts_before = frame.starts_before;
    f.offset = static_cast<std::int64_t>(frame.sample_offset) * kClock / format.sample_rate;
    f.duration = std::int64_t{format.samples_per_frame} * kClock / format.sample_rate;
    const char* own = kind_ == StreamKind::aac_latm ? "latm" : format.codec.c_str();
    if (codec_ != own) codec_ = own;
  }
  return frames_;
}

// Only the core is looked for: extension substreams add what a stereo of 128 kbit/s can't show.
void Splitter::split_dts(Bytes payload) {
  work_.erase(work_.begin(), work_.begin() + static_cast<std::ptrdiff_t>(used_));
  const std::size_t carried = work_.size();
  work_.insert(work_.end(), payload.begin(), payload.end());
  const Bytes all(work_);
  std::size_t at = 0;
  std::int64_t offset = 0;
  while (at + kDtsHeaderBytes <= all.size()) {
    const auto header = parse_dts(all.subspan(at));
    if (!header) {
      ++at;
      continue;
    }
    if (at + header->size > all.size()) break;
    SoundFrame& f = frames_.emplace_back();
    f.data = all.subspan(at, header->size);
    f.duration = std::int64_t{header->samples} * kClock / header->rate;
    f.starts_before = at < carried;
    std::int64_t& running = f.starts_before ? carried_offset_ : offset;
    f.offset = running;
    running += f.duration;
    at += header->size;
    codec_ = "dts";
  }
  if (at >= carried) carried_offset_ = offset;
  used_ = at;
}

void Splitter::split_opus(Bytes payload) {
  work_.assign(payload.begin(), payload.end());
  const Bytes all(work_);
  std::size_t at = 0;
  std::int64_t offset = 0;
  while (at + 2 < all.size()) {
    // Access units fill a PES packet from its first byte on; 11 bits of sync are too few to search for.
    if (all[at] != 0x7F || (all[at + 1] & 0xE0) != 0xE0) break;
    const std::uint8_t flags = all[at + 1];
    std::size_t p = at + 2, size = 0;
    while (p < all.size() && all[p] == 0xFF) size += all[p++];
    if (p >= all.size()) break;
    size += all[p++];
    if ((flags & 0x10) != 0) p += 2;  // start_trim
    if ((flags & 0x08) != 0) p += 2;  // end_trim
    if ((flags & 0x04) != 0 && p < all.size()) p += 1U + all[p];
    const std::int64_t samples =
        p < all.size() && size <= all.size() - p ? opus_samples(all.subspan(p, size)) : 0;
    if (samples == 0) break;
    SoundFrame& f = frames_.emplace_back();
    f.data = all.subspan(p, size);
    f.offset = offset;
    f.duration = samples * kClock / 48000;
    offset += f.duration;
    at = p + size;
    codec_ = "opus";
  }
}

}  // namespace headgate::transcode::sound

// links: headgate::mpegts
// Splice information sections: the bytes as they are, and again with the length and the CRC that make them
// whole. What is read once must be read so again after its times were moved there and back.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "mpegts/monitor/cue_tap.h"
#include "mpegts/psi/section.h"
#include "mpegts/scte35/splice_info.h"

using namespace headgate::mpegts;

namespace {

void check(std::vector<std::uint8_t> section) {
  const auto info = SpliceInfo::parse(section);
  const auto before = section;
  const bool moved = retime_splice(section, 12'345);
  if (info && !moved) std::abort();
  if (!moved) {
    if (section != before) std::abort();
    return;
  }
  const auto later = SpliceInfo::parse(section);
  if (later.has_value() != info.has_value()) std::abort();
  if (info && info->at().has_value() != later->at().has_value()) std::abort();
  if (info && info->at() && (info->at()->ticks + 12'345) % kPtsModulus != later->at()->ticks) std::abort();
  if (!retime_splice(section, kPtsModulus - 12'345) || section != before) std::abort();
  if (!info) return;
  if (info->at() && info->at()->ticks >= kPtsModulus) std::abort();
  if (to_string(info->command_type) == nullptr) std::abort();
  for (const auto& descriptor : info->descriptors) {
    if (const auto* segment = std::get_if<SegmentationDescriptor>(&descriptor)) {
      if (segmentation_type_name(segment->type_id) == nullptr || segment->upid.size() > 255) std::abort();
    }
  }
}

// Through packets: each once, with the bytes of the section or of its head.
void tap(const std::vector<std::uint8_t>& section) {
  CueTap cues;
  for (std::uint8_t again = 0; again < 2; ++again) {
    const auto packets = pack_section(Pid{0x1F4}, section, static_cast<std::uint8_t>(again * 7));
    for (std::size_t at = 0; at < packets.size(); at += kPacketSize)
      cues.on_packet(TsPacket(std::span(packets).subspan(at).first<kPacketSize>()), std::nullopt, again);
  }
  for (int taken = 0; const auto* cue = cues.front(); cues.drop()) {
    if (++taken > 1 || cue->size != section.size()) std::abort();
    if (!std::equal(
            section.begin(),
            section.begin() + static_cast<std::ptrdiff_t>(std::min(section.size(), cue->bytes.size())),
            cue->bytes.begin()))
      std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> section(data, data + size);
  check(section);
  if (size < 16 || size > kMaxSectionSize - 4) return 0;
  section[0] = kSpliceInfoTableId;
  section[1] = static_cast<std::uint8_t>((section[1] & 0xF0) | (size + 1) >> 8);
  section[2] = static_cast<std::uint8_t>(size + 1);
  const std::uint32_t crc = crc32_mpeg(section);
  for (int shift = 24; shift >= 0; shift -= 8) section.push_back(static_cast<std::uint8_t>(crc >> shift));
  check(section);
  tap(section);
  return 0;
}

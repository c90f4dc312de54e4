#include "mpegts/monitor/cue_tap.h"

#include <algorithm>

#include "mpegts/scte35/splice_info.h"

namespace headgate::mpegts {
namespace {

constexpr std::size_t kCommandType = 13;  // 9.6: the byte of splice_command_type
constexpr std::size_t kLeastSection = 20;

// Whether it can tell anybody something. What is encrypted hides what it is.
bool says_something(std::span<const std::uint8_t> section) noexcept {
  if ((section[4] & 0x80) != 0) return true;
  const auto command = static_cast<SpliceCommand>(section[kCommandType]);
  return command != SpliceCommand::splice_null && command != SpliceCommand::bandwidth_reservation;
}

}  // namespace

CueTap::CueTap() { sources_.reserve(kMaxPids); }

void CueTap::on_packet(const TsPacket& packet, std::optional<Pcr27MHz> clock, std::int64_t now_ns) noexcept {
  const Pid pid = packet.pid();
  auto source =
      std::find_if(sources_.begin(), sources_.end(), [&](const Source& it) { return it.pid == pid; });
  if (source == sources_.end()) {
    if (sources_.size() < kMaxPids) {
      source = sources_.insert(sources_.end(), {pid, SectionAssembler(pid)});
    } else {
      // Its PMT named others since: the one that has been here longest gives way.
      source = sources_.begin() + static_cast<std::ptrdiff_t>(oldest_source_++ % kMaxPids);
      *source = {pid, SectionAssembler(pid)};
    }
  }
  clock_ = clock;
  now_ns_ = now_ns;
  source->assembler.on_packet(packet, *this);
}

void CueTap::on_section(Pid pid, std::span<const std::uint8_t> section) noexcept {
  if (section.size() < kLeastSection || section[0] != kSpliceInfoTableId || crc32_mpeg(section) != 0) return;
  if (!says_something(section) || seen(crc32_mpeg(section.first(section.size() - 4)))) return;
  if (waiting_ == kMaxWaiting) {
    ++beyond_;
    return;
  }
  Cue& cue = cues_[(first_ + waiting_++) % kMaxWaiting];
  cue.pid = pid;
  cue.clock = clock_;
  cue.size = static_cast<std::uint16_t>(section.size());
  std::copy_n(section.begin(), std::min(section.size(), kMaxSection), cue.bytes.begin());
}

void CueTap::drop() noexcept {
  if (waiting_ == 0) return;
  first_ = (first_ + 1) % kMaxWaiting;
  --waiting_;
}

bool CueTap::seen(std::uint32_t crc) noexcept {
  const auto it = std::find_if(seen_.begin(), seen_.end(), [&](const Seen& one) {
    return one.crc == crc && now_ns_ - one.last_ns < kRepeatNs;
  });
  if (it != seen_.end()) {
    it->last_ns = now_ns_;
    return true;
  }
  seen_[next_seen_++ % seen_.size()] = {crc, now_ns_};
  return false;
}

}  // namespace headgate::mpegts

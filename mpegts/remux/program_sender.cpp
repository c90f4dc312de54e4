// The part of ProgramWriter that every packet passes.
#include <algorithm>
#include <cstring>

#include "mpegts/remux/program_writer.h"
#include "mpegts/scte35/splice_info.h"

namespace headgate::mpegts::remux {
namespace {

constexpr std::int64_t kFar = 10 * 90'000;  // farther apart, time stamps tell nothing of one another
constexpr std::int64_t kLongestPause = 10 * kTicksPerSecond;  // that a source makes and then goes on
constexpr std::int64_t kTolerance = 900;                      // 10 ms, less than any frame of sound
constexpr std::int64_t kLateStep = 90;                        // 1 ms
constexpr std::int64_t kLateShare = 64;       // pictures that come too late follow so much faster
constexpr std::int64_t kMaxSpacing = 90'000;  // of PES packets of one track

std::int64_t distance90(std::uint64_t a, std::uint64_t b) noexcept {
  return wrap_distance(a, b, kPtsModulus);
}

bool is_sections(StreamKind kind) noexcept {
  return kind == StreamKind::scte35 || kind == StreamKind::private_sections;
}

}  // namespace

struct ProgramWriter::Times {
  std::optional<PesTimes> raw;
  std::uint64_t pts = 0;  // of the output
  std::uint64_t dts = 0;
};

bool ProgramWriter::observe(const TsPacket& packet, std::int64_t now_ns) noexcept {
  if (!ready_) return true;
  const Pid pid = packet.pid();
  bool as_it_is = true;
  if (pid == source_.pcr_pid && packet.has_pcr()) {
    const std::uint64_t pcr = packet.pcr()->ticks;
    as_it_is = !filled_ || packet.discontinuity() || !steps_back(pcr);
    if (as_it_is) {
      pcr_known_ = true;
      pcr_ = clock_ = pcr;
      pcr_ns_ = now_ns;
      filled_ = false;
    }
  }
  const std::uint8_t route = source_.route[pid.value];
  if (route >= slots_.size() || !packet.has_payload()) return as_it_is;
  Slot& slot = slots_[route];
  const auto times = pes_times(packet);
  account(slot, packet, times ? times->packet_length : 0);
  if (times && times->pts && times->dts) note_times(slot, times->pts->ticks, times->dts->ticks);
  return as_it_is;
}

void ProgramWriter::note_times(Slot& slot, std::uint64_t pts, std::uint64_t dts) noexcept {
  const std::int64_t step = slot.timed ? distance90(dts, slot.dts) : 0;
  if (step > 0 && step < kMaxSpacing) slot.spacing = static_cast<std::uint64_t>(step);
  const std::int64_t ahead = slot.timed ? distance90(slot.pts, pts) : 0;
  if (ahead <= 0 || ahead > kFar) slot.pts = pts;
  slot.dts = dts;
  slot.timed = true;
}

// How much of the PES packet is still to come.
void ProgramWriter::account(Slot& slot, const TsPacket& packet, std::size_t packet_length) noexcept {
  const auto size = static_cast<std::int64_t>(packet.payload().size());
  if (is_sections(slot.kind)) return;
  if (packet.payload_unit_start()) {
    slot.left = packet_length == 0
                    ? Slot::kOpen
                    : std::max<std::int64_t>(0, static_cast<std::int64_t>(packet_length) + 6 - size);
  } else if (slot.left > 0) {
    slot.left = std::max<std::int64_t>(0, slot.left - size);
  }
}

Pid ProgramWriter::destination(std::uint8_t route, Pid from) const noexcept {
  if (route < slots_.size()) return slots_[route].pid;
  if (route == kPass) return from;
  if (route != kKeys) return kNullPid;
  const auto key =
      std::find_if(source_.keys.begin(), source_.keys.end(), [&](const auto& k) { return k.from == from; });
  return key != source_.keys.end() ? key->to : kNullPid;
}

// Little enough to come of a pause or of jitter. A clock that can't be shifted jumps as it is.
bool ProgramWriter::steps_back(std::uint64_t ticks) const noexcept {
  if (!pcr_known_) return false;
  const std::int64_t step = wrap_distance(ticks, pcr_, kPcrModulus);
  return step <= 0 && step > (source_.shiftable ? -kLongestPause : -kTicksPerSecond);
}

// A PCR that would step back is left out: one that was held back, or came later than that before it.
std::optional<std::uint64_t> ProgramWriter::next_pcr(std::uint64_t ticks) noexcept {
  if (steps_back(ticks)) return std::nullopt;
  pcr_known_ = true;
  pcr_ = clock_ = ticks;
  return ticks;
}

// After a jump of the source's clock time stamps of both sides come for a while.
std::uint64_t ProgramWriter::shifted(std::uint64_t time, std::int64_t now_ns) const noexcept {
  const std::uint64_t by_now = (time + source_.offset / 300) % kPtsModulus;
  if (now_ns >= source_.before_until_ns) return by_now;
  const std::uint64_t before = (time + source_.offset_before / 300) % kPtsModulus;
  const auto near = [&](std::uint64_t t) {
    const std::int64_t lead = distance90(t, clock_ / 300);
    return lead > -90'000 && lead < kFar;
  };
  return !near(by_now) && near(before) ? before : by_now;
}

bool ProgramWriter::admit(Slot& slot, const TsPacket& packet, const Times& times,
                          std::int64_t now_ns) noexcept {
  if (packet.has_payload() && packet.payload_unit_start()) {
    if (slot.ending && slot.left != 0 && now_ns < ending_until_ns_) {
      slot.yields = true;
      return false;
    }
    slot.ending = false;
    if (!slot.started) out_.rejoin(slot.pid);
    slot.started = true;
    slot.skipping = !wanted(slot, times, now_ns);
    if (slot.skipping) out_.rejoin(slot.pid);
  }
  return slot.started && !slot.skipping;
}

// Whether the PES packet that begins may follow what has left.
bool ProgramWriter::wanted(Slot& slot, const Times& times, std::int64_t now_ns) noexcept {
  if (!times.raw) return true;
  if (times.raw->cut) {
    if (source_.offset != 0) ++left_out_;
    return source_.offset == 0;
  }
  if (!times.raw->pts) return true;
  if (&slot == slots_.data() + key_slot_ && now_ns < group_until_ns_ && (open_group_ || marker_.marked())) {
    // Leading pictures refer to what was not sent.
    if (distance90(times.raw->pts->ticks, group_pts_) < 0) return false;
  }
  if (slot.joined || !slot.timed || !is_audio(slot.kind)) return true;
  const std::int64_t step = distance90(times.dts, slot.dts);
  if (step > -kFar && step < static_cast<std::int64_t>(slot.spacing) - kTolerance) return false;
  slot.joined = true;
  return true;
}

// The former input was sent further ahead: its pictures come first, ours follow fast until they have caught
// up. Both functions rise with their argument, so that the order of pictures stays.
void ProgramWriter::past_the_seam(Slot& slot, std::uint64_t& pts, std::uint64_t& dts) noexcept {
  Slot::Seam& seam = slot.seam;
  if (!seam.known) {
    seam = {true, slot.dts, slot.pts, dts, pts};
    const std::int64_t back = distance90(seam.old_dts, dts);
    slot.joined = back > kFar || back < -kFar;
    if (slot.joined) return;
  }
  const auto past = [](std::uint64_t old_end, std::uint64_t new_begin, std::uint64_t time) {
    const std::int64_t least = kLateStep + distance90(time, new_begin) / kLateShare;
    return (old_end + kPtsModulus + static_cast<std::uint64_t>(least)) % kPtsModulus;
  };
  const auto later = [](std::uint64_t a, std::uint64_t b) { return distance90(a, b) < 0 ? b : a; };
  const std::uint64_t least_dts = past(seam.old_dts, seam.new_dts, dts);
  const std::uint64_t least_pts = past(seam.old_pts, seam.new_pts, pts);
  slot.joined = distance90(dts, least_pts) > 0 && distance90(dts, least_dts) > 0;
  dts = later(dts, least_dts);
  pts = later(later(pts, least_pts), dts);
}

void ProgramWriter::write_times(Slot& slot, PacketBytes packet, const Times& times, bool shiftable) noexcept {
  std::uint64_t pts = times.pts, dts = times.dts;
  if (!slot.joined && slot.timed && is_video(slot.kind)) past_the_seam(slot, pts, dts);
  if (times.raw->dts_at == 0) dts = pts;  // there is no room for another
  if (!slot.joined && slot.seam.known && distance90(dts, slot.dts) <= 0) {
    dts = (slot.dts + 1) % kPtsModulus;
    if (distance90(pts, dts) < 0) pts = dts;
  }
  if (shiftable) {
    write_time(packet, times.raw->pts_at, Pts90kHz{pts});
    if (times.raw->dts_at != 0) write_time(packet, times.raw->dts_at, Pts90kHz{dts});
  }
  note_times(slot, pts, dts);
}

// Over the PES packet that the input began with, up to the next one.
void ProgramWriter::mark_broken_link(const Slot& slot, PacketBytes packet) noexcept {
  if (!marking_ || &slot != slots_.data() + key_slot_) return;
  const TsPacket seen = view(packet);
  const auto payload = seen.payload();
  if (payload.empty()) return;
  marker_.on_payload(packet.last(payload.size()));
}

void ProgramWriter::send(const TsPacket& packet, std::int64_t now_ns) noexcept {
  tables_if_due(now_ns);
  const Pid pid = packet.pid();
  const std::uint8_t route = source_.route[pid.value];
  const bool clocked = pid == source_.pcr_pid && pid != kNullPid && packet.has_pcr() && packet.valid();
  const auto pcr = clocked ? next_pcr((packet.pcr()->ticks + source_.offset) % kPcrModulus) : std::nullopt;
  const Pid to = destination(route, pid);
  Slot* const slot = route < slots_.size() ? &slots_[route] : nullptr;
  bool keep = route == kPass || route == kKeys;
  if (route == kLeftOut) ++left_out_;
  Times times;
  if (slot != nullptr) {
    times.raw = pes_times(packet);
    if (times.raw && times.raw->pts && times.raw->dts) {
      times.pts = shifted(times.raw->pts->ticks, now_ns);
      times.dts = shifted(times.raw->dts->ticks, now_ns);
    }
    keep = slot->cues == nullptr && admit(*slot, packet, times, now_ns);
    if (slot->cues != nullptr) {
      cue_slot_ = slot;
      slot->cues->on_packet(packet, *this);
    }
  }
  if (pcr) {
    pcr_ns_ = now_ns;
    filled_ = false;
  }
  const bool carries = keep && to == pmt_sent_.pcr_pid;
  if (pcr && !carries && pmt_sent_.pcr_pid != kNullPid) {
    out_.add_pcr(pmt_sent_.pcr_pid, *pcr, mark_);
    mark_ = false;
  }
  if (!keep) return;
  const auto copy = out_.add(packet);
  if (!copy) return;
  set_pid(*copy, to);
  if (pcr && carries) {
    write_pcr(*copy, *pcr);
    if (mark_) mark_discontinuity(*copy);
    mark_ = false;
  } else if (clocked || to == pmt_sent_.pcr_pid || source_.offset != 0) {
    strip_pcr(*copy);
  }
  if (slot != nullptr && packet.has_payload()) {
    account(*slot, packet, times.raw ? times.raw->packet_length : 0);
    if (slot == slots_.data() + key_slot_ && packet.payload_unit_start()) {
      // The first is that which the input began with; another ends it.
      marking_ = marking_ && times.raw && times.raw->pts && times.raw->pts->ticks == group_pts_;
    }
    mark_broken_link(*slot, *copy);
    if (times.raw && times.raw->pts && times.raw->dts) write_times(*slot, *copy, times, source_.shiftable);
  }
  out_.count_on(*copy);
}

void ProgramWriter::send_ending(const TsPacket& packet, std::int64_t now_ns) noexcept {
  const std::uint8_t route = former_.route[packet.pid().value];
  if (route >= slots_.size() || !packet.has_payload()) return;
  Slot& slot = slots_[route];
  if (!slot.ending) return;
  const bool start = packet.payload_unit_start();
  if (now_ns >= ending_until_ns_ || (start && slot.yields)) {
    slot.ending = false;
    return;
  }
  // The rest of a PES packet whose begin did not leave, or nothing is open.
  if (!start && slot.left == 0) return;
  const auto copy = out_.add(packet);
  if (!copy) return;
  set_pid(*copy, slot.pid);
  strip_pcr(*copy);
  Times times;
  times.raw = pes_times(packet);
  account(slot, packet, times.raw ? times.raw->packet_length : 0);
  if (times.raw && times.raw->pts && times.raw->dts) {
    times.pts = (times.raw->pts->ticks + former_.offset / 300) % kPtsModulus;
    times.dts = (times.raw->dts->ticks + former_.offset / 300) % kPtsModulus;
    write_times(slot, *copy, times, former_.shiftable);
  }
  out_.count_on(*copy);
  if (slot.left == 0 && slot.yields) slot.ending = false;
}

// A cue's time is brought in line by its pts_adjustment (ANSI/SCTE 35 9.6.1), which also holds where the rest
// is encrypted.
void ProgramWriter::on_section(Pid, std::span<const std::uint8_t> section) noexcept {
  if (cue_slot_ == nullptr || section.size() > cue_.size()) return;
  std::copy(section.begin(), section.end(), cue_.begin());
  const std::span<std::uint8_t> cue{cue_.data(), section.size()};
  if (source_.offset != 0 && source_.shiftable) retime_splice(cue, source_.offset / 300);
  out_.add_section(cue_slot_->pid, cue);
}

}  // namespace headgate::mpegts::remux

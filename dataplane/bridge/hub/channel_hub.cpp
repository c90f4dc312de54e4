#include "dataplane/bridge/hub/channel_hub.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "dataplane/bridge/hub/payload.h"
#include "dataplane/bridge/hub/pes_split.h"
#include "dataplane/bridge/hub/selection.h"
#include "mpegts/clock/timeline.h"

namespace headgate::bridge::hub {

using mpegts::Pid;
using mpegts::StreamKind;
using mpegts::TsPacket;

namespace {

// Parameter sets and SEI before the first slice lie in the first few packets; more is not looked at.
constexpr std::size_t kInspectVideo = 8 * 1024;
constexpr std::size_t kInspectMarkedVideo = 128 * 1024;  // random_access_indicator set
constexpr std::size_t kInspectAudio = 16 * 1024;

// Whether a PES packet of unbounded length is over. The last transport packet of a PES packet is stuffed in
// the adaptation field (2.4.3.5), unless the payload fits to the byte: then it counts as cut off. A length in
// the header is checked elsewhere.
bool ends_whole(std::span<const std::uint8_t> packets) {
  if (packets.size() < mpegts::kPacketSize) return false;
  const TsPacket first(packets.first<mpegts::kPacketSize>());
  const auto header = first.payload();
  if (header.size() >= 6 && (header[4] != 0 || header[5] != 0)) return true;
  const TsPacket last(packets.last<mpegts::kPacketSize>());
  if (!last.has_adaptation()) return false;
  std::size_t used = last.adaptation_length() > 0 ? 1 : 0;
  if (last.has_pcr()) used += 6;
  return last.adaptation_length() == 0 || last.adaptation_length() > used;
}

// Whether the payload of a PES packet opens with a start code, not with the tail of an access unit.
bool begins_aligned(std::span<const std::uint8_t> pes) {
  const auto header = mpegts::PesHeader::parse(pes);
  if (!header || header->payload_offset > pes.size()) return false;
  const auto payload = pes.subspan(header->payload_offset);
  const auto first = std::find_if(payload.begin(), payload.end(), [](std::uint8_t b) { return b != 0; });
  return first - payload.begin() >= 2 && first != payload.end() && *first == 1;
}

}  // namespace

bool Configuration::same_media(const Configuration& other) const {
  return carried == other.carried && heard == other.heard && pmt_pid == other.pmt_pid &&
         pmt.program_number == other.pmt.program_number && pmt.pcr_pid == other.pmt.pcr_pid;
}

struct ChannelHub::Stream {
  explicit Stream(const Track& t) : track(t) {
    if (mpegts::is_video(t.kind)) {
      video.emplace(t.kind);
    } else {
      audio.emplace(t.kind);
    }
  }
  Track track;
  std::uint8_t index = 0;
  bool open = false;
  bool damaged = false;
  bool scrambled = false;
  bool oversized = false;
  bool marked = false;  // random_access_indicator
  bool awaits_random_access = false;
  std::int64_t awaits_since = 0;  // timeline
  mpegts::ContinuityState continuity;
  Fate last_fate = Fate::none;
  std::size_t payload_bytes = 0;
  std::vector<std::uint8_t> pes;
  // The clock in force when the PES packet began.
  bool has_timeline = false;
  std::int64_t offset = 0;
  std::int64_t reference = 0;
  std::optional<mpegts::es::VideoParser> video;
  std::optional<mpegts::es::AudioParser> audio;
  std::optional<mpegts::es::AudioFormat> audio_format;
  // PTS minus DTS of the last random access point that began a PES packet.
  std::optional<std::int64_t> reorder;
  std::int64_t probed_second = std::numeric_limits<std::int64_t>::min();
};

ChannelHub::ChannelHub(UnitSink& sink) : sink_(sink), stream_of_pid_(mpegts::kPidCount, 0) {}
ChannelHub::~ChannelHub() = default;

std::optional<std::uint16_t> ChannelHub::program_number() const {
  if (picker_.pmt() == nullptr) return std::nullopt;
  return picker_.pmt()->program_number;
}

const mpegts::es::VideoFormat* ChannelHub::video_format(Pid pid) const {
  const std::uint8_t at = stream_of_pid_[pid.value & 0x1FFF];
  if (at == 0 || !streams_[at - 1U]->video) return nullptr;
  const auto& format = streams_[at - 1U]->video->format();
  return format ? &*format : nullptr;
}

const mpegts::es::AudioFormat* ChannelHub::audio_format(Pid pid) const {
  const std::uint8_t at = stream_of_pid_[pid.value & 0x1FFF];
  if (at == 0 || !streams_[at - 1U]->audio_format) return nullptr;
  return &*streams_[at - 1U]->audio_format;
}

Fate ChannelHub::last_fate(Pid pid) const {
  const std::uint8_t at = stream_of_pid_[pid.value & 0x1FFF];
  return at == 0 ? Fate::none : streams_[at - 1U]->last_fate;
}

void ChannelHub::on_slot(const ring::Slot& slot) {
  const bool lost =
      (slot.flags & ring::kSlotGap) != 0 || (expected_sequence_ && *expected_sequence_ != slot.sequence);
  expected_sequence_ = slot.sequence + 1;
  arrival_ns_ = slot.arrival_ns;
  if (lost) {
    ++counters_.gaps;
    picker_.on_gap();
    await_random_access();
    sink_.on_loss();
  }
  if ((slot.flags & ring::kSlotDiscontinuity) != 0) {
    ++counters_.discontinuities;
    flush();
    sink_.on_discontinuity();
  }
  if ((slot.flags & ring::kSlotTimeline) != 0) {
    // Tables may come before the first PCR, and a clock that jumps says nothing of the video.
    const bool jumps = !has_timeline_ || (slot.flags & ring::kSlotDiscontinuity) != 0;
    timeline_ = slot.timeline;
    if (jumps) watch_since_ = timeline_;
    if ((slot.flags & ring::kSlotDiscontinuity) != 0) has_own_clock_ = false;
    if (!has_own_clock_) reference_ = slot.timeline;
    offset_ = slot.offset;
    has_timeline_ = true;
  }
  const std::size_t count = std::min<std::size_t>(slot.packet_count, ring::kMaxPacketsPerSlot);
  for (std::size_t i = 0; i < count; ++i) {
    const std::span<const std::uint8_t, mpegts::kPacketSize> bytes(
        slot.packets.data() + i * mpegts::kPacketSize, mpegts::kPacketSize);
    const TsPacket packet(bytes);
    if (packet.has_sync()) on_packet(packet);
  }
  watch_video();
  if (std::exchange(reconfigure_, false)) configure();
}

void ChannelHub::on_gap() {
  ++counters_.gaps;
  expected_sequence_.reset();
  picker_.on_gap();
  for (auto& stream : streams_) stream->damaged = stream->damaged || stream->open;
  await_random_access();
  sink_.on_loss();
}

void ChannelHub::on_silence() {
  for (auto& stream : streams_) {
    if (stream->open && !ends_whole(stream->pes)) stream->damaged = true;
    finish_pes(*stream);
  }
  if (std::exchange(reconfigure_, false)) configure();
}

void ChannelHub::flush() {
  for (auto& stream : streams_) finish_pes(*stream);
}

void ChannelHub::on_packet(const TsPacket& packet) {
  ++counters_.packets;
  const Pid pid = packet.pid();
  if (pid == mpegts::kNullPid) return;
  const std::uint8_t at = stream_of_pid_[pid.value];
  if (configuration_ != nullptr && pid == configuration_->pmt.pcr_pid && has_timeline_) {
    if (const auto pcr = packet.pcr(); pcr && !packet.transport_error()) {
      reference_ = mpegts::unroll_near(mpegts::Pts90kHz{pcr->ticks / 300}, offset_, {timeline_}).ticks;
      has_own_clock_ = true;
    }
  }
  if (at != 0) {
    on_stream_packet(*streams_[at - 1U], packet);
    return;
  }
  if (std::find(cue_pids_.begin(), cue_pids_.end(), pid) != cue_pids_.end()) return on_cue_packet(packet);
  if (!packet.transport_error() && picker_.on_packet(packet, arrival_ns_)) configure();
  if (pid == lone_pcr_pid_) publish_pcr_packet(packet);
}

void ChannelHub::on_cue_packet(const TsPacket& packet) {
  cue_tap_->on_packet(packet, std::nullopt, arrival_ns_);
  for (const auto* it = cue_tap_->front(); it != nullptr; cue_tap_->drop(), it = cue_tap_->front()) {
    const bool whole = it->size <= it->bytes.size();
    const auto section = std::span(it->bytes).first(whole ? it->size : 0U);
    const auto info = mpegts::SpliceInfo::parse(section);
    if (!info || !has_timeline_) {
      ++counters_.unread_cues;
      continue;
    }
    Cue cue{it->pid, *info, std::nullopt, reference_, section};
    if (const auto at = info->at()) cue.at = mpegts::unroll_near(*at, offset_, {reference_}).ticks;
    ++counters_.cues;
    sink_.on_cue(cue);
  }
}

bool ChannelHub::check_continuity(Stream& stream, const TsPacket& packet) {
  const mpegts::Continuity verdict = stream.continuity.take(packet, [] { return true; });
  if (verdict == mpegts::Continuity::error) {
    ++counters_.cc_errors;
    stream.damaged = true;
  }
  return !mpegts::is_repetition(verdict);
}

void ChannelHub::on_stream_packet(Stream& stream, const TsPacket& packet) {
  if (packet.transport_error() || !packet.valid()) {
    stream.damaged = true;
    return;
  }
  const bool counts = check_continuity(stream, packet);
  if (packet.payload_unit_start() && packet.has_payload() && counts) {
    finish_pes(stream);
    stream.damaged = false;  // a gap before this start harmed the PES packet before, not this one
    stream.open = true;
    stream.scrambled = false;
    stream.oversized = false;
    stream.payload_bytes = 0;
    stream.marked = packet.random_access();
    stream.has_timeline = has_timeline_;
    stream.offset = offset_;
    stream.reference = reference_;
  }
  if (!stream.open) return;
  if (packet.has_payload() && packet.scrambling_control() != 0) stream.scrambled = true;
  if (stream.scrambled || stream.oversized) return;
  if (stream.pes.size() + mpegts::kPacketSize > kMaxPes) {
    stream.oversized = true;
    return;
  }
  const auto bytes = packet.bytes();
  stream.pes.insert(stream.pes.end(), bytes.begin(), bytes.end());
  if (counts) stream.payload_bytes += packet.payload().size();
}

void ChannelHub::finish_pes(Stream& stream) {
  if (!stream.open) return;
  stream.open = false;
  if (stream.scrambled) {
    stream.last_fate = count(Fate::scrambled);
  } else if (stream.oversized) {
    stream.last_fate = count(Fate::oversized);
  } else if (stream.damaged) {
    stream.last_fate = count(Fate::damaged);
  } else {
    deliver(stream);
  }
  stream.pes.clear();
}

Fate ChannelHub::count(Fate fate) {
  switch (fate) {
    case Fate::damaged:
      ++counters_.damaged_pes;
      break;
    case Fate::scrambled:
      ++counters_.scrambled_pes;
      break;
    case Fate::oversized:
      ++counters_.oversized_pes;
      break;
    case Fate::untimed:
      ++counters_.untimed_pes;
      break;
    case Fate::bad_timestamp:
      ++counters_.bad_timestamp_pes;
      break;
    case Fate::unreferenced:
      ++counters_.unreferenced_pes;
      break;
    case Fate::none:
    case Fate::delivered:
      break;
  }
  return fate;
}

void ChannelHub::await_random_access() {
  for (auto& stream : streams_) {
    if (!stream->video || stream->awaits_random_access) continue;
    stream->awaits_random_access = true;
    stream->awaits_since = timeline_;
  }
}

bool ChannelHub::lacks_references(Stream& stream, const Unit& unit) {
  if (!stream.awaits_random_access) return false;
  const bool over = unit.random_access != mpegts::es::RandomAccess::none ||
                    timeline_ - stream.awaits_since > kReferencePatience || timeline_ < stream.awaits_since;
  if (over) stream.awaits_random_access = false;
  return !over;
}

void ChannelHub::deliver(Stream& stream) {
  Unit unit;
  unit.track = stream.index;
  unit.packets = stream.pes;
  stream.last_fate = count(inspect(stream, unit));
  if (stream.last_fate != Fate::delivered) return;
  if (lacks_references(stream, unit)) {
    stream.last_fate = count(Fate::unreferenced);
    return;
  }
  if (stream.video && unit.timed) {
    watch_since_ = timeline_;
    if (video_given_up_) {
      video_given_up_ = false;
      reconfigure_ = true;
      return;  // the next random access point begins the media with video
    }
  }
  const bool wanted = configuration_ != nullptr &&
                      stream.index < configuration_->carried.size() + configuration_->heard.size();
  if (!wanted) return;
  if (stream.video && unit.timed) {
    const bool joinable = unit.random_access != mpegts::es::RandomAccess::none;
    if (joinable && begins_aligned(scratch_)) {
      stream.reorder = unit.pts - unit.dts;
    } else if (deliver_split(stream, unit)) {
      return;
    }
  }
  sink_.on_unit(unit);
}

// A random access point inside a PES packet (several access units, or the tail of one before it): where it
// can be cut there, it begins a PES packet of its own, so that a segment can begin with it.
bool ChannelHub::deliver_split(Stream& stream, const Unit& whole) {
  gather(stream.pes, kMaxPes, scratch_);
  const auto pes = view_pes(scratch_);
  if (!pes || !pes->header.pts) return false;
  const auto split = stream.video->split(pes->payload);
  std::uint64_t frames = 0;  // that begin before it
  const mpegts::es::AccessUnit* found = nullptr;
  for (std::size_t i = split.continues ? 1 : 0; i < split.units.size() && found == nullptr; ++i) {
    const auto& unit = split.units[i];
    const bool joinable = unit.random_access != mpegts::es::RandomAccess::none && !unit.second_field;
    if (joinable && unit.offset > 0) found = &unit;
    if (!unit.second_field && found == nullptr) ++frames;
  }
  const auto& format = stream.video->format();
  const bool timed = frames == 0 || (format && format->frame_rate_num != 0);
  if (found == nullptr || !timed) return false;
  // The time stamps are those of the first access unit that begins in the packet (2.4.3.7); each frame after
  // it is decoded a frame later, and a random access point is shown as long after its decoding as the one
  // before.
  const std::uint64_t later =
      frames == 0 ? 0 : frames * 90'000 * format->frame_rate_den / format->frame_rate_num;
  const std::int64_t reorder =
      frames == 0 ? whole.pts - whole.dts : stream.reorder.value_or(whole.pts - whole.dts);
  PesCut cut;
  cut.at = pes->header.payload_offset + found->offset;
  cut.dts = {(pes->header.dts.value_or(*pes->header.pts).ticks + later) % mpegts::kPtsModulus};
  cut.pts = {(cut.dts.ticks + mpegts::kPtsModulus + static_cast<std::uint64_t>(reorder / 300)) %
             mpegts::kPtsModulus};
  cut.first_untimed = frames == 0;
  const auto second = split_pes(stream.pes, pes->header, pes->size, cut, split_);
  if (!second) return false;
  ++counters_.split_pes;
  Unit first = whole;
  first.timed = frames != 0;
  first.random_access = mpegts::es::RandomAccess::none;
  first.packets = std::span<const std::uint8_t>(split_).first(*second);
  sink_.on_unit(first);
  Unit next = whole;
  next.video = format ? &*format : nullptr;
  next.random_access = found->random_access;
  next.dts = whole.dts + static_cast<std::int64_t>(later) * 300;
  next.pts = next.dts + reorder;
  next.packets = std::span<const std::uint8_t>(split_).subspan(*second);
  sink_.on_unit(next);
  return true;
}

Fate ChannelHub::stamp(Stream& stream, const mpegts::PesHeader& header, Unit& unit) {
  if (!stream.has_timeline) return Fate::untimed;
  if (!header.pts) return Fate::delivered;
  const mpegts::TimelineTicks reference{stream.reference};
  unit.dts = mpegts::unroll_near(header.dts.value_or(*header.pts), stream.offset, reference).ticks;
  // PTS lies within a second or so of DTS: unrolled near it, so that both fall on the same side of a wrap.
  unit.pts = mpegts::unroll_near(*header.pts, stream.offset, {unit.dts}).ticks;
  const bool near = unit.dts > stream.reference - kMaxLead && unit.dts < stream.reference + kMaxLead &&
                    unit.pts > unit.dts - kMaxLead && unit.pts < unit.dts + kMaxLead;
  if (!near) return Fate::bad_timestamp;
  unit.timed = true;
  return Fate::delivered;
}

Fate ChannelHub::inspect(Stream& stream, Unit& unit) {
  std::size_t limit = kInspectAudio;
  if (stream.video) limit = stream.marked ? kInspectMarkedVideo : kInspectVideo;
  gather(stream.pes, limit, scratch_);
  const auto header = mpegts::PesHeader::parse(scratch_);
  if (!header || header->payload_offset > scratch_.size() ||
      (header->packet_length != 0 && stream.payload_bytes < header->packet_length + 6)) {
    return Fate::damaged;
  }
  if (header->scrambled) return Fate::scrambled;
  if (const Fate fate = stamp(stream, *header, unit); fate != Fate::delivered) return fate;
  const auto payload = std::span<const std::uint8_t>(scratch_).subspan(header->payload_offset);
  if (stream.video) {
    unit.random_access = stream.video->inspect_start(payload);
    const auto& format = stream.video->format();
    unit.video = format ? &*format : nullptr;
  } else {
    unit.random_access = mpegts::es::RandomAccess::clean;
    inspect_audio(stream, payload, unit.dts);
    unit.audio = stream.audio_format ? &*stream.audio_format : nullptr;
  }
  return Fate::delivered;
}

// The format is looked at once a second of the timeline: cheap, and at the same frames on every node.
void ChannelHub::inspect_audio(Stream& stream, std::span<const std::uint8_t> payload, std::int64_t dts) {
  const std::int64_t second = dts / mpegts::kTicksPerSecond;
  if (stream.audio_format && second == stream.probed_second) return;
  stream.probed_second = second;
  stream.audio->reset();
  stream.audio->on_payload(payload);
  if (stream.audio->format()) stream.audio_format = stream.audio->format();
}

void ChannelHub::publish_pcr_packet(const TsPacket& packet) {
  if (!packet.has_pcr() || packet.has_payload() || packet.transport_error()) return;
  Unit unit;
  unit.track = kPcrTrack;
  unit.packets = packet.bytes();
  sink_.on_unit(unit);
}

// A video PID that the PMT names but that brings nothing usable must not silence the sound.
void ChannelHub::watch_video() {
  if (configuration_ == nullptr || video_given_up_ || configuration_->carried.size() < 2 ||
      !mpegts::is_video(configuration_->carried[0].kind)) {
    return;
  }
  if (timeline_ < watch_since_) watch_since_ = timeline_;
  if (timeline_ - watch_since_ < kVideoPatience) return;
  video_given_up_ = true;
  reconfigure_ = true;
}

// The streams that are looked at; those that were before go on.
void ChannelHub::open_streams(const std::vector<Track>& wanted) {
  std::vector<std::unique_ptr<Stream>> streams;
  std::fill(stream_of_pid_.begin(), stream_of_pid_.end(), std::uint8_t{0});
  for (const Track& track : wanted) {
    const auto old = std::find_if(streams_.begin(), streams_.end(), [&](const auto& s) {
      return s && s->track.pid == track.pid && s->track.kind == track.kind;
    });
    auto stream = old != streams_.end() ? std::move(*old) : std::make_unique<Stream>(track);
    stream->track = track;
    stream->index = static_cast<std::uint8_t>(streams.size());
    streams.push_back(std::move(stream));
    stream_of_pid_[track.pid.value] = static_cast<std::uint8_t>(streams.size());
  }
  streams_ = std::move(streams);
}

void ChannelHub::configure() {
  tracks_.clear();
  if (picker_.pmt() == nullptr) return;
  Selection selection = select_streams(*picker_.pmt(), video_given_up_);
  tracks_ = std::move(selection.tracks);
  auto next = std::make_shared<Configuration>(std::move(selection.configuration));
  next->transport_stream_id = picker_.transport_stream_id();
  next->pmt_pid = picker_.pmt_pid();
  std::vector<Track> wanted = next->carried;
  wanted.insert(wanted.end(), next->heard.begin(), next->heard.end());
  wanted.insert(wanted.end(), selection.watched.begin(), selection.watched.end());
  open_streams(wanted);
  cue_pids_.clear();
  for (const Track& track : tracks_) {
    if (track.kind == mpegts::StreamKind::scte35 && stream_of_pid_[track.pid.value & 0x1FFF] == 0 &&
        track.pid != next->pmt_pid)
      cue_pids_.push_back(track.pid);
  }
  if (!cue_pids_.empty() && cue_tap_ == nullptr) cue_tap_ = std::make_unique<mpegts::CueTap>();
  const bool own =
      next->pmt.pcr_pid.value < mpegts::kNullPid.value && stream_of_pid_[next->pmt.pcr_pid.value] == 0;
  lone_pcr_pid_ = own ? next->pmt.pcr_pid : mpegts::kNullPid;
  const bool same = configuration_ != nullptr && configuration_->same_media(*next);
  configuration_ = std::move(next);
  if (!same) {
    has_own_clock_ = false;
    ++counters_.configurations;
    watch_since_ = timeline_;
  }
  sink_.on_configuration(configuration_);
}

}  // namespace headgate::bridge::hub

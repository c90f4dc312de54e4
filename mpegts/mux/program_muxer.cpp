#include "mpegts/mux/program_muxer.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <optional>

#include "mpegts/mux/mux_lane.h"
#include "mpegts/mux/mux_tables.h"
#include "mpegts/packet/clock_fields.h"
#include "mpegts/psi/section.h"

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kMs = kTicksPerSecond / 1000;
// A PCR at the first packet of its PID after kPcrSoon, alone after kPcrLate: DVB asks for 40 ms (TS 101 154),
// this product for 35.
constexpr std::int64_t kPcrSoon = 20 * kMs;
constexpr std::int64_t kPcrLate = 28 * kMs;
constexpr std::int64_t kTables = 90 * kMs;      // TR 101 211 4.4: PAT and PMT every 100 ms
constexpr std::int64_t kServices = 1000 * kMs;  // SDT every 2 s
// Bridged by PCR; over longer ones the clock leaps. After a rest there is nothing to bridge.
constexpr std::int64_t kLongestGap = 1000 * kMs;
constexpr std::int64_t kLongestRest = 100 * kMs;
constexpr std::int64_t kFallenBack = 1000 * kMs;  // of a track's DTS: another clock
constexpr std::int64_t kStep = 300;               // a tick of 90 kHz
constexpr std::size_t kPesHeader = 9, kStamp = 5;
constexpr std::size_t kMaxPesLength = 0xFFFF;

// Pictures: the decoder's buffer holds what comes in their lead, which is far less than the 1 s of ISO/IEC
// 13818-1 2.14.3.1. Sound: buffers of 2.4.2.7 (BSn of stereo) and of TS 101 154 6.1 (AC-3).
constexpr MuxLane::Shape kVideoShape{360 * kMs, 280 * kMs, 0};
constexpr MuxLane::Shape kSoundShape{150 * kMs, 20 * kMs, 3584};
constexpr MuxLane::Shape kAc3Shape{150 * kMs, 20 * kMs, 5696};

MuxLane::Shape shape_of(StreamKind kind) {
  if (is_video(kind)) return kVideoShape;
  return kind == StreamKind::ac3 || kind == StreamKind::eac3 ? kAc3Shape : kSoundShape;
}

// A time as it stands in the stream; each is rounded by itself, so that differences stay right.
std::uint64_t stamp_of(std::int64_t ticks) {
  constexpr auto kModulus = static_cast<std::int64_t>(kPcrModulus);
  const std::int64_t wrapped = ((ticks + kStep / 2) % kModulus + kModulus) % kModulus;
  return static_cast<std::uint64_t>(wrapped) / kStep % kPtsModulus;
}

void append_stamp(std::vector<std::uint8_t>& out, unsigned prefix, std::uint64_t ticks) {
  std::array<std::uint8_t, kStamp> stamp{static_cast<std::uint8_t>(prefix << 4)};
  put_stamp(stamp, {ticks});
  out.insert(out.end(), stamp.begin(), stamp.end());
}

// PES packet of one unit (2.4.3.6). Empty: only video may leave its length open.
std::vector<std::uint8_t> make_pes(std::uint8_t stream_id, bool video, std::int64_t pts, std::int64_t dts,
                                   std::span<const std::uint8_t> data) {
  const std::uint64_t pts_stamp = stamp_of(pts), dts_stamp = stamp_of(dts);
  const bool both = pts_stamp != dts_stamp;
  const std::size_t stamps = both ? 2 * kStamp : kStamp;
  const std::size_t length = kPesHeader - 6 + stamps + data.size();
  if (length > kMaxPesLength && !video) return {};
  const std::size_t sent_length = length > kMaxPesLength ? 0 : length;
  std::vector<std::uint8_t> pes;
  pes.reserve(kPesHeader + stamps + data.size());
  pes = {0,
         0,
         1,
         stream_id,
         static_cast<std::uint8_t>(sent_length >> 8),
         static_cast<std::uint8_t>(sent_length),
         0x84,  // data_alignment_indicator
         static_cast<std::uint8_t>(both ? 0xC0 : 0x80),
         static_cast<std::uint8_t>(stamps)};
  append_stamp(pes, both ? 3 : 2, pts_stamp);
  if (both) append_stamp(pes, 1, dts_stamp);
  pes.insert(pes.end(), data.begin(), data.end());
  return pes;
}

}  // namespace

struct ProgramMuxer::Impl {
  struct Track {
    MuxTables::Stream stream;
    bool video = false;
    MuxLane lane;
  };

  void set_program(const MuxProgram& next);
  void push(const MuxUnit& unit);
  std::int64_t horizon() const;
  Track* earliest(std::int64_t& time);
  void run(std::int64_t until);
  void begin(std::int64_t time);
  void leap(std::int64_t time);
  void keep_up(std::int64_t until);
  void rest();
  void break_off();
  void deliver();

  std::uint8_t* packet(Pid pid, bool start, bool payload);
  void put_section(Pid pid, std::span<const std::uint8_t> section);
  void put_tables();
  void put_services();
  void put_pcr();
  void put_unit(Track& track, std::int64_t time);
  void write_pcr(std::uint8_t* to);

  Sink sink;
  MuxProgram program;
  MuxTables tables;
  std::vector<Track> tracks;
  std::map<Pid, std::uint8_t> continuity;  // of the last packet
  std::vector<std::uint8_t> out;
  std::size_t waiting_bytes = 0;
  bool running = false;                        // the clock is set
  bool resting = false;                        // all was sent: what comes next may be any time later,
  bool resumed = false;                        // and came, but is not yet sent
  bool discontinuity = false;                  // the next PCR doesn't follow from the one before
  std::int64_t clock = 0;                      // of the last packet
  std::int64_t first_start = MuxLane::kNever;  // of what came first since all was sent
  std::int64_t last_pcr = 0;
  bool pcr_is_last = false;  // nothing was sent since
  std::int64_t next_tables = 0;
  std::int64_t next_services = 0;
  Counters counters;
};

std::uint8_t* ProgramMuxer::Impl::packet(Pid pid, bool start, bool payload) {
  auto [place, fresh] = continuity.try_emplace(pid, std::uint8_t{0x0F});
  if (payload) place->second = (place->second + 1) & 0x0F;
  const std::size_t at = out.size();
  out.resize(at + kPacketSize, 0xFF);
  std::uint8_t* p = out.data() + at;
  p[0] = kSyncByte;
  p[1] = static_cast<std::uint8_t>((start ? 0x40 : 0) | pid.value >> 8);
  p[2] = static_cast<std::uint8_t>(pid.value & 0xFF);
  p[3] = place->second;
  ++counters.packets;
  pcr_is_last = false;
  return p;
}

void ProgramMuxer::Impl::put_section(Pid pid, std::span<const std::uint8_t> section) {
  if (section.empty()) return;
  auto [place, fresh] = continuity.try_emplace(pid, std::uint8_t{0x0F});
  const std::size_t packets = packed_packets(section.size());
  const std::size_t at = out.size();
  out.resize(at + packets * kPacketSize);
  pack_section_into(pid, section, static_cast<std::uint8_t>((place->second + 1) & 0x0F),
                    std::span<std::uint8_t>{out}.subspan(at));
  place->second = static_cast<std::uint8_t>((place->second + packets) & 0x0F);
  counters.packets += packets;
  pcr_is_last = false;
}

void ProgramMuxer::Impl::put_tables() {
  put_section(kPatPid, tables.pat());
  put_section(MuxTables::kPmtPid, tables.pmt());
  next_tables = clock + kTables;
}

void ProgramMuxer::Impl::put_services() {
  put_section(kSdtPid, tables.sdt());
  next_services = clock + kServices;
}

void ProgramMuxer::Impl::write_pcr(std::uint8_t* to) {
  constexpr auto kModulus = static_cast<std::int64_t>(kPcrModulus);
  const auto ticks = static_cast<std::uint64_t>((clock % kModulus + kModulus) % kModulus);
  mpegts::put_pcr(std::span<std::uint8_t, 6>(to, 6), ticks);
  last_pcr = clock;
}

// A packet that has a PCR and nothing else; its continuity_counter stands still (2.4.3.3).
void ProgramMuxer::Impl::put_pcr() {
  std::uint8_t* p = packet(tracks.front().stream.pid, false, false);
  p[3] = static_cast<std::uint8_t>(p[3] | 0x20);
  p[4] = kPacketSize - 5;
  p[5] = discontinuity ? 0x90 : 0x10;
  discontinuity = false;
  write_pcr(p + 6);
  pcr_is_last = true;
}

void ProgramMuxer::Impl::put_unit(Track& track, std::int64_t time) {
  MuxLane& lane = track.lane;
  const bool start = lane.at_start();
  const bool pcr = &track == &tracks.front() && clock - last_pcr >= kPcrSoon;
  // random_access_indicator and elementary_stream_priority_indicator (2.4.3.5).
  const auto flags = static_cast<std::uint8_t>((start && lane.random_access() ? 0x60 : 0) | (pcr ? 0x10 : 0));
  const std::size_t field = flags == 0 ? 0 : pcr ? 8 : 2;  // with its length
  const auto rest_of_pes = lane.rest();
  const std::size_t count = std::min(kPacketSize - 4 - field, rest_of_pes.size());
  const std::size_t room = kPacketSize - 4 - count;  // for the adaptation field; stuffing is 0xFF
  std::uint8_t* p = packet(track.stream.pid, start, true);
  p[3] = static_cast<std::uint8_t>(p[3] | (room > 0 ? 0x30 : 0x10));
  if (room > 0) p[4] = static_cast<std::uint8_t>(room - 1);
  if (room > 1) p[5] = flags;
  if (pcr) write_pcr(p + 6);
  std::copy_n(rest_of_pes.begin(), count, p + 4 + room);
  waiting_bytes -= count;
  lane.take(count, time);
}

// Opens the stream, or a new stretch of its clock.
void ProgramMuxer::Impl::begin(std::int64_t time) {
  clock = time;
  running = true;
  put_pcr();
  put_tables();
  put_services();
}

// Closes what was sent with a PCR of its own: positions before and after lie on clocks far apart.
void ProgramMuxer::Impl::leap(std::int64_t time) {
  if (!pcr_is_last) put_pcr();
  begin(time);
}

// Sends what is due by itself.
void ProgramMuxer::Impl::keep_up(std::int64_t until) {
  while (true) {
    const std::int64_t next_pcr = last_pcr + kPcrLate;
    const std::int64_t due = std::min({next_pcr, next_tables, next_services});
    if (due > until) return;
    clock = std::max(clock, due);
    if (due == next_tables) {
      put_tables();
    } else if (due == next_services) {
      put_services();
    } else {
      put_pcr();
    }
  }
}

ProgramMuxer::Impl::Track* ProgramMuxer::Impl::earliest(std::int64_t& time) {
  Track* first = nullptr;
  for (Track& track : tracks) {
    if (track.lane.empty()) continue;
    const std::int64_t next = track.lane.next();
    if (first != nullptr && next >= time) continue;
    first = &track;
    time = next;
  }
  return first;
}

void ProgramMuxer::Impl::run(std::int64_t until) {
  while (true) {
    std::int64_t time = 0;
    Track* track = earliest(time);
    if (track == nullptr || time > until) return;
    if (!running || resumed) {
      std::int64_t start = time;
      for (const Track& each : tracks) {
        if (!each.lane.empty()) start = std::min(start, each.lane.first_start());
      }
      if (!running) begin(start);
      if (start - clock > kLongestRest) leap(start);
      resumed = false;
    }
    if (time - clock > kLongestGap) leap(time);
    keep_up(time);
    clock = std::max(clock, time);
    put_unit(*track, time);
  }
}

// How far the order of things is known: each track's next unit starts no earlier than its last one.
std::int64_t ProgramMuxer::Impl::horizon() const {
  std::int64_t newest = first_start;
  for (const Track& track : tracks) newest = std::max(newest, track.lane.last_start());
  std::int64_t until = newest;
  for (const Track& track : tracks) {
    const std::int64_t heard = std::max(track.lane.last_start(), first_start);
    if (newest - heard < kMaxInterleave) until = std::min(until, heard);
  }
  return until;
}

void ProgramMuxer::Impl::push(const MuxUnit& unit) {
  if (unit.track >= tracks.size() || unit.data.empty() ||
      waiting_bytes + unit.data.size() > kMaxWaitingBytes) {
    ++counters.dropped_units;
    return;
  }
  Track& track = tracks[unit.track];
  if (track.lane.waiting() >= kMaxWaitingUnits) {
    ++counters.dropped_units;
    return;
  }
  std::int64_t dts = std::min(unit.dts, unit.pts);
  if (const std::int64_t last = track.lane.last_dts(); last != MuxLane::kNever && dts <= last) {
    if (last - dts > kFallenBack) {
      break_off();
    } else {
      dts = last + kStep;
    }
  }
  const std::int64_t pts = std::max(unit.pts, dts);
  auto pes = make_pes(track.stream.stream_id, track.video, pts, dts, unit.data);
  if (pes.empty()) {
    ++counters.dropped_units;
    return;
  }
  if (running && dts <= clock) ++counters.late_units;
  ++counters.units;
  resumed = resumed || resting;
  resting = false;
  waiting_bytes += pes.size();
  track.lane.push(std::move(pes), dts, unit.random_access, running ? clock : MuxLane::kNever);
  if (first_start == MuxLane::kNever) first_start = track.lane.last_start();
  run(horizon());
}

// Sends all that waits and a PCR behind it, so that its packets have their times whatever comes next.
void ProgramMuxer::Impl::rest() {
  run(std::numeric_limits<std::int64_t>::max());
  if (running && !pcr_is_last && !tracks.empty()) {
    clock = std::max(clock, last_pcr + 1);
    put_pcr();
  }
  resting = true;
  first_start = MuxLane::kNever;
  for (Track& track : tracks) track.lane.forget_starts();
}

void ProgramMuxer::Impl::break_off() {
  rest();
  discontinuity = discontinuity || running;
  running = resumed = false;
  for (Track& track : tracks) track.lane.forget_dts();
}

void ProgramMuxer::Impl::set_program(const MuxProgram& next) {
  if (next == program && !tracks.empty()) return;
  const auto streams = MuxTables::streams_of(next);
  bool goes_on = tracks.size() <= streams.size();
  for (std::size_t i = 0; goes_on && i < tracks.size(); ++i) {
    goes_on = tracks[i].stream == streams[i] && tracks[i].lane.shape() == shape_of(next.tracks[i].kind);
  }
  if (!goes_on) {
    rest();
    tracks.clear();
  }
  const bool had_tracks = !tracks.empty();
  for (std::size_t i = tracks.size(); i < streams.size(); ++i) {
    const StreamKind kind = next.tracks[i].kind;
    tracks.push_back({streams[i], is_video(kind), MuxLane{shape_of(kind)}});
  }
  program = next;
  tables.set(program);
  if (!running || tracks.empty()) return;
  put_tables();
  put_services();
  if (!had_tracks) put_pcr();  // on a PID that may be new
}

void ProgramMuxer::Impl::deliver() {
  if (out.empty()) return;
  sink(out);
  out.clear();
}

ProgramMuxer::ProgramMuxer(Sink sink) : impl_(std::make_unique<Impl>()) { impl_->sink = std::move(sink); }
ProgramMuxer::~ProgramMuxer() = default;

void ProgramMuxer::set_program(const MuxProgram& program) {
  impl_->set_program(program);
  impl_->deliver();
}

void ProgramMuxer::push(const MuxUnit& unit) {
  impl_->push(unit);
  impl_->deliver();
}

void ProgramMuxer::flush() {
  if (!impl_->resting) impl_->rest();
  impl_->deliver();
}

void ProgramMuxer::mark_discontinuity() {
  impl_->break_off();
  impl_->deliver();
}

const ProgramMuxer::Counters& ProgramMuxer::counters() const { return impl_->counters; }

}  // namespace headgate::mpegts

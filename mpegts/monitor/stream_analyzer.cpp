#include "mpegts/monitor/stream_analyzer.h"

#include <algorithm>
#include <array>
#include <vector>

#include "mpegts/monitor/continuity.h"
#include "mpegts/monitor/pcr_monitor.h"
#include "mpegts/monitor/psi_collector.h"

namespace headgate::mpegts {
namespace {

constexpr double seconds_of(std::chrono::milliseconds time) {
  return static_cast<double>(time.count()) / 1e3;
}
constexpr double kTableIntervalS = seconds_of(kTableLimit);
constexpr double kPidIntervalS = seconds_of(kPidLimit);
constexpr double kPtsIntervalS = seconds_of(kPtsLimit);
constexpr std::size_t kMaxCodecProbes = 128;
constexpr std::size_t kMaxPending = 65'536;
constexpr double kTailS = 1.0;

struct PidState {
  std::uint64_t packets = 0;
  std::uint64_t cc_errors = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t transport_errors = 0;
  std::uint64_t scrambled = 0;
  int last_continuity = -1;
  bool duplicate_seen = false;
  std::array<std::uint8_t, kPacketSize> last{};
  std::unique_ptr<PcrMonitor> pcr;
  // What the tables make of it.
  bool is_pmt = false;
  bool is_media = false;     // video or audio of a PMT
  bool ended_table = false;  // the packet before completed a PAT or a PMT
  std::unique_ptr<CodecProbe> probe;
  bool probe_asked = false;
  std::optional<double> last_time;  // of a packet; of a section on table PIDs
  std::optional<double> last_pts_time;
};

// Something seen whose time is not known yet: in a file, the time of what lies between two PCRs is known at
// the second.
struct Pending {
  std::uint64_t at = 0;  // packets since the PCR before
  std::optional<double>* last = nullptr;
  double limit = 0;
  std::uint64_t* errors = nullptr;  // nullptr: from here on it is due
};

// Equal but for the PCR, which may differ in a duplicate (2.4.3.3).
bool same_content(std::span<const std::uint8_t, kPacketSize> a,
                  const std::array<std::uint8_t, kPacketSize>& b) noexcept {
  const TsPacket packet{a};
  const std::size_t pcr_end = packet.has_pcr() ? 12 : 6;
  return std::equal(a.begin(), a.begin() + 6, b.begin()) &&
         std::equal(a.begin() + static_cast<std::ptrdiff_t>(pcr_end), a.end(),
                    b.begin() + static_cast<std::ptrdiff_t>(pcr_end));
}

// Whether a PES packet with a PTS begins here (2.4.3.7).
bool starts_with_pts(const TsPacket& packet) noexcept {
  const auto payload = packet.payload();
  return packet.payload_unit_start() && packet.scrambling_control() == 0 && payload.size() >= 9 &&
         payload[0] == 0 && payload[1] == 0 && payload[2] == 1 && (payload[6] & 0xC0) == 0x80 &&
         (payload[7] & 0x80) != 0;
}

}  // namespace

struct StreamAnalyzer::Impl {
  explicit Impl(CodecProbeFactory factory) : codecs(std::move(factory)) {}

  void on_packet(const TsPacket& packet, std::optional<std::int64_t> arrival_ns);
  void check_counter(PidState& pid, const TsPacket& packet, bool& duplicate);
  void take_pcr(PidState& pid, const TsPacket& packet, std::optional<std::int64_t> arrival_ns);
  void take_sections(PidState& pid, const TsPacket& packet, bool duplicate);
  void take_media(PidState& pid, const TsPacket& packet);
  void interval(std::optional<double>& last, double limit, std::uint64_t& errors);
  void due_from_now(std::optional<double>& last);
  void note(const Pending& event);
  void settle(double seconds_per_packet);
  double tail_step() const noexcept {
    return static_cast<double>(since_pcr) * average_step() < kTailS ? 0 : average_step();
  }
  double average_step() const noexcept {  // seconds a packet
    return timed_packets > 0 ? timed_s / static_cast<double>(timed_packets) : 0;
  }
  void update_roles();
  std::optional<double> now() const noexcept;
  double duration() const noexcept;
  PidState& state(Pid pid) {
    auto& slot = pids[pid.value];
    if (!slot) slot = std::make_unique<PidState>();
    return *slot;
  }
  ServiceInfo service(std::uint16_t number, const PsiCollector::Program& program) const;
  std::vector<const char*> labels() const;
  void absent(StreamReport& out) const;

  CodecProbeFactory codecs;
  std::size_t probes = 0;
  std::array<std::unique_ptr<PidState>, kPidCount> pids;
  PsiCollector psi;
  StreamReport totals;  // the counters that need no working out
  bool sync_set = false;

  // The stream's own clock: the first PCR PID's, between its PCRs by position.
  std::vector<Pending> pending;
  std::optional<Pid> clock_pid;
  double clock_s = 0;
  std::uint64_t since_pcr = 0;
  std::uint64_t timed_packets = 0;
  double timed_s = 0;
  std::optional<std::int64_t> first_arrival_ns;
  std::int64_t last_arrival_ns = 0;
};

std::optional<double> StreamAnalyzer::Impl::now() const noexcept {
  if (first_arrival_ns) return static_cast<double>(last_arrival_ns - *first_arrival_ns) / 1e9;
  if (timed_packets == 0) return std::nullopt;
  return clock_s + static_cast<double>(since_pcr) * average_step();
}

void StreamAnalyzer::Impl::interval(std::optional<double>& last, double limit, std::uint64_t& errors) {
  note({since_pcr, &last, limit, &errors});
}

void StreamAnalyzer::Impl::due_from_now(std::optional<double>& last) { note({since_pcr, &last, 0, nullptr}); }

void StreamAnalyzer::Impl::note(const Pending& event) {
  pending.push_back(event);
  if (first_arrival_ns || pending.size() == kMaxPending) settle(average_step());
}

// With arrivals at once; else at the next PCR, as a rate taken from the past would be wrong by as much as the
// stream's varies: by half a second and more where PCRs are a second apart. For the same reason nothing is
// late in a file's last packets, after its last PCR, unless they are many.
void StreamAnalyzer::Impl::settle(double seconds_per_packet) {
  for (const Pending& event : pending) {
    const double time = first_arrival_ns ? static_cast<double>(last_arrival_ns - *first_arrival_ns) / 1e9
                                         : clock_s + static_cast<double>(event.at) * seconds_per_packet;
    if (event.errors == nullptr) {
      if (!*event.last) *event.last = time;
      continue;
    }
    // Before the clock was known nothing was late: the first interval begins where it starts.
    if (time - event.last->value_or(0) > event.limit) ++*event.errors;
    *event.last = time;
  }
  pending.clear();
}

void StreamAnalyzer::Impl::on_packet(const TsPacket& packet, std::optional<std::int64_t> arrival_ns) {
  if (arrival_ns) {
    if (!first_arrival_ns) first_arrival_ns = arrival_ns;
    last_arrival_ns = *arrival_ns;
  }
  ++since_pcr;
  if (!packet.has_sync()) {
    ++totals.sync_byte_errors;
    return;
  }
  ++totals.packets;
  PidState& pid = state(packet.pid());
  ++pid.packets;
  if (packet.transport_error()) {  // nothing else in it can be believed
    ++pid.transport_errors;
    ++totals.transport_errors;
    return;
  }
  if (packet.pid() == kNullPid) {
    ++totals.null_packets;
    return;
  }
  if (packet.scrambling_control() != 0) {
    ++pid.scrambled;
    ++totals.scrambled;
    if (packet.pid() == kPatPid) ++totals.tr101290.pat_error;
    if (pid.is_pmt) ++totals.tr101290.pmt_error;
  }
  if (packet.discontinuity()) ++totals.discontinuity_indicators;
  bool duplicate = false;
  check_counter(pid, packet, duplicate);
  if (psi.wants(packet.pid())) take_sections(pid, packet, duplicate);
  if (duplicate) return;
  if (packet.has_pcr() && packet.valid()) take_pcr(pid, packet, arrival_ns);
  if (!psi.wants(packet.pid()) && (pid.is_media || pid.probe)) take_media(pid, packet);
}

void StreamAnalyzer::Impl::check_counter(PidState& pid, const TsPacket& packet, bool& duplicate) {
  if (pid.last_continuity >= 0) {
    auto verdict =
        check_continuity(static_cast<std::uint8_t>(pid.last_continuity), packet.continuity_counter(),
                         packet.has_payload(), packet.discontinuity(), pid.duplicate_seen);
    // The fast path does not keep the bytes; here they tell a duplicate from a loss of sixteen packets.
    if (verdict == Continuity::duplicate && !same_content(packet.bytes(), pid.last))
      verdict = Continuity::error;
    duplicate = verdict == Continuity::duplicate;
    if (duplicate) {
      ++pid.duplicates;
      ++totals.duplicates;
    }
    if (verdict == Continuity::error) {
      ++pid.cc_errors;
      ++totals.cc_errors;
    }
  }
  pid.duplicate_seen = duplicate;
  if (!packet.has_payload() && pid.last_continuity >= 0 && packet.continuity_counter() == pid.last_continuity)
    return;
  pid.last_continuity = packet.continuity_counter();
  std::copy(packet.bytes().begin(), packet.bytes().end(), pid.last.begin());
}

void StreamAnalyzer::Impl::take_pcr(PidState& pid, const TsPacket& packet,
                                    std::optional<std::int64_t> arrival_ns) {
  if (!pid.pcr) pid.pcr = std::make_unique<PcrMonitor>();
  const auto step = pid.pcr->on_pcr(*packet.pcr(), packet.discontinuity(), arrival_ns);
  if (!clock_pid) clock_pid = packet.pid();
  if (*clock_pid != packet.pid()) return;
  if (step.usable) {
    const double seconds = static_cast<double>(step.ticks) / static_cast<double>(kTicksPerSecond);
    settle(seconds / static_cast<double>(since_pcr));
    clock_s += seconds;
    timed_s += seconds;
    timed_packets += since_pcr;
  } else {
    settle(average_step());
    clock_s += static_cast<double>(since_pcr) * average_step();
  }
  since_pcr = 0;
}

void StreamAnalyzer::Impl::take_sections(PidState& pid, const TsPacket& packet, bool duplicate) {
  const auto events = psi.on_packet(packet);
  if (events.wrong_table) {
    ++(packet.pid() == kPatPid ? totals.tr101290.pat_error : totals.tr101290.cat_error);
  }
  if (events.streams_changed) update_roles();
  // One sent twice is one table, but it has come again.
  const bool again = duplicate && pid.ended_table;
  if (!duplicate) pid.ended_table = events.pat || events.pmt;
  if (packet.pid() == kPatPid && (events.pat || again))
    interval(pid.last_time, kTableIntervalS, totals.tr101290.pat_error);
  if (pid.is_pmt && (events.pmt || again))
    interval(pid.last_time, kTableIntervalS, totals.tr101290.pmt_error);
}

void StreamAnalyzer::Impl::take_media(PidState& pid, const TsPacket& packet) {
  if (pid.is_media) {
    interval(pid.last_time, kPidIntervalS, totals.tr101290.pid_error);
    if (starts_with_pts(packet)) interval(pid.last_pts_time, kPtsIntervalS, totals.tr101290.pts_error);
  }
  if (pid.probe && packet.scrambling_control() == 0) pid.probe->on_packet(packet);
}

void StreamAnalyzer::Impl::update_roles() {
  for (auto& slot : pids) {
    if (slot) slot->is_pmt = slot->is_media = false;
  }
  for (const auto& [number, program] : psi.programs()) {
    PidState& table = state(program.pmt_pid);
    table.is_pmt = true;
    if (!table.last_time) due_from_now(table.last_time);
    if (!program.pmt) continue;
    for (const auto& stream : program.pmt->streams) {
      PidState& pid = state(stream.pid);
      pid.is_media = is_video(stream_kind(stream)) || is_audio(stream_kind(stream));
      if (pid.is_media && !pid.last_time) {
        due_from_now(pid.last_time);
        due_from_now(pid.last_pts_time);
      }
      if (!codecs || pid.probe_asked || probes == kMaxCodecProbes) continue;
      pid.probe_asked = true;
      pid.probe = codecs(stream);
      if (pid.probe) ++probes;
    }
  }
}

double StreamAnalyzer::Impl::duration() const noexcept {
  // From PCR, as what a file says of itself and a live stream of its pace; with the average for what lies
  // outside.
  if (timed_packets > 0 && !first_arrival_ns) {
    return static_cast<double>(totals.packets) * timed_s / static_cast<double>(timed_packets);
  }
  return now().value_or(0);
}

ServiceInfo StreamAnalyzer::Impl::service(std::uint16_t number, const PsiCollector::Program& program) const {
  ServiceInfo out;
  out.program_number = number;
  out.pmt_pid = program.pmt_pid;
  if (const auto found = psi.services().find(number); found != psi.services().end()) {
    out.name = found->second.name();
    out.provider = found->second.provider();
    out.service_type = found->second.service_type();
    out.free_ca_mode = found->second.free_ca_mode;
  }
  if (!program.pmt) return out;
  out.has_pmt = true;
  out.pcr_pid = program.pmt->pcr_pid;
  for (const auto& stream : program.pmt->streams) {
    StreamInfo info;
    info.pid = stream.pid;
    info.stream_type = stream.stream_type;
    info.kind = stream_kind(stream);
    info.language = language(stream);
    if (const auto& pid = pids[stream.pid.value]) {
      info.present = pid->packets > 0;
      info.scrambled = pid->scrambled * 2 > pid->packets;
      if (pid->probe) info.codec = pid->probe->details();
    }
    out.streams.push_back(std::move(info));
  }
  return out;
}

// By PID, in one walk over the tables: a hostile stream names thousands of PIDs in each of thousands of
// programs. The first program that names a PID says what it is.
std::vector<const char*> StreamAnalyzer::Impl::labels() const {
  std::vector<const char*> label(kPidCount, "");
  std::vector<const char*> clock(kPidCount, "");
  const auto name = [&](Pid pid, const char* text) {
    if (*label[pid.value] == '\0') label[pid.value] = text;
  };
  name(kPatPid, "PAT");
  name(kCatPid, "CAT");
  name(kNitPid, "NIT");
  name(kSdtPid, "SDT/BAT");
  name(kEitPid, "EIT");
  name(kTdtPid, "TDT/TOT");
  name(kNullPid, "null");
  for (const auto& [number, program] : psi.programs()) {
    name(program.pmt_pid, "PMT");
    if (!program.pmt) continue;
    for (const auto& stream : program.pmt->streams) name(stream.pid, to_string(stream_kind(stream)));
    clock[program.pmt->pcr_pid.value] = "PCR";
  }
  for (std::size_t pid = 0; pid < kPidCount; ++pid) {
    if (*label[pid] == '\0') label[pid] = clock[pid];
  }
  return label;
}

// What is known only at the end: things that never came, or not again.
void StreamAnalyzer::Impl::absent(StreamReport& out) const {
  auto end = now();
  if (!end) return;
  if (!first_arrival_ns) end = clock_s + static_cast<double>(since_pcr) * tail_step();
  const auto overdue = [&](Pid pid, double limit) {
    const auto& slot = pids[pid.value];
    return *end - (slot && slot->last_time ? *slot->last_time : 0.0) > limit;
  };
  if (overdue(kPatPid, kTableIntervalS)) ++out.tr101290.pat_error;
  for (std::uint16_t value = 0; value < kPidCount; ++value) {
    const auto& slot = pids[value];
    if (slot && slot->is_pmt && overdue(Pid{value}, kTableIntervalS)) ++out.tr101290.pmt_error;
    if (slot && slot->is_media && overdue(Pid{value}, kPidIntervalS)) ++out.tr101290.pid_error;
  }
}

StreamAnalyzer::StreamAnalyzer(CodecProbeFactory codecs) : impl_(std::make_unique<Impl>(std::move(codecs))) {}
StreamAnalyzer::~StreamAnalyzer() = default;

void StreamAnalyzer::on_packet(const TsPacket& packet, std::optional<std::int64_t> arrival_ns) {
  impl_->on_packet(packet, arrival_ns);
}

void StreamAnalyzer::set_sync(const PacketReader::Counters& counters, std::size_t packet_size) {
  impl_->totals.skipped_bytes = counters.skipped_bytes;
  impl_->totals.sync_losses = counters.sync_losses;
  impl_->totals.sync_byte_errors = counters.sync_byte_errors;
  if (packet_size != 0) impl_->totals.packet_size = packet_size;
}

StreamReport StreamAnalyzer::report() const {
  impl_->settle(impl_->tail_step());
  const Impl& in = *impl_;
  StreamReport out = in.totals;
  out.bytes = out.packets * kPacketSize;
  out.crc_errors = in.psi.crc_errors();
  out.transport_stream_id = in.psi.transport_stream_id();
  out.original_network_id = in.psi.original_network_id();
  out.tables = in.psi.tables();
  out.duration_s = in.duration();
  if (out.duration_s > 0) out.bitrate = static_cast<double>(out.bytes) * 8 / out.duration_s;
  for (const auto& [number, program] : in.psi.programs()) out.services.push_back(in.service(number, program));
  const auto labels = in.labels();
  for (std::uint16_t value = 0; value < kPidCount; ++value) {
    const auto& slot = in.pids[value];
    if (!slot || slot->packets == 0) continue;
    PidInfo& pid = out.pids.emplace_back();
    pid.pid = Pid{value};
    pid.label = labels[value];
    pid.packets = slot->packets;
    pid.cc_errors = slot->cc_errors;
    pid.duplicates = slot->duplicates;
    pid.transport_errors = slot->transport_errors;
    pid.scrambled = slot->scrambled;
    if (out.packets > 0)
      pid.bitrate = out.bitrate * static_cast<double>(slot->packets) / static_cast<double>(out.packets);
    if (!slot->pcr) continue;
    pid.pcr = slot->pcr->info();
    out.tr101290.pcr_repetition_error += slot->pcr->repetition_errors();
    out.tr101290.pcr_discontinuity_indicator_error += slot->pcr->indicator_errors();
  }
  out.tr101290.ts_sync_loss = out.sync_losses;
  out.tr101290.sync_byte_error = out.sync_byte_errors;
  out.tr101290.continuity_count_error = out.cc_errors;
  out.tr101290.transport_error = out.transport_errors;
  out.tr101290.crc_error = out.crc_errors;
  if (out.scrambled > 0 && !in.psi.cat_seen()) ++out.tr101290.cat_error;
  in.absent(out);
  return out;
}

}  // namespace headgate::mpegts

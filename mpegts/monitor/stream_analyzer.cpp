#include "mpegts/monitor/stream_analyzer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "mpegts/monitor/buffer_indicators.h"
#include "mpegts/monitor/continuity.h"
#include "mpegts/monitor/cue_list.h"
#include "mpegts/monitor/pcr_monitor.h"
#include "mpegts/monitor/psi_collector.h"
#include "mpegts/monitor/service_names.h"
#include "mpegts/monitor/stream_monitor.h"
#include "mpegts/tstd/target_decoder.h"

namespace headgate::mpegts {
namespace {

constexpr std::size_t kMaxCodecProbes = 128;
constexpr std::size_t kMaxPending = 65'536;
constexpr double kTailS = 1.0;
constexpr std::int64_t kTickNs = 100'000'000;  // how often absences are judged

struct PidState {
  std::uint64_t packets = 0;
  std::uint64_t cc_errors = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t transport_errors = 0;
  std::uint64_t scrambled = 0;
  ContinuityState continuity;
  std::array<std::uint8_t, kPacketSize> last{};  // with payload
  std::unique_ptr<PcrMonitor> pcr;
  std::unique_ptr<PcrAccuracy> accuracy;
  std::unique_ptr<CodecProbe> probe;
  bool probe_asked = false;
};

// A packet for the monitor whose time is not known yet: in a file, that of what lies between two PCRs is
// known at the second.
struct Pending {
  std::uint64_t at = 0;  // packets since the PCR before
  std::array<std::uint8_t, kPacketSize> bytes{};
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

std::int64_t to_ns(double seconds) noexcept { return static_cast<std::int64_t>(std::llround(seconds * 1e9)); }

}  // namespace

struct StreamAnalyzer::Impl {
  explicit Impl(CodecProbeFactory factory) : codecs(std::move(factory)) {}

  void on_packet(const TsPacket& packet, std::optional<std::int64_t> arrival_ns);
  Continuity check_counter(PidState& pid, const TsPacket& packet);
  void take_pcr(PidState& pid, const TsPacket& packet, std::optional<std::int64_t> arrival_ns);
  void take_sections(const TsPacket& packet);
  void watch(const TsPacket& packet);
  void watch_at(const TsPacket& packet, std::int64_t ns);
  void settle(double seconds_per_packet);
  double tail_step() const noexcept {
    return static_cast<double>(since_pcr) * average_step() < kTailS ? 0 : average_step();
  }
  double average_step() const noexcept {  // seconds a packet
    return timed_packets > 0 ? timed_s / static_cast<double>(timed_packets) : 0;
  }
  void ask_for_probes();
  std::optional<double> now() const noexcept;
  std::optional<Pts90kHz> clock_of(Pid pid) const noexcept;
  double duration() const noexcept;
  PidState& state(Pid pid) {
    auto& slot = pids[pid.value];
    if (!slot) slot = std::make_unique<PidState>();
    return *slot;
  }
  ServiceInfo service(std::uint16_t number, const PsiCollector::Program& program) const;
  std::vector<const char*> labels(const std::vector<ServiceInfo>& services, const SiReport& si) const;
  void judge(StreamReport& out);

  CodecProbeFactory codecs;
  std::size_t probes = 0;
  std::array<std::unique_ptr<PidState>, kPidCount> pids;
  PsiCollector psi;
  CueList cues;
  StreamMonitor monitor{{kPidCount, 256, 1024}};
  std::int64_t next_tick_ns = kTickNs;
  StreamReport totals;           // the counters that need no working out
  std::uint64_t sent_again = 0;  // of the duplicates those beyond the second
  bool sync_set = false;
  DeliveryMonitor delivery;
  std::unique_ptr<TargetDecoder> decoder;

  // The stream's own clock: the first PCR PID's, between its PCRs by position.
  std::vector<Pending> pending;
  std::optional<Pid> clock_pid;
  double clock_s = 0;
  std::uint64_t since_pcr = 0;
  std::uint64_t position = 0;  // packets from the beginning on
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

// The latest PCR of the program that this PID belongs to.
std::optional<Pts90kHz> StreamAnalyzer::Impl::clock_of(Pid pid) const noexcept {
  const auto number = psi.program_of(pid);
  const auto program = psi.programs().find(number);
  if (number == 0 || program == psi.programs().end() || !program->second.pmt) return std::nullopt;
  const auto& slot = pids[program->second.pmt->pcr_pid.value];
  if (!slot || !slot->pcr) return std::nullopt;
  return Pts90kHz{slot->pcr->last().ticks / 300};
}

void StreamAnalyzer::Impl::watch(const TsPacket& packet) {
  if (!monitor.wants(packet)) return;
  if (first_arrival_ns) return watch_at(packet, last_arrival_ns - *first_arrival_ns);
  Pending& event = pending.emplace_back();
  event.at = since_pcr;
  std::copy(packet.bytes().begin(), packet.bytes().end(), event.bytes.begin());
  if (pending.size() == kMaxPending) settle(average_step());
}

void StreamAnalyzer::Impl::watch_at(const TsPacket& packet, std::int64_t ns) {
  if (ns >= next_tick_ns) {
    monitor.on_time(ns);
    next_tick_ns = ns + kTickNs;
  }
  monitor.on_packet(packet, ns);
}

// At the next PCR, as a rate taken from the past would be wrong by as much as the stream's varies: by half a
// second and more where PCRs are a second apart. For the same reason nothing is late in a file's last
// packets, after its last PCR, unless they are many. Before the clock was known nothing was late.
void StreamAnalyzer::Impl::settle(double seconds_per_packet) {
  for (const Pending& event : pending)
    watch_at(TsPacket{event.bytes}, to_ns(clock_s + static_cast<double>(event.at) * seconds_per_packet));
  pending.clear();
}

void StreamAnalyzer::Impl::on_packet(const TsPacket& packet, std::optional<std::int64_t> arrival_ns) {
  if (arrival_ns) {
    if (!first_arrival_ns) first_arrival_ns = arrival_ns;
    last_arrival_ns = *arrival_ns;
  }
  ++since_pcr;
  ++position;
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
  }
  if (packet.discontinuity()) ++totals.discontinuity_indicators;
  const std::uint64_t errors = pid.cc_errors;
  const bool duplicate = is_repetition(check_counter(pid, packet));
  if (psi.wants(packet.pid())) take_sections(packet);
  if (!duplicate && packet.has_pcr() && packet.valid()) take_pcr(pid, packet, arrival_ns);
  watch(packet);
  if (decoder && !arrival_ns) decoder->on_packet(packet, position, duplicate, pid.cc_errors != errors);
  if (!duplicate && pid.probe && packet.scrambling_control() == 0) pid.probe->on_packet(packet);
}

Continuity StreamAnalyzer::Impl::check_counter(PidState& pid, const TsPacket& packet) {
  const std::uint8_t before = pid.continuity.last;
  const Continuity verdict =
      pid.continuity.take(packet, [&] { return same_content(packet.bytes(), pid.last); });
  if (is_repetition(verdict)) {
    sent_again += verdict == Continuity::again ? 1 : 0;
    ++pid.duplicates;
    ++totals.duplicates;
  } else if (verdict == Continuity::error) {
    ++pid.cc_errors;
    ++totals.cc_errors;
    totals.cc_lost += pid.continuity.missing(before, packet);
  }
  if (packet.has_payload()) std::copy(packet.bytes().begin(), packet.bytes().end(), pid.last.begin());
  return verdict;
}

void StreamAnalyzer::Impl::take_pcr(PidState& pid, const TsPacket& packet,
                                    std::optional<std::int64_t> arrival_ns) {
  if (!pid.pcr) pid.pcr = std::make_unique<PcrMonitor>();
  const auto step = pid.pcr->on_pcr(*packet.pcr(), packet.discontinuity(), arrival_ns);
  if (!arrival_ns) {
    if (!pid.accuracy) pid.accuracy = std::make_unique<PcrAccuracy>();
    const auto ticks = step.usable ? std::optional(step.ticks) : std::nullopt;
    pid.accuracy->on_pcr(position, ticks);
    if (decoder) decoder->on_pcr(packet.pid(), *packet.pcr(), ticks, position);
  }
  if (!clock_pid) clock_pid = packet.pid();
  if (*clock_pid != packet.pid()) return;
  if (arrival_ns) delivery.on_pcr(*packet.pcr(), packet.discontinuity(), position * kPacketSize, *arrival_ns);
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

void StreamAnalyzer::Impl::take_sections(const TsPacket& packet) {
  const auto arrival = first_arrival_ns ? std::optional(last_arrival_ns) : std::nullopt;
  const auto events = psi.on_packet(packet, arrival);
  if (events.streams_changed) ask_for_probes();
  for (const auto& section : events.cues)
    cues.on_section(packet.pid(), section, now().value_or(0), clock_of(packet.pid()));
}

void StreamAnalyzer::Impl::ask_for_probes() {
  for (const auto& [number, program] : psi.programs()) {
    if (!program.pmt) continue;
    if (decoder) decoder->on_pmt(program.pmt_pid, *program.pmt);
    if (!codecs) continue;
    for (const auto& stream : program.pmt->streams) {
      PidState& pid = state(stream.pid);
      if (pid.probe_asked || psi.wants(stream.pid) || probes == kMaxCodecProbes) continue;
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
std::vector<const char*> StreamAnalyzer::Impl::labels(const std::vector<ServiceInfo>& services,
                                                      const SiReport& si) const {
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
  name(kPsipPid, "PSIP");
  for (const auto& [number, program] : psi.programs()) {
    name(program.pmt_pid, "PMT");
    if (!program.pmt) continue;
    for (const auto& stream : program.pmt->streams)
      name(stream.pid, is_ait(stream) ? "AIT" : to_string(stream_kind(stream)));
    clock[program.pmt->pcr_pid.value] = "PCR";
  }
  for (const ServiceInfo& service : services) {
    for (const CaSystem& ca : service.ca) name(ca.pid, "ECM");
  }
  for (const CaSystem& ca : si.emm) name(ca.pid, "EMM");
  for (const MgtTable& table : si.mgt) name(table.pid, psip_name(table.type));
  for (std::size_t pid = 0; pid < kPidCount; ++pid) {
    if (*label[pid] == '\0') label[pid] = clock[pid];
  }
  return label;
}

void StreamAnalyzer::Impl::judge(StreamReport& out) {
  settle(tail_step());
  if (auto end = now()) {
    if (!first_arrival_ns) end = clock_s + static_cast<double>(since_pcr) * tail_step();
    monitor.on_time(to_ns(*end));
  }
  using enum Indicator;
  IndicatorCounts& counts = out.tr101290;
  counts = monitor.counts();
  counts[ts_sync_loss] = totals.sync_losses;
  counts[sync_byte_error] = totals.sync_byte_errors;
  counts[continuity_count_error] = totals.cc_errors + sent_again;
  counts[transport_error] = totals.transport_errors;
  const auto unmeasured = [&](Indicator indicator) -> bool& {
    return out.unmeasured[static_cast<std::size_t>(indicator)];
  };
  for (const Indicator none : {buffer_error, empty_buffer_error, data_delay_error}) unmeasured(none) = true;
  judge_buffers(out);
  for (const IndicatorInfo& info : kIndicators) {
    if (!monitor.judged(info.indicator, to_ns(now().value_or(0))))
      unmeasured(info.indicator) = counts[info.indicator] == 0;
  }
  unmeasured(pcr_accuracy_error) = true;
  for (const PidInfo& pid : out.pids) {
    if (!pid.pcr || !pid.pcr->accuracy || !pid.pcr->accuracy->constant_rate) continue;
    unmeasured(pcr_accuracy_error) = false;
    counts[pcr_accuracy_error] += pid.pcr->accuracy->errors;
  }
  for (const auto& slot : pids) {
    if (!slot || !slot->pcr) continue;
    counts[pcr_repetition_error] += slot->pcr->repetition_errors();
    counts[pcr_discontinuity_indicator_error] += slot->pcr->indicator_errors();
  }
}

// Of each service what its PIDs take.
static void add_bitrates(StreamReport& out) {
  std::vector<double> bitrate(kPidCount, 0);
  for (const PidInfo& pid : out.pids) bitrate[pid.pid.value] = pid.bitrate;
  for (ServiceInfo& service : out.services) {
    std::vector<Pid> of{service.pmt_pid};
    if (service.pcr_pid != kNullPid) of.push_back(service.pcr_pid);
    for (const StreamInfo& stream : service.streams) of.push_back(stream.pid);
    std::sort(of.begin(), of.end());
    of.erase(std::unique(of.begin(), of.end()), of.end());
    for (const Pid pid : of) service.bitrate += bitrate[pid.value];
  }
}

StreamAnalyzer::StreamAnalyzer(CodecProbeFactory codecs) : impl_(std::make_unique<Impl>(std::move(codecs))) {}
StreamAnalyzer::~StreamAnalyzer() = default;

void StreamAnalyzer::model_decoder() { impl_->decoder = std::make_unique<TargetDecoder>(); }

void StreamAnalyzer::on_packet(const TsPacket& packet, std::optional<std::int64_t> arrival_ns) {
  impl_->on_packet(packet, arrival_ns);
}

void StreamAnalyzer::on_datagram(std::span<const std::uint8_t> packets, std::int64_t arrival_ns) {
  DeliveryMonitor& delivery = impl_->delivery;
  const std::uint64_t before = delivery.seconds();
  delivery.on_datagram(arrival_ns, packets.size());
  if (delivery.seconds() != before) {
    if (!impl_->totals.delivery) impl_->totals.delivery.emplace();
    impl_->totals.delivery->add(*delivery.last());
  }
  for (std::size_t at = 0; at + kPacketSize <= packets.size(); at += kPacketSize)
    impl_->on_packet(TsPacket(packets.subspan(at).first<kPacketSize>()), arrival_ns);
}

void StreamAnalyzer::set_sync(const PacketReader::Counters& counters, std::size_t packet_size) {
  impl_->totals.skipped_bytes = counters.skipped_bytes;
  impl_->totals.sync_losses = counters.sync_losses;
  impl_->totals.sync_byte_errors = counters.sync_byte_errors;
  if (packet_size != 0) impl_->totals.packet_size = packet_size;
}

StreamReport StreamAnalyzer::report() const {
  const Impl& in = *impl_;
  if (in.decoder) in.decoder->finish();
  StreamReport out = in.totals;
  out.bytes = out.packets * kPacketSize;
  out.crc_errors = in.psi.crc_errors();
  out.transport_stream_id = in.psi.transport_stream_id();
  out.original_network_id = in.psi.original_network_id();
  out.tables = in.psi.tables();
  out.cues = in.cues.cues();
  for (CueInfo& cue : out.cues) cue.program_number = in.psi.program_of(cue.pid);
  out.cues_beyond = in.cues.beyond();
  out.cues_damaged = in.cues.damaged();
  out.duration_s = in.duration();
  if (out.duration_s > 0) out.bitrate = static_cast<double>(out.bytes) * 8 / out.duration_s;
  for (const auto& [number, program] : in.psi.programs()) out.services.push_back(in.service(number, program));
  out.si = in.psi.si();
  name_services(out, in.psi);
  const auto labels = in.labels(out.services, out.si);
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
    if (slot->pcr) pid.pcr = slot->pcr->info();
    if (slot->accuracy) pid.pcr->accuracy = slot->accuracy->info();
    if (in.decoder && !in.first_arrival_ns) pid.tstd = in.decoder->info(pid.pid);
  }
  add_bitrates(out);
  impl_->judge(out);
  return out;
}

}  // namespace headgate::mpegts

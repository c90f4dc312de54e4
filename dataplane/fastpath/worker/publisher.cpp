#include "dataplane/fastpath/worker/publisher.h"

#include <rte_cycles.h>

#include <algorithm>
#include <cstring>

#include "dataplane/fastpath/worker/multiplex.h"
#include "dataplane/fastpath/worker/pipe.h"
#include "dataplane/fastpath/worker/worker_clock.h"

namespace headgate::fastpath {
namespace {

constexpr std::int64_t kRoundNs = 200'000'000;  // every entry once in this time
constexpr std::int64_t kMinStepNs = 1'000'000;

void set(protocol::Counter& counter, std::uint64_t value) noexcept {
  counter.store(value, std::memory_order_relaxed);
}
void set_time(protocol::Counter& counter, std::int64_t value) noexcept {
  set(counter, static_cast<std::uint64_t>(value));
}

void set_drops(protocol::Drops& drops, const PlainDrops& values) noexcept {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != 0) set(drops[i], values[i]);
  }
}

static_assert(mpegts::kIndicatorCount <= protocol::kMaxIndicators);

// `leaving`: of an own output.
void set_indicators(protocol::IndicatorStats& stats, const Inspector& inspector,
                    const Leaving* leaving = nullptr) noexcept {
  const mpegts::IndicatorCounts counts = inspector.indicators();
  std::uint64_t judged = 0;
  for (std::size_t i = 0; i < mpegts::kIndicatorCount; ++i) {
    const auto indicator = static_cast<mpegts::Indicator>(i);
    set(stats.errors[i], counts[indicator]);
    judged |= std::uint64_t{inspector.judged(indicator)} << i;
  }
  if (leaving != nullptr && leaving->constant_rate) {
    constexpr auto kPlace = static_cast<std::size_t>(mpegts::Indicator::pcr_accuracy_error);
    set(stats.errors[kPlace], leaving->pcr_accuracy_errors);
    judged |= std::uint64_t{1} << kPlace;
  }
  set(stats.judged, judged);
}

// What several services share counts for each.
void set_services(protocol::InputStats& stats, const Inspector& inspector) noexcept {
  std::size_t count = 0;
  std::uint64_t sum = 0;
  const auto pids = inspector.program_pids();
  for (std::size_t i = 0; i < pids.size() && count < stats.services.size(); ++i) {
    sum += inspector.bitrate_of(pids[i].pid);
    if (i + 1 < pids.size() && pids[i + 1].program_number == pids[i].program_number) continue;
    protocol::ServiceStats& service = stats.services[count++];
    service.program_number.store(pids[i].program_number, std::memory_order_relaxed);
    service.bitrate_bps.store(static_cast<std::uint32_t>(std::min<std::uint64_t>(sum, 0xFFFFFFFF)),
                              std::memory_order_relaxed);
    sum = 0;
  }
  stats.service_count.store(static_cast<std::uint32_t>(count), std::memory_order_release);
}

// `accuracy`: of the last second, in ns.
void set_pcr_accuracy(protocol::ChannelStats& stats, Leaving& leaving,
                      std::optional<std::uint64_t> accuracy) noexcept {
  set(stats.pcr_accuracy_max_ns, accuracy ? *accuracy + 1 : 0);
  leaving.constant_rate = accuracy.has_value();
  constexpr auto kLimit = static_cast<std::uint64_t>(mpegts::kPcrAccuracyLimit.count());
  if (accuracy && *accuracy > kLimit) ++leaving.pcr_accuracy_errors;
}

// Of datagrams that still come.
void set_delivery(protocol::InputStats& stats, const InputRuntime& input, std::int64_t now) noexcept {
  constexpr std::int64_t kSilenceNs = 3'000'000'000;
  constexpr std::uint64_t kPacketsOfDatagram = 7;
  const auto& second = input.inspector.delivery();
  const bool comes = second && now - input.last_packet_ns < kSilenceNs;
  const auto measured = [&](protocol::Counter& counter, std::optional<std::int64_t> value) {
    set(counter, comes && value ? static_cast<std::uint64_t>(*value) + 1 : 0);
  };
  const auto last = second.value_or(mpegts::DeliveryMonitor::Second{});
  measured(stats.gap_min_ns, last.gap_min_ns);
  measured(stats.gap_mean_ns, last.gap_mean_ns);
  measured(stats.gap_max_ns, last.gap_max_ns);
  measured(stats.delay_factor_ns, last.delay_factor_ns);
  measured(stats.pcr_jitter_ns, last.pcr_jitter_ns);
  const RtpTracker& rtp = input.rtp_tracker;
  set(stats.media_lost,
      input.rtp ? (rtp.lost() + rtp.reordered()) * kPacketsOfDatagram : input.inspector.totals().cc_lost);
}

std::uint16_t program_of(const Inspector& inspector, mpegts::Pid pid) noexcept {
  for (const auto& it : inspector.program_pids()) {
    if (it.pid == pid) return it.program_number;
  }
  return 0;
}

void tell(protocol::StatsPage& page, std::size_t input, const mpegts::CueTap::Cue& cue,
          std::int64_t now) noexcept {
  const std::uint64_t number = page.cues_told.fetch_add(1, std::memory_order_relaxed);
  protocol::CueSlot& slot = page.cues[number % protocol::kCueSlots];
  slot.sequence.store(2 * number + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  slot.input.store(static_cast<std::uint32_t>(input), std::memory_order_relaxed);
  slot.pid.store(cue.pid.value, std::memory_order_relaxed);
  slot.size.store(cue.size, std::memory_order_relaxed);
  set_time(slot.unix_ns, now);
  set(slot.clock, cue.clock ? cue.clock->ticks + 1 : 0);
  for (std::size_t i = 0; i < slot.section.size(); ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, cue.bytes.data() + 8 * i, 8);
    slot.section[i].store(word, std::memory_order_relaxed);
  }
  slot.sequence.store(2 * number + 2, std::memory_order_release);
}

}  // namespace

Publisher::Publisher(protocol::StatsPage* page, TimelineStore* timelines,
                     const std::vector<PortRuntime*>& ports)
    : page_(page), timelines_(timelines), ports_(ports) {}

std::int64_t Publisher::clock_base_ns() const noexcept {
  return page_ != nullptr ? page_->clock_base_ns : WorkerClock::base_now();
}

void Publisher::adopt(const Snapshot* snapshot) noexcept {
  snapshot_ = snapshot;
  cursor_ = 0;
}

void Publisher::turn(std::int64_t now, std::int64_t steps_ns) noexcept {
  if (now < next_ns_ && next_ns_ - now <= kRoundNs) return;
  steps_ns_ = steps_ns;
  std::size_t entries = 1;
  if (snapshot_ != nullptr)
    entries += snapshot_->inputs.size() + snapshot_->outputs.size() + snapshot_->pipes.size() +
               snapshot_->multiplexes.size();
  const std::int64_t step = std::max(kMinStepNs, kRoundNs / static_cast<std::int64_t>(entries));
  next_ns_ = now + step;
  const std::size_t batch = 1 + entries * static_cast<std::size_t>(step) / static_cast<std::size_t>(kRoundNs);
  for (std::size_t i = 0; i < batch; ++i) this->step(now);
}

void Publisher::all(std::int64_t now, std::int64_t steps_ns) noexcept {
  steps_ns_ = steps_ns;
  cursor_ = 0;
  do step(now);
  while (cursor_ != 0);
}

void Publisher::step(std::int64_t now) noexcept {
  const std::size_t inputs = snapshot_ != nullptr ? snapshot_->inputs.size() : 0;
  const std::size_t outputs = snapshot_ != nullptr ? snapshot_->outputs.size() : 0;
  const std::size_t pipes = snapshot_ != nullptr ? snapshot_->pipes.size() : 0;
  const std::size_t multiplexes = snapshot_ != nullptr ? snapshot_->multiplexes.size() : 0;
  const std::size_t i = cursor_++;
  if (i < inputs)
    return publish(*snapshot_->inputs[i], snapshot_->input_cuts[i], snapshot_->input_timelines[i], now);
  if (i < inputs + outputs) return publish(*snapshot_->outputs[i - inputs], now);
  if (i < inputs + outputs + pipes) return publish(*snapshot_->pipes[i - inputs - outputs].pipe, now);
  if (i < inputs + outputs + pipes + multiplexes)
    return publish(*snapshot_->multiplexes[i - inputs - outputs - pipes].multiplex, now);
  publish_ports_and_worker(now);
  cursor_ = 0;
}

void Publisher::count_turn(std::size_t packets, std::uint64_t busy_cycles, std::uint64_t cycles) noexcept {
  ++polls_;
  packets_ += packets;
  busy_cycles_ += busy_cycles;
  total_cycles_ += cycles;
}

void Publisher::publish(InputRuntime& input, const Cut* cut, std::size_t timeline_place,
                        std::int64_t now) noexcept {
  const Inspector::Totals& totals = input.inspector.totals();
  const std::int64_t window = input.rate.close(totals.ts_packets, now, input.bitrate_bps);
  if (window > 0 && timelines_ != nullptr && timeline_place != kNoIndex)
    timelines_->save(timeline_place, input.inspector.timeline().state());
  if (page_ == nullptr || input.stats_index == kNoIndex) return;
  protocol::InputStats& stats = page_->inputs[input.stats_index];
  set(stats.datagrams, input.datagrams);
  set(stats.bytes, input.bytes);
  set(stats.ts_packets, totals.ts_packets);
  set(stats.cc_errors, totals.cc_errors);
  set(stats.duplicates, totals.duplicates);
  set(stats.transport_errors, totals.transport_errors);
  set(stats.sync_errors, totals.sync_errors);
  set(stats.sync_losses, totals.sync_losses);
  set(stats.scrambled, totals.scrambled);
  set(stats.null_packets, totals.null_packets);
  set(stats.rtp_lost, input.rtp_tracker.lost());
  set(stats.rtp_duplicates, input.rtp_tracker.duplicates());
  set(stats.rtp_reordered, input.rtp_tracker.reordered());
  set(stats.pcr_count, totals.pcr_count);
  set(stats.pcr_discontinuities, totals.pcr_discontinuities);
  set(stats.pcr_repetition_errors, totals.pcr_repetition_errors);
  set(stats.pcr_indicator_errors, totals.pcr_indicator_errors);
  set_time(stats.last_packet_unix_ns, input.last_packet_ns);
  set_time(stats.first_packet_unix_ns, input.first_packet_ns);
  set(stats.bitrate_bps, input.bitrate_bps);
  set(stats.ring_slots, input.ring_slots);
  set(stats.service_state, cut != nullptr ? static_cast<std::uint64_t>(cut->filter.state()) + 1 : 0);
  set(stats.program_number, cut != nullptr ? cut->filter.program_number().value_or(0) : 0);
  set(stats.services_seen, cut != nullptr ? cut->filter.services() : 0);
  set(stats.troubles, input.troubles);
  set(stats.buffer_packets, input.buffer_packets);
  set_time(stats.buffer_level_ns, input.buffer_level_ns);
  set(stats.buffer_underflows, input.buffer_underflows);
  set(stats.buffer_overflows, input.buffer_overflows);
  set_time(stats.clock_drift_ppb, input.clock_drift_ppb);
  set(stats.wrong_port, input.wrong_port);
  set(stats.wrong_source, input.wrong_source);
  set_indicators(stats.tr101290, input.inspector);
  set_delivery(stats, input, now);
  set_drops(stats.drops, input.drops);
  publish_cues(input, cut, stats, now);
  if (window > 0) set(stats.pcr_interval_max_ns, input.inspector.take_pcr_interval_max());
  publish_pids(input, stats, window);
  if (window > 0) set_services(stats, input.inspector);
}

void Publisher::publish_cues(InputRuntime& input, const Cut* cut, protocol::InputStats& stats,
                             std::int64_t now) noexcept {
  mpegts::CueTap* const cues = input.inspector.cues();
  if (cues == nullptr) return;
  for (const auto* cue = cues->front(); cue != nullptr; cue = cues->front()) {
    // Of the other services nobody here asks.
    if (cut == nullptr || cut->filter.program_number() == program_of(input.inspector, cue->pid)) {
      tell(*page_, input.stats_index, *cue, now);
      ++input.cues;
    }
    cues->drop();
  }
  set(stats.cues, input.cues + cues->beyond());
}

void Publisher::publish_pids(InputRuntime& input, protocol::InputStats& stats,
                             std::int64_t window_ns) noexcept {
  const std::size_t known = input.inspector.pid_count();
  const std::size_t shown = std::min(known, protocol::kMaxPidStats);
  for (std::size_t i = 0; i < known; ++i) {
    const Inspector::PidView view = input.inspector.pid_at(i);
    if (window_ns > 0) {
      const std::uint32_t came = view.hot->packets - view.cold->packets_at_mark;
      view.cold->packets_at_mark = view.hot->packets;
      view.cold->bitrate_bps = static_cast<std::uint32_t>(
          std::min<std::uint64_t>(RateWindow::rate_of(came, window_ns), 0xFFFFFFFF));
    }
    if (i >= shown) continue;
    protocol::PidStats& pid = stats.pids[i];
    pid.pid.store(view.pid.value, std::memory_order_relaxed);
    pid.has_pcr.store(view.cold->has_pcr, std::memory_order_relaxed);
    pid.scrambled_now.store(view.hot->scrambled_now, std::memory_order_relaxed);
    set(pid.packets, view.hot->packets);
    set(pid.cc_errors, view.cold->cc_errors);
    set(pid.scrambled, view.cold->scrambled);
    set(pid.bitrate_bps, view.cold->bitrate_bps);
  }
  stats.pid_count.store(static_cast<std::uint32_t>(shown), std::memory_order_release);
  stats.pids_beyond.store(static_cast<std::uint32_t>(known - shown), std::memory_order_relaxed);
}

void Publisher::publish(OutputRuntime& output, std::int64_t now) noexcept {
  output.rate.close(output.ts_packets, now, output.bitrate_bps);
  if (page_ == nullptr || output.stats_index == kNoIndex) return;
  protocol::OutputStats& stats = page_->outputs[output.stats_index];
  set(stats.datagrams, output.datagrams);
  set(stats.bytes, output.ts_packets * mpegts::kPacketSize);
  set(stats.ts_packets, output.ts_packets);
  set_time(stats.last_packet_unix_ns, output.last_packet_ns);
  set(stats.bitrate_bps, output.bitrate_bps);
  if (output.leaving != nullptr)
    set_indicators(stats.tr101290, output.leaving->inspector, output.leaving);
  else
    set(stats.tr101290.judged, 0);
  set_drops(stats.drops, output.drops);
}

void Publisher::publish(Pipe& pipe, std::int64_t now) noexcept {
  std::uint64_t unused = 0;
  const std::int64_t window = pipe.window.close(0, now, unused);
  if (window > 0 && timelines_ != nullptr && pipe.timeline_index != kNoIndex) {
    mpegts::Timeline::State state = pipe.timeline().state();
    state.arrival_ns += steps_ns_;
    timelines_->save(pipe.timeline_index, state);
  }
  if (page_ == nullptr || pipe.stats_index == kNoIndex) return;
  protocol::ChannelStats& stats = page_->channels[pipe.stats_index];
  const Pipe::Figures figures = pipe.figures();
  set(stats.on_air, figures.on_air);
  set(stats.wanted, figures.wanted);
  set(stats.forced, figures.forced);
  set_time(stats.switched_unix_ns, figures.switched_ns);
  set(stats.switches, figures.switches);
  set(stats.hard_switches, figures.hard_switches);
  set(stats.filler_packets, figures.filler_packets);
  set(stats.left_out, figures.left_out);
  set(stats.null_packets, figures.null_packets);
  set(stats.rate_dropped, figures.rate_dropped);
  set(stats.multiplex_dropped, figures.multiplex_dropped);
  set(stats.crowded, figures.crowded);
  const Pipe::Lateness& lateness = pipe.lateness();
  for (std::size_t i = 0; i < lateness.departures.size(); ++i)
    set(stats.departures[i], lateness.departures[i]);
  set(stats.departure_late_ns, lateness.sum_ns);
  if (window <= 0) return;
  set(stats.departure_late_max_ns, pipe.take_late_max());
  set_pcr_accuracy(stats, pipe.leaving, pipe.take_pcr_accuracy_max());
}

void Publisher::publish(Multiplex& multiplex, std::int64_t now) noexcept {
  const Multiplex::Figures figures = multiplex.figures();
  const std::int64_t window =
      multiplex.window.close(figures.packets - figures.null_packets, now, multiplex.members_bps);
  if (page_ == nullptr || multiplex.stats_index == kNoIndex) return;
  protocol::ChannelStats& stats = page_->channels[multiplex.stats_index];
  set(stats.null_packets, figures.null_packets);
  set(stats.rate_dropped, figures.dropped);
  set(stats.members_in, figures.members_in);
  set(stats.members_bps, multiplex.members_bps);
  const Pipe::Lateness& lateness = multiplex.lateness();
  for (std::size_t i = 0; i < lateness.departures.size(); ++i)
    set(stats.departures[i], lateness.departures[i]);
  set(stats.departure_late_ns, lateness.sum_ns);
  if (window <= 0) return;
  set(stats.departure_late_max_ns, multiplex.take_late_max());
  set_pcr_accuracy(stats, multiplex.leaving, multiplex.take_pcr_accuracy_max());
}

void Publisher::publish_ports_and_worker(std::int64_t now) noexcept {
  if (page_ == nullptr) return;
  for (const PortRuntime* port : ports_) {
    if (port->stats_index == kNoIndex) continue;
    protocol::InterfaceStats& stats = page_->interfaces[port->stats_index];
    set(stats.rx_packets, port->rx_packets);
    set(stats.rx_bytes, port->rx_bytes);
    set(stats.tx_packets, port->tx_packets);
    set(stats.tx_bytes, port->tx_bytes);
    set_drops(stats.drops, port->drops);
  }
  protocol::WorkerStats& worker = page_->workers[0];
  set(worker.polls, polls_);
  set(worker.packets, packets_);
  set(worker.busy_cycles, busy_cycles_);
  set(worker.total_cycles, total_cycles_);
  set(worker.tsc_hz, rte_get_tsc_hz());
  set(worker.unknown_slots, unknown_slots_);
  worker.in_use.store(1, std::memory_order_release);
  set_time(page_->heartbeat_unix_ns, now);
}

}  // namespace headgate::fastpath

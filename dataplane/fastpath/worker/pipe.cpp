#include "dataplane/fastpath/worker/pipe.h"

#include <algorithm>
#include <cstring>

#include "dataplane/fastpath/switch/failover.h"
#include "mpegts/mux/rate_schedule.h"
#include "mpegts/remux/splicer.h"

namespace headgate::fastpath {
namespace {

using mpegts::kPacketSize;
using protocol::DropReason;

constexpr std::int64_t kPcrPidSilenceNs = 2'000'000'000;
constexpr std::int64_t kLiveNs = 1'000'000'000;

mpegts::TsPacket packet_at(std::span<const std::uint8_t> packets, std::size_t at) noexcept {
  return mpegts::TsPacket(packets.subspan(at).first<kPacketSize>());
}

// More than half of what came since the last look began with no 0x47 (TR 101 290 1.1).
bool look_at_sync(Feed& feed) noexcept {
  const InputRuntime& input = *feed.input;
  const Inspector::Totals& totals = input.inspector.totals();
  const std::uint64_t refused =
      input.drops[static_cast<std::size_t>(DropReason::no_sync)] * ring::kMaxPacketsPerSlot;
  const std::uint64_t packets = totals.ts_packets + refused;
  const std::uint64_t unsynchronous = totals.sync_errors + refused;
  if (packets != feed.packets_mark)
    feed.synchronous = (unsynchronous - feed.unsynchronous_mark) * 2 <= packets - feed.packets_mark;
  feed.packets_mark = packets;
  feed.unsynchronous_mark = unsynchronous;
  return feed.synchronous;
}

void look_at_buffer(Feed& feed) noexcept {
  InputRuntime& input = *feed.input;
  if (feed.playout == nullptr) {
    input.buffer_packets = 0;
    input.buffer_level_ns = 0;
    return;
  }
  const mpegts::Playout::Counters& counters = feed.playout->counters();
  input.buffer_packets = counters.waiting;
  input.buffer_level_ns = counters.level_ns;
  input.clock_drift_ppb = counters.drift_ppb;
  input.buffer_underflows += counters.underflows - feed.underflows_mark;
  input.buffer_overflows += counters.overflows - feed.overflows_mark;
  feed.underflows_mark = counters.underflows;
  feed.overflows_mark = counters.overflows;
}

InputView view_of(Feed& feed, std::int64_t now_ns) noexcept {
  InputView view;
  view.last_packet_ns = feed.last_packet_ns;
  view.last_pat_ns = feed.watch.last_pat_ns();
  view.last_pmt_ns = feed.watch.last_pmt_ns();
  view.last_pcr_ns = feed.watch.last_pcr_ns();
  view.tables_expected = feed.watch.tables_expected();
  view.synchronous = look_at_sync(feed);
  view.scrambled = feed.watch.scrambled();
  view.cc_errors = feed.input->inspector.totals().cc_errors;
  feed.rate.close(feed.packets, now_ns, feed.bitrate_bps);
  view.bitrate_bps = feed.bitrate_bps;
  view.pid_missing = feed.watch.pid_missing(now_ns);
  const InputRuntime::Verdict& verdict = feed.input->verdict;
  view.watched = verdict.fresh.load(std::memory_order_acquire);
  const std::uint32_t seen = verdict.seen.load(std::memory_order_relaxed);
  const auto since = [&](std::size_t place) -> std::int64_t {
    if ((seen >> place & 1) == 0) return 0;
    return std::max<std::int64_t>(1, now_ns - verdict.lasts_ns[place].load(std::memory_order_relaxed));
  };
  view.black_since_ns = since(0);
  view.frozen_since_ns = since(1);
  view.silence_since_ns = since(2);
  return view;
}

}  // namespace

void Pipe::adopt(const PipePlan& plan, PipeSink& sink, std::int64_t now_ns) noexcept {
  if (plan.rate != rate_) set_rate(plan.rate);
  plan_ = &plan;
  sink_ = &sink;
  splicer_ = plan.splicer;
  gathers_ = plan.to_bridge || (rate_ == nullptr && plan.output_count > 0);
  if (!gathers_) gathered_ = 0;
  if (std::find(plan.feeds.begin(), plan.feeds.end(), on_air_) == plan.feeds.end()) on_air_ = nullptr;
  if (failover_ != plan.failover) {
    failover_ = plan.failover;
    begin_choice(now_ns);
  }
  failover_->set_policy(plan.policy);
  if (plan.forced == kNoIndex) {
    failover_->release();
  } else {
    failover_->force(plan.forced);
  }
  observe(now_ns);
}

// Whoever is on air stays there; else the first that comes in, so that a channel that gets another input goes
// on with the one it has.
void Pipe::begin_choice(std::int64_t now_ns) noexcept {
  const auto live = [&](const Feed* feed) {
    const std::int64_t last = feed->input->last_packet_ns;
    return on_air_ != nullptr ? feed == on_air_ : last != 0 && now_ns - last < kLiveNs;
  };
  const auto first = std::find_if(plan_->feeds.begin(), plan_->feeds.end(), live);
  if (first == plan_->feeds.end()) return;
  failover_->force(static_cast<std::size_t>(first - plan_->feeds.begin()));
  observe(now_ns);
}

void Pipe::set_rate(mpegts::RateSchedule* rate) noexcept {
  if (rate_ != nullptr) {
    const auto counters = rate_->counters();
    former_nulls_ += counters.nulls;
    former_rate_dropped_ += counters.all_dropped();
    former_crowded_ += counters.crowded;
  }
  rate_ = rate;
  rate_dropped_mark_ = 0;
}

void Pipe::take(Feed& feed, std::span<const std::uint8_t> packets, std::int64_t arrival_ns,
                std::int64_t now_ns) noexcept {
  started_ = true;
  feed.last_arrival_ns = std::max(feed.last_arrival_ns, std::min(arrival_ns, now_ns));
  if (feed.cut != nullptr) return cut(feed, packets, feed.last_arrival_ns);
  forward(feed, packets, feed.last_arrival_ns);
  // Unchanged packets keep their input's datagrams and spacing.
  if (feed.playout == nullptr && on_air_ == &feed) finish();
}

void Pipe::cut(Feed& feed, std::span<const std::uint8_t> packets, std::int64_t arrival_ns) noexcept {
  using Verdict = mpegts::ServiceFilter::Verdict;
  mpegts::ServiceFilter& filter = feed.cut->filter;
  std::size_t run = 0;  // where the packets begin that pass and were not forwarded yet
  for (std::size_t at = 0; at < packets.size(); at += kPacketSize) {
    const Verdict verdict = filter.on_packet(packet_at(packets, at), arrival_ns);
    if (verdict == Verdict::pass) continue;
    if (at > run) forward(feed, packets.subspan(run, at - run), arrival_ns);
    run = at + kPacketSize;
    if (verdict == Verdict::replace && !filter.replacement().empty())
      forward(feed, filter.replacement(), arrival_ns);
  }
  if (packets.size() > run) forward(feed, packets.subspan(run), arrival_ns);
  feed.input->inspector.set_timeline_pid(filter.pcr_pid().value_or(mpegts::kNullPid));
}

void Pipe::forward(Feed& feed, std::span<const std::uint8_t> packets, std::int64_t arrival_ns) noexcept {
  feed.last_packet_ns = arrival_ns;
  if (feed.copied) [[unlikely]]
    sink_->to_watch(*plan_, *feed.input, packets);
  for (std::size_t at = 0; at < packets.size(); at += kPacketSize)
    feed.watch.on_packet(packet_at(packets, at), arrival_ns);
  if (feed.playout == nullptr) return deliver(feed, packets, arrival_ns);
  feed.playout->push(packets, arrival_ns);
  const std::uint64_t dropped = feed.playout->counters().dropped;
  if (dropped != feed.dropped_mark) [[unlikely]] {
    count(feed.input->drops, DropReason::buffer_full, dropped - feed.dropped_mark);
    feed.dropped_mark = dropped;
  }
}

void Pipe::deliver(Feed& feed, std::span<const std::uint8_t> packets, std::int64_t due_ns) noexcept {
  const std::int64_t due = rise(due_ns);
  if (splicer_ == nullptr) {
    if (on_air_ != &feed) set_on_air(feed);
    return emit(packets, due);
  }
  for (std::size_t at = 0; at < packets.size(); at += kPacketSize) {
    const mpegts::TsPacket packet = packet_at(packets, at);
    feed.packets += packet.pid() == mpegts::kNullPid ? 0 : 1;
    const auto out = splicer_->on_packet(feed.place, packet, due);
    if (out.empty()) continue;
    if (splicer_->take_splice()) [[unlikely]]
      on_splice(due);
    if (on_air_ == nullptr) [[unlikely]]
      find_on_air();
    emit(out, due);
  }
}

void Pipe::on_splice(std::int64_t due_ns) noexcept {
  finish();
  flags_ |= ring::kSlotDiscontinuity;
  switched_ns_ = due_ns;
  find_on_air();
}

void Pipe::find_on_air() noexcept {
  const auto place = splicer_->on_air();
  if (!place) return;
  for (Feed* feed : plan_->feeds) {
    if (feed->place == *place) return set_on_air(*feed);
  }
  on_air_ = nullptr;
}

void Pipe::set_on_air(Feed& feed) noexcept {
  on_air_ = &feed;
  on_air_number_ = feed.input->number;
}

void Pipe::emit(std::span<const std::uint8_t> packets, std::int64_t due_ns) noexcept {
  for (std::size_t at = 0; at < packets.size(); at += kPacketSize) {
    const mpegts::TsPacket packet = packet_at(packets, at);
    if (packet.has_pcr()) on_pcr(packet, due_ns);
    if (gathers_) append(packet, due_ns);
    for (mpegts::MultiplexMember* member : plan_->members) member->on_packet(packet, due_ns);
    if (rate_ != nullptr) rate_->push(packet.bytes(), due_ns);
  }
}

// The first PID with a PCR drives the channel's timeline, another one when it has fallen silent.
void Pipe::on_pcr(const mpegts::TsPacket& packet, std::int64_t due_ns) noexcept {
  const auto pcr = packet.pcr();
  if (!pcr || !packet.has_sync() || packet.transport_error() || !packet.valid()) return;
  const mpegts::Pid pid = packet.pid();
  if (!pcr_pid_ || (pid != *pcr_pid_ && due_ns - pcr_pid_seen_ns_ > kPcrPidSilenceNs)) pcr_pid_ = pid;
  if (pid != *pcr_pid_) return;
  pcr_pid_seen_ns_ = due_ns;
  mpegts::Timeline next = timeline_;
  if (next.on_pcr(*pcr, packet.discontinuity(), due_ns).discontinuity) {
    finish();  // the packets before have the offset before
    flags_ |= ring::kSlotDiscontinuity;
  }
  timeline_ = next;
}

void Pipe::append(const mpegts::TsPacket& packet, std::int64_t due_ns) noexcept {
  if (gathered_ == 0) first_ns_ = due_ns;
  std::memcpy(buffer_.data() + gathered_ * kPacketSize, packet.bytes().data(), kPacketSize);
  if (++gathered_ == ring::kMaxPacketsPerSlot) finish();
}

void Pipe::finish() noexcept {
  if (gathered_ == 0) return;
  const std::span<const std::uint8_t> packets(buffer_.data(), gathered_ * kPacketSize);
  gathered_ = 0;
  if (plan_->to_bridge) {
    const mpegts::Timeline::State& state = timeline_.state();
    const PipeMarks marks{static_cast<std::uint16_t>(flags_ | (state.valid ? ring::kSlotTimeline : 0)),
                          state.timeline, state.offset};
    InputRuntime& input = on_air_ != nullptr ? *on_air_->input : *plan_->feeds.front()->input;
    sink_->to_bridge(*plan_, input, packets, marks);
  }
  flags_ = 0;
  if (rate_ == nullptr && plan_->output_count > 0) sink_->to_outputs(*plan_, packets);
}

std::size_t Pipe::on_due(std::int64_t now_ns) noexcept {
  departed_ = 0;
  std::size_t left = 0;
  while (left < kMostAtOnce) {
    Feed* next = nullptr;
    std::int64_t due = kNever;
    for (Feed* feed : plan_->feeds) {
      if (feed->playout == nullptr || feed->playout->next_due_ns() >= due) continue;
      due = feed->playout->next_due_ns();
      next = feed;
    }
    if (next == nullptr || due > now_ns) break;
    const mpegts::Playout::Batch batch = next->playout->pop(now_ns);
    ++left;
    if (batch.packets.empty()) continue;
    if (rate_ == nullptr && plan_->output_count > 0) departed_ns_[departed_++] = batch.due_ns;
    deliver(*next, batch.packets, batch.due_ns);
  }
  if (rate_ == nullptr) return left;
  // What is due and did not get its turn yet has its place before the null packets of later times.
  return left + pop_rate(std::min(now_ns, buffers_due_ns() - 1));
}

std::size_t Pipe::pop_rate(std::int64_t now_ns) noexcept {
  mpegts::RateSchedule::Datagram datagram;
  std::size_t left = 0;
  while (left < kMostAtOnce && rate_->pop(now_ns, datagram)) {
    ++left;
    departed_ns_[departed_++] = datagram.departure_ns;
    sink_->to_outputs(*plan_, datagram.bytes);
  }
  return left;
}

std::int64_t Pipe::buffers_due_ns() const noexcept {
  std::int64_t held = kNever;
  for (const Feed* feed : plan_->feeds) {
    if (feed->playout != nullptr) held = std::min(held, feed->playout->next_due_ns());
  }
  return held;
}

std::int64_t Pipe::next_due_ns() const noexcept {
  std::int64_t held = buffers_due_ns();
  const std::int64_t departure = rate_ == nullptr ? kNever : rate_->next_departure_ns();
  // What nothing leaves for at its very time is fetched later, with more: packets carry the time at which
  // they were due into the constant rate and the switch.
  if (held != kNever && (departure != kNever || plan_->output_count == 0)) held += kFetchNs;
  return std::min(held, departure);
}

void Pipe::note_departures(std::int64_t now_ns) noexcept {
  for (std::size_t i = 0; i < departed_; ++i) {
    late_max_ns_ = std::max(late_max_ns_, lateness_.add(now_ns - departed_ns_[i]));
  }
  departed_ = 0;
}

std::uint64_t Pipe::take_late_max() noexcept {
  const std::uint64_t was = late_max_ns_;
  late_max_ns_ = 0;
  return was;
}

std::optional<std::uint64_t> Pipe::take_pcr_accuracy_max() noexcept {
  const auto ticks = rate_ == nullptr ? std::nullopt : rate_->take_pcr_accuracy_max();
  if (!ticks) return std::nullopt;
  return (*ticks * 1000 + 26) / 27;
}

void Pipe::on_tick(std::int64_t now_ns) noexcept {
  if (now_ns >= next_observe_ns_) observe(now_ns);
  // What is due goes before what fills its absence.
  if (splicer_ != nullptr && now_ns >= next_fill_ns_ && buffers_due_ns() > now_ns) {
    next_fill_ns_ = now_ns + kFillNs;
    const std::int64_t now = rise(now_ns);
    if (const auto out = splicer_->on_time(now); !out.empty()) {
      if (splicer_->take_splice()) on_splice(now);
      emit(out, now);
      finish();  // a PCR that waited would be late
    }
  }
  if (gathered_ > 0 && now_ns - first_ns_ >= kWaitNs) finish();
}

std::int64_t Pipe::next_tick_ns() const noexcept {
  std::int64_t next = next_observe_ns_;
  if (splicer_ != nullptr) next = std::min(next, next_fill_ns_);
  if (gathered_ > 0) next = std::min(next, first_ns_ + kWaitNs);
  return next;
}

void Pipe::observe(std::int64_t now_ns) noexcept {
  next_observe_ns_ = now_ns + kObserveNs;
  for (std::size_t i = 0; i < plan_->feeds.size(); ++i) {
    Feed& feed = *plan_->feeds[i];
    failover_->observe(i, view_of(feed, now_ns), now_ns);
    look_at_buffer(feed);
  }
  choose(now_ns);
  for (std::size_t i = 0; i < plan_->feeds.size(); ++i) {
    Feed& feed = *plan_->feeds[i];
    feed.input->troubles = failover_->troubles(i);
    feed.copied = plan_->watch_standby && plan_->to_bridge && &feed != on_air_ && failover_->to_be_watched(i);
  }
  if (splicer_ != nullptr && !splicer_->exact()) rewrites_.store(true, std::memory_order_relaxed);
  if (rate_ != nullptr) {
    const std::uint64_t dropped = rate_->counters().all_dropped();
    if (dropped != rate_dropped_mark_) sink_->on_rate_exceeded(*plan_, dropped - rate_dropped_mark_);
    rate_dropped_mark_ = dropped;
  }
}

void Pipe::choose(std::int64_t now_ns) noexcept {
  wanted_ = failover_->choose(now_ns);
  if (splicer_ == nullptr) return;
  splicer_->want(plan_->feeds[wanted_]->place, rise(now_ns));
  splicer_->expect_change(failover_->change_ahead());
}

Pipe::Figures Pipe::figures() const noexcept {
  Figures figures;
  figures.on_air = on_air_number_;
  if (wanted_ < plan_->feeds.size()) figures.wanted = plan_->feeds[wanted_]->input->number;
  if (plan_->forced < plan_->feeds.size()) figures.forced = plan_->feeds[plan_->forced]->input->number;
  figures.switched_ns = switched_ns_;
  if (splicer_ != nullptr) {
    const mpegts::Splicer::Counters& counters = splicer_->counters();
    figures.switches = counters.switches;
    figures.hard_switches = counters.hard_switches;
    figures.filler_packets = counters.filler_packets;
    figures.left_out = counters.left_out;
  }
  for (const mpegts::MultiplexMember* member : plan_->members)
    figures.multiplex_dropped += member->counters().all_dropped();
  figures.null_packets = former_nulls_;
  figures.rate_dropped = former_rate_dropped_;
  figures.crowded = former_crowded_;
  if (rate_ != nullptr) {
    const auto counters = rate_->counters();
    figures.null_packets += counters.nulls;
    figures.rate_dropped += counters.all_dropped();
    figures.crowded += counters.crowded;
  }
  return figures;
}

}  // namespace headgate::fastpath

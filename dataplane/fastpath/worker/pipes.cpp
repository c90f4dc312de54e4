// The worker's part of what passes pipes: the bridge's slots, the adoption of plans, what is due, and where
// it leaves.
#include <algorithm>

#include "dataplane/fastpath/worker/worker.h"

namespace headgate::fastpath {
namespace {

using protocol::DropReason;

constexpr std::size_t kSlotsAtOnce = 128;
constexpr std::int64_t kPipeCheckNs = 1'000'000;

}  // namespace

// What is gathered in a pipe that the next snapshot hasn't got, or in one whose outputs are no longer fed
// from there, leaves by the outputs that it had.
void Worker::finish_lost_pipes(const Snapshot& next) noexcept {
  for (const PipePlan& plan : next.pipes) plan.pipe->next_plan = &plan;
  for (const PipePlan& plan : current_->pipes) {
    const PipePlan* successor = plan.pipe->next_plan;
    if (successor == nullptr || successor->rate != plan.rate) plan.pipe->finish();
  }
  for (const PipePlan& plan : next.pipes) plan.pipe->next_plan = nullptr;
}

void Worker::adopt_pipes() noexcept {
  // A channel's timeline goes on when the channel begins or ceases to need a pipe.
  for (const Route& route : current_->routes) {
    InputRuntime& input = *route.input;
    if (route.pipe != Route::kNoPipe || input.pipe == nullptr) continue;
    if (input.pipe->timeline().state().valid)
      input.inspector.restore_timeline(input.pipe->timeline().state());
    input.pipe = nullptr;
    input.feed = nullptr;
    input.troubles = 0;
    input.buffer_packets = 0;
    input.buffer_level_ns = 0;
  }
  for (std::size_t i = 0; i < current_->pipes.size(); ++i) {
    const PipePlan& plan = current_->pipes[i];
    for (Feed* feed : plan.feeds) {
      InputRuntime& input = *feed->input;
      const mpegts::Timeline::State& state = input.inspector.timeline().state();
      if (input.pipe == nullptr && !plan.pipe->started() && state.valid) plan.pipe->set_timeline(state);
      input.pipe = plan.pipe;
      input.feed = feed;
    }
    plan.pipe->adopt(plan, *this, even_ns());
    pipe_due_ns_[i] = plan.pipe->next_due_ns();
    pipe_tick_ns_[i] = plan.pipe->next_tick_ns();
  }
  next_due_ns_ = Pipe::kNever;
  next_pipe_check_ns_ = 0;
}

void Worker::adopt_outputs() noexcept {
  const auto set = [this](std::uint32_t first, std::uint32_t count, const Leaving* leaving) {
    for (std::uint32_t o = 0; o < count; ++o) current_->route_outputs[first + o]->leaving = leaving;
  };
  for (const Route& route : current_->routes)
    set(route.first_output, route.output_count, route.cut != nullptr ? &route.cut->leaving : nullptr);
  for (const PipePlan& plan : current_->pipes) set(plan.first_output, plan.output_count, &plan.pipe->leaving);
  for (const MultiplexPlan& plan : current_->multiplexes)
    set(plan.first_output, plan.output_count, &plan.multiplex->leaving);
}

void Worker::take_to_pipe(const Route& route, std::span<const std::uint8_t> packets,
                          std::int64_t arrival_ns) noexcept {
  Pipe& pipe = *current_->pipes[route.pipe].pipe;
  pipe.take(*route.input->feed, packets, arrival_ns - steps_ns_, even_ns());
  pipe_due_ns_[route.pipe] = pipe.next_due_ns();
  pipe_tick_ns_[route.pipe] = pipe.next_tick_ns();
}

std::size_t Worker::from_bridge() noexcept {
  if (current_->from_bridge == nullptr) return 0;
  return current_->from_bridge->poll(kSlotsAtOnce, [this](const ring::Slot& slot) { on_slot(slot); });
}

void Worker::on_slot(const ring::Slot& slot) noexcept {
  const auto known = current_->bridge_inputs.find(Snapshot::bridge_key(slot.channel, slot.input));
  if (known == current_->bridge_inputs.end()) {
    publisher_.count_unknown_slot();
    return;
  }
  const Route& route = current_->routes[known->second];
  InputRuntime& input = *route.input;
  Feed& feed = *input.feed;
  if ((slot.flags & ring::kSlotGap) != 0) {
    // A bridge that was started again counts from 0: how many it lost nobody knows.
    const std::uint32_t lost = slot.sequence - feed.next_sequence;
    const bool counted = feed.sequence_known && lost > 0 && lost < std::uint32_t{1} << 31;
    count(input.drops, DropReason::ring_full, counted ? lost : 1);
  }
  feed.next_sequence = slot.sequence + 1;
  feed.sequence_known = true;
  const std::span<const std::uint8_t> packets(slot.packets.data(), slot.packet_count * mpegts::kPacketSize);
  take_in(input, Payload{}, packets);
  if (route.taps != 0) [[unlikely]]
    push_to_taps(route, packets);
  take_to_pipe(route, packets, slot.arrival_ns);
}

std::size_t Worker::serve_pipes() noexcept {
  const std::vector<PipePlan>& pipes = current_->pipes;
  const std::int64_t now = even_ns();
  if (now >= next_pipe_check_ns_ || next_pipe_check_ns_ - now > kPipeCheckNs) {
    next_pipe_check_ns_ = now + kPipeCheckNs;
    for (std::size_t i = 0; i < pipes.size(); ++i) {
      if (pipe_tick_ns_[i] > now) continue;
      pipes[i].pipe->on_tick(now);
      pipe_tick_ns_[i] = pipes[i].pipe->next_tick_ns();
      pipe_due_ns_[i] = pipes[i].pipe->next_due_ns();
    }
  }
  next_due_ns_ = Pipe::kNever;
  for (std::size_t i = 0; i < pipes.size(); ++i) next_due_ns_ = std::min(next_due_ns_, pipe_due_ns_[i]);
  if (next_due_ns_ > now) return 0;
  std::size_t left = 0;
  next_due_ns_ = Pipe::kNever;
  for (std::size_t i = 0; i < pipes.size(); ++i) {
    if (pipe_due_ns_[i] <= now) {
      left += pipes[i].pipe->on_due(now);
      departed_.push_back(pipes[i].pipe);
      pipe_due_ns_[i] = pipes[i].pipe->next_due_ns();
      pipe_tick_ns_[i] = pipes[i].pipe->next_tick_ns();
    }
    next_due_ns_ = std::min(next_due_ns_, pipe_due_ns_[i]);
  }
  return left;
}

void Worker::note_departures(std::int64_t now_ns) noexcept {
  for (Pipe* pipe : departed_) pipe->note_departures(now_ns);
  departed_.clear();
  if (!multiplexes_left_) return;
  for (const MultiplexPlan& plan : current_->multiplexes) plan.multiplex->note_departures(now_ns);
  multiplexes_left_ = false;
}

void Worker::to_bridge(const PipePlan& plan, InputRuntime& on_air, std::span<const std::uint8_t> packets,
                       const PipeMarks& marks) noexcept {
  push_to_bridge(plan.handle, on_air, packets, marks);
}

// Its own clock, not the channel's: what stands by never passed the switch.
void Worker::to_watch(const PipePlan& plan, InputRuntime& standby,
                      std::span<const std::uint8_t> packets) noexcept {
  const mpegts::Timeline::State& timeline = standby.inspector.timeline().state();
  ring::Slot& slot = *slot_;
  slot.channel = plan.handle;
  slot.packet_count = static_cast<std::uint16_t>(packets.size() / mpegts::kPacketSize);
  slot.flags = timeline.valid ? ring::kSlotTimeline : std::uint16_t{0};
  if (standby.inspector.take_discontinuity())
    slot.flags = static_cast<std::uint16_t>(slot.flags | ring::kSlotDiscontinuity);
  slot.arrival_ns = now_ns_;
  slot.timeline = timeline.timeline;
  slot.offset = timeline.offset;
  slot.input = standby.number;
  ring_used_ = true;
  // One that finds no room is a gap to who watches, and nothing that anybody would have got.
  if (parts_.bridge != nullptr) static_cast<void>(parts_.bridge->push(slot, packets));
}

void Worker::to_outputs(const PipePlan& plan, std::span<const std::uint8_t> packets) noexcept {
  if (plan.output_count > 0) plan.pipe->leaving.inspector.on_packets(packets, now_ns_, watch_);
  for (std::uint32_t o = 0; o < plan.output_count; ++o)
    send_copy(*current_->route_outputs[plan.first_output + o], packets, nullptr, nullptr);
}

void Worker::on_rate_exceeded(const PipePlan& plan, std::uint64_t packets) noexcept {
  for (std::uint32_t o = 0; o < plan.output_count; ++o)
    count(current_->route_outputs[plan.first_output + o]->drops, DropReason::rate_exceeded, packets);
}

}  // namespace headgate::fastpath

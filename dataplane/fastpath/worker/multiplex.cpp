#include "dataplane/fastpath/worker/multiplex.h"

#include "dataplane/fastpath/worker/worker.h"

namespace headgate::fastpath {

void Multiplex::note_departures(std::int64_t now_ns) noexcept {
  for (std::size_t i = 0; i < departed_; ++i)
    late_max_ns_ = std::max(late_max_ns_, lateness_.add(now_ns - departed_ns_[i]));
  departed_ = 0;
}

Multiplex::Figures Multiplex::figures() const noexcept {
  const mpegts::Multiplexer::Counters sent = multiplexer_.counters();
  Figures figures{sent.packets, sent.nulls, 0, 0};
  for (const mpegts::MultiplexPlace& place : multiplexer_.places()) {
    figures.dropped += place.member->counters().all_dropped();
    figures.members_in += place.member->pmt().empty() ? 0 : 1;
  }
  return figures;
}

std::optional<std::uint64_t> Multiplex::take_pcr_accuracy_max() noexcept {
  const auto ticks = multiplexer_.take_pcr_accuracy_max();
  if (!ticks) return std::nullopt;
  return (*ticks * 1000 + 26) / 27;
}

// A member that goes takes its count along.
std::uint64_t Multiplex::take_dropped() noexcept {
  const std::uint64_t now = figures().dropped;
  const std::uint64_t before = std::exchange(dropped_mark_, now);
  return now > before ? now - before : 0;
}

void Worker::adopt_multiplexes() noexcept {
  for (const MultiplexPlan& plan : current_->multiplexes) plan.multiplex->adopt(plan);
  next_multiplex_check_ns_ = 0;
}

// After the pipes, whose packets are due before.
std::size_t Worker::serve_multiplexes() noexcept {
  constexpr std::int64_t kCheckNs = 20'000'000;
  const std::int64_t now = even_ns();
  const bool check = now >= next_multiplex_check_ns_ || next_multiplex_check_ns_ - now > kCheckNs;
  if (check) next_multiplex_check_ns_ = now + kCheckNs;
  std::size_t left = 0;
  if (current_->pipes.empty()) next_due_ns_ = Pipe::kNever;
  for (const MultiplexPlan& plan : current_->multiplexes) {
    while (const auto* datagram = plan.multiplex->pop(now, steps_ns_)) {
      ++left;
      if (plan.output_count > 0)
        plan.multiplex->leaving.inspector.on_packets(datagram->bytes, now_ns_, watch_);
      for (std::uint32_t o = 0; o < plan.output_count; ++o)
        send_copy(*current_->route_outputs[plan.first_output + o], datagram->bytes, nullptr, nullptr);
    }
    next_due_ns_ = std::min(next_due_ns_, plan.multiplex->next_due_ns());
    if (!check) continue;
    if (const std::uint64_t dropped = plan.multiplex->take_dropped(); dropped > 0) {
      for (std::uint32_t o = 0; o < plan.output_count; ++o)
        count(current_->route_outputs[plan.first_output + o]->drops, protocol::DropReason::multiplex_exceeded,
              dropped);
    }
  }
  multiplexes_left_ = multiplexes_left_ || left > 0;
  return left;
}

}  // namespace headgate::fastpath

#include "dataplane/bridge/pull/paced_queue.h"

#include <algorithm>

namespace headgate::bridge::pull {
namespace {

constexpr std::size_t kLongestRun = 70 * mpegts::kPacketSize;

}  // namespace

PacedQueue::PacedQueue(bool looped) {
  if (looped) rewriter_ = std::make_unique<mpegts::LoopRewriter>();
}

void PacedQueue::push(const mpegts::TsPacket& packet) {
  pacer_.push(packet);
  ++pushed_;
  settle();
}

void PacedQueue::mark(std::chrono::nanoseconds pause, bool gap) {
  if (!marks_.empty() && marks_.back().index == pushed_) {
    marks_.back().pause += pause;
    marks_.back().gap = marks_.back().gap || gap;
  } else {
    marks_.push_back({pushed_, pause, gap});
  }
}

void PacedQueue::flush() {
  pacer_.end_of_loop();
  settle();
}

void PacedQueue::end_of_loop() {
  const std::uint64_t shift = pacer_.end_of_loop();
  settle();
  if (rewriter_) rewriter_->next_loop(shift);
}

void PacedQueue::settle() {
  mpegts::PacedPacket packet;
  while (pacer_.pop(packet)) {
    bool gap = false;
    while (!marks_.empty() && marks_.front().index <= settled_) {
      offset_ += marks_.front().pause;
      gap = gap || marks_.front().gap;
      marks_.pop_front();
    }
    ++settled_;
    if (rewriter_) rewriter_->rewrite(packet.bytes);
    // No time runs backwards.
    tail_ = std::max(tail_, packet.departure + offset_);
    due_.push_back({packet.bytes, tail_, gap});
  }
}

void PacedQueue::advance(std::chrono::nanoseconds elapsed, const Give& give) {
  now_ += elapsed;
  bool gap = false;
  const auto hand_out = [&] {
    if (!run_.empty()) give(run_, gap);
    run_.clear();
    gap = false;
  };
  while (!due_.empty() && due_.front().departure <= now_) {
    const Due& due = due_.front();
    if (due.gap || run_.size() >= kLongestRun) hand_out();
    gap = gap || due.gap;
    run_.insert(run_.end(), due.bytes.begin(), due.bytes.end());
    due_.pop_front();
  }
  hand_out();
  if (due_.empty()) now_ = std::min(now_, tail_);
}

std::chrono::nanoseconds PacedQueue::level() const {
  return std::max(tail_ - now_, std::chrono::nanoseconds{0});
}

}  // namespace headgate::bridge::pull

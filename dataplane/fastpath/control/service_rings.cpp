// The rings between the fast path and the bridge, as files that come and go.

#include <algorithm>

#include "control/log/log.h"
#include "dataplane/fastpath/control/service.h"

namespace headgate::fastpath {

// Whoever cleans up in run_dir may take the ring's name away: a bridge that starts later would find none.
void Service::keep_ring() {
  if (!bridge_->stale()) {
    ring_lost_ = false;
    return;
  }
  auto made = ring::Producer::open(run_dir_.bridge_ring(), ring_slots_);
  if (!made) {
    if (!ring_lost_) log::error("{} was gone: HLS stands still: {}", run_dir_.bridge_ring(), made.error());
    ring_lost_ = true;
    return;
  }
  auto next = std::make_unique<Snapshot>(*snapshot_);
  next->forgotten_handles.clear();
  next->bridge = made->get();
  switch_to(std::move(next));
  bridge_ = std::move(*made);  // the worker has left the one before
  log::warning("{} was gone: made anew", run_dir_.bridge_ring());
}

// The bridge makes this one, when its first input comes: it may not be there yet, or be made anew.
void Service::keep_return_ring() {
  const bool wanted = std::any_of(state_.channels.begin(), state_.channels.end(), [](const auto& channel) {
    return std::any_of(channel.inputs.begin(), channel.inputs.end(),
                       [](const auto& input) { return input.way == protocol::InputWay::bridge; });
  });
  if (!wanted || (from_bridge_ && !from_bridge_->stale())) return;
  auto opened = ring::Consumer::open(run_dir_.fastpath_ring());
  if (opened) {
    return_ring_error_.clear();
    log::info("{}: taking what the bridge sends", run_dir_.fastpath_ring());
    return use_return_ring(std::move(*opened));
  }
  // One that was given up is the same file, which we hold ourselves: let go, and tried again at the next
  // look.
  if (from_bridge_ && opened.error().ends_with("another consumer has it")) use_return_ring(nullptr);
  if (opened.error() == return_ring_error_) return;
  return_ring_error_ = opened.error();
  log::info("nothing comes from the bridge yet: {}", return_ring_error_);
}

void Service::use_return_ring(std::unique_ptr<ring::Consumer> ring) {
  auto next = std::make_unique<Snapshot>(*snapshot_);
  next->forgotten_handles.clear();
  next->from_bridge = ring.get();
  switch_to(std::move(next));
  from_bridge_ = std::move(ring);  // the worker has left the one before
}

}  // namespace headgate::fastpath

#include "dataplane/bridge/pull/playing.h"

#include <algorithm>
#include <utility>

namespace headgate::bridge::pull {

Ticker::Ticker(boost::asio::io_context& context, OnTick on_tick)
    : timer_(context), on_tick_(std::move(on_tick)) {
  timer_.expires_after(kPeriod);
  wait();
}

Ticker::~Ticker() { timer_.cancel(); }

void Ticker::wait() {
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](boost::system::error_code error) {
    if (error || !alive.lock()) return;
    const auto now = Clock::now();
    const auto elapsed = std::min<Clock::duration>(now - std::exchange(last_, now), kLongest);
    // From when it should have been, so that the ticks don't drift; what was missed is left out.
    timer_.expires_at(std::max(timer_.expiry() + kPeriod, now));
    on_tick_(now, elapsed);
    wait();
  });
}

Playing::~Playing() {
  if (attached_) entry_.detach("");
}

void Playing::give(std::span<const std::uint8_t> packets, bool gap, const std::string& peer) {
  if (!attached_) {
    attached_ = entry_.attach(peer);
    if (!attached_) {
      if (!std::exchange(refused_, true)) entry_.failed("another source has the input's place");
      return;
    }
    refused_ = false;
  }
  if (gap) entry_.on_gap();
  entry_.on_ts(packets);
  last_ = Ticker::Clock::now();
}

void Playing::lost(const std::string& error) {
  if (std::exchange(attached_, false)) {
    entry_.detach(error);
  } else {
    entry_.failed(error);
  }
}

void Playing::drop(const char* reason, std::uint64_t count) {
  if (count > 0) entry_.status().drops[reason] += count;
}

}  // namespace headgate::bridge::pull

#include "mpegts/mux/tstd_model.h"

namespace headgate::mpegts {

void SystemBuffers::pass(std::int64_t busy, std::int64_t idle) noexcept {
  main_ += busy * (TransportBuffer::kSystemLeak - drain_);
  most_main_ = std::max(most_main_, main_);
  main_ = std::max<std::int64_t>(0, main_ - idle * drain_);
}

void SystemBuffers::enter(std::int64_t tick, std::int64_t duration) noexcept {
  const std::int64_t passed = std::max<std::int64_t>(0, tick - tick_);
  const std::int64_t left =
      transport_.level(tick_) / TransportBuffer::kSystemLeak;  // ticks until it is empty
  pass(std::min(passed, left), std::max<std::int64_t>(0, passed - left));
  const std::int64_t peak = transport_.peak(tick, duration);
  most_transport_ = std::max(most_transport_, peak);
  transport_.enter(tick, duration);
  pass(duration, 0);
  if (peak > TransportBuffer::kFull || bytes(main_) > kBytes) ++overflows_;
  tick_ = tick + duration;
}

}  // namespace headgate::mpegts

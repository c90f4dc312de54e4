#include "mpegts/tstd/main_buffers.h"

#include <algorithm>
#include <cmath>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {
namespace {

constexpr double kTick = 1.0 / static_cast<double>(kTicksPerSecond);
constexpr double kNothing = 1e-6;  // bytes: what rounding leaves

}  // namespace

void FillGauge::see(double bytes) noexcept {
  info_.most = std::max(info_.most, static_cast<std::uint64_t>(std::ceil(std::max(0.0, bytes - kNothing))));
  const bool over = bytes > static_cast<double>(info_.size) + 1;
  if (over && !over_) ++info_.overflows;
  over_ = over;
}

void HeldHeaders::add(double position, double bytes) {
  headers_.push_back({position, bytes});
  bytes_ += bytes;
}

void HeldHeaders::remove_below(double position) noexcept {
  while (!headers_.empty() && headers_.front().position < position) {
    bytes_ -= headers_.front().bytes;
    headers_.pop_front();
  }
}

void HeldHeaders::clear() noexcept {
  headers_.clear();
  bytes_ = 0;
}

void AudioBuffer::restart(double position) noexcept {
  in_ = out_ = position;
  headers_.clear();
  gauge_.empty();
}

void AudioBuffer::header(double bytes) {
  headers_.add(in_, bytes);
  gauge_.see(level());
}

void AudioBuffer::payload(double bytes) noexcept {
  in_ += bytes;
  gauge_.see(level());
}

// Headers in front of an access unit or inside it leave with it (2.4.2.3).
bool AudioBuffer::remove(double end) noexcept {
  const bool whole = in_ >= end - kNothing;
  out_ = std::max(out_, end);
  headers_.remove_below(end);
  gauge_.see(level());
  return whole;
}

VideoBuffers::VideoBuffers(std::uint64_t multiplexing, std::uint64_t elementary, double leak) noexcept
    : multiplexing_(multiplexing), elementary_(elementary), leak_(leak / 8 * kTick) {}

void VideoBuffers::restart(double position, double tick) noexcept {
  in_ = moved_ = out_ = position;
  headers_.clear();
  multiplexing_.empty();
  elementary_.empty();
  busy_since_ = tick;
  late_ = false;
}

void VideoBuffers::header(double bytes, double tick) {
  headers_.add(in_, bytes);
  see(tick);
}

void VideoBuffers::see(double tick) noexcept {
  headers_.remove_below(moved_);
  const double held = in_ - moved_ + headers_.bytes();
  multiplexing_.see(held);
  elementary_.see(moved_ - out_);
  if (held <= kNothing) {
    busy_since_ = tick;
    late_ = false;
  } else if (!late_ && tick - busy_since_ > static_cast<double>(kTicksPerSecond)) {
    late_ = true;
    ++not_emptied_;
  }
}

// MB_n gives to EB_n at Rbx_n while it has payload and EB_n has room; what it has not, at the pace of what
// comes (2.4.2.3). Between two of these changes all levels are straight lines.
void VideoBuffers::pass(double from, double to, double bytes) noexcept {
  const double incoming = to > from ? bytes / (to - from) : 0;
  const double goal = in_ + bytes;
  double now = from;
  const auto size = static_cast<double>(elementary_.info().size);
  while (now < to) {
    const double held = in_ - moved_;
    const double room = size - (moved_ - out_);
    double leak = held > kNothing ? leak_ : std::min(leak_, incoming);
    if (room <= kNothing) leak = 0;
    double step = to - now;
    if (held > kNothing && leak > incoming) step = std::min(step, held / (leak - incoming));
    if (leak > 0) step = std::min(step, room / leak);
    in_ += incoming * step;
    moved_ = std::min(in_, moved_ + leak * step);
    if (in_ - moved_ <= kNothing) moved_ = in_;
    now += std::max(step, 1e-6);
    see(std::min(now, to));
  }
  in_ = goal;
}

bool VideoBuffers::remove(double end) noexcept {
  const bool whole = moved_ >= end - kNothing;
  out_ = std::max(out_, end);
  elementary_.see(moved_ - out_);
  return whole;
}

}  // namespace headgate::mpegts

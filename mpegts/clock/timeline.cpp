#include "mpegts/clock/timeline.h"

#include <algorithm>

#include "mpegts/clock/clock_map.h"

namespace headgate::mpegts {
namespace {

constexpr auto kModulus = static_cast<std::int64_t>(kPcrModulus);
// Both clocks may be off by 30 ppm or so (2.4.2.1: 27 MHz +- 810 Hz): over an outage of a day that is more
// than the second that separates jitter from a jump.
constexpr std::int64_t kDriftPartsPerMillion = 100;

// The value congruent to `value` modulo the PCR's wrap that lies nearest `reference`.
std::int64_t nearest_congruent(std::int64_t value, std::int64_t reference) noexcept {
  std::int64_t difference = (value - reference) % kModulus;
  if (difference > kModulus / 2) difference -= kModulus;
  if (difference < -kModulus / 2) difference += kModulus;
  return reference + difference;
}

}  // namespace

TimelineTicks unroll_near(Pts90kHz stamp, std::int64_t offset, TimelineTicks reference) noexcept {
  const auto value = static_cast<std::int64_t>(stamp.ticks % kPtsModulus * 300);
  return {nearest_congruent(value + offset, reference.ticks)};
}

Timeline::Step Timeline::on_pcr(Pcr27MHz pcr, bool signalled, std::int64_t arrival_unix_ns) noexcept {
  // A signalled discontinuity whose clock goes on as predicted needs nothing: broadcast multiplexers set the
  // flag at every splice, most of which keep the time base. One that jumps is found by its value.
  static_cast<void>(signalled);
  const auto stream = static_cast<std::int64_t>(pcr.ticks % kPcrModulus);
  if (!state_.valid) {
    const std::int64_t now = nearest_congruent(stream, ns_to_ticks(arrival_unix_ns));
    state_ = {now, 0, pcr.ticks, arrival_unix_ns, true};
    return {{now}, false};
  }
  // A clock that was set back must not take the timeline back with it.
  const std::int64_t elapsed = std::max<std::int64_t>(0, ns_to_ticks(arrival_unix_ns - state_.arrival_ns));
  const std::int64_t predicted = state_.timeline + elapsed;
  const std::int64_t candidate = nearest_congruent(stream + state_.offset, predicted);
  const std::int64_t tolerance = kTicksPerSecond + elapsed / 1'000'000 * kDriftPartsPerMillion;
  const std::int64_t error = candidate - predicted;
  const bool jumped = error > tolerance || error < -tolerance || candidate < state_.timeline;
  if (jumped) state_.offset -= error;
  state_.timeline = jumped ? predicted : candidate;
  state_.pcr = pcr.ticks;
  state_.arrival_ns = arrival_unix_ns;
  return {{state_.timeline}, jumped};
}

std::optional<TimelineTicks> Timeline::unroll(Pts90kHz stamp) const noexcept {
  if (!state_.valid) return std::nullopt;
  return unroll_near(stamp, state_.offset, {state_.timeline});
}

}  // namespace headgate::mpegts

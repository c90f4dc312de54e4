#include "mpegts/tstd/program_time.h"

#include <algorithm>

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kPcrByte = 10;  // of its packet: the last bit of program_clock_reference_base

}  // namespace

bool ProgramTime::on_pcr(Pcr27MHz pcr, std::optional<std::uint64_t> step, std::uint64_t packet) {
  const bool goes_on = step && running() && packet > knots_.back().packet && *step > 0;
  if (goes_on) {
    now_ += static_cast<std::int64_t>(*step);
  } else {
    knots_.clear();
  }
  pcr_ = pcr.ticks % kPcrModulus;
  knots_.push_back({packet, now_});
  if (knots_.size() > kMostKnots) knots_.pop_front();
  return goes_on;
}

// A step is a second at most, so that nothing here comes near 2^63.
std::int64_t ProgramTime::at(std::size_t knot, std::uint64_t packet) const noexcept {
  const Knot& from = knots_[knot];
  const Knot& to = knots_[knot + 1];
  constexpr auto kSize = static_cast<std::int64_t>(kPacketSize);
  const std::int64_t bytes = static_cast<std::int64_t>(packet - from.packet) * kSize - kPcrByte;
  return from.tick +
         bytes * (to.tick - from.tick) / (static_cast<std::int64_t>(to.packet - from.packet) * kSize);
}

std::int64_t ProgramTime::duration() const noexcept {
  const Knot& to = knots_.back();
  const Knot& from = knots_[knots_.size() - 2];
  return (to.tick - from.tick) / static_cast<std::int64_t>(to.packet - from.packet);
}

std::uint64_t ProgramTime::transport_bps() const noexcept {
  const Knot& to = knots_.back();
  const Knot& from = knots_[knots_.size() - 2];
  return (to.packet - from.packet) * kPacketSize * 8 * static_cast<std::uint64_t>(kTicksPerSecond) /
         static_cast<std::uint64_t>(to.tick - from.tick);
}

std::optional<std::int64_t> ProgramTime::when(std::uint64_t packet) const noexcept {
  const auto after = std::upper_bound(knots_.begin(), knots_.end(), packet,
                                      [](std::uint64_t at, const Knot& knot) { return at < knot.packet; });
  if (after == knots_.begin() || after == knots_.end()) return std::nullopt;
  return at(static_cast<std::size_t>(after - knots_.begin()) - 1, packet);
}

std::int64_t ProgramTime::unroll(Pts90kHz stamp) const noexcept {
  const std::uint64_t ahead = (stamp.ticks * 300 + kPcrModulus - pcr_) % kPcrModulus;
  const auto signed_ahead = static_cast<std::int64_t>(ahead);
  return now_ +
         (ahead > kPcrModulus / 2 ? signed_ahead - static_cast<std::int64_t>(kPcrModulus) : signed_ahead);
}

}  // namespace headgate::mpegts

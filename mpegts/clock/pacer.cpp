#include "mpegts/clock/pacer.h"

#include <algorithm>
#include <cmath>

namespace headgate::mpegts {
namespace {

constexpr double kTicksPerSecondF = static_cast<double>(kTicksPerSecond);
constexpr std::uint64_t kLongestStep = static_cast<std::uint64_t>(kTicksPerSecond);  // farther is a jump
// Packets held while a PCR is awaited: 12 MB, some seconds of any broadcast stream.
constexpr std::size_t kMaxWaiting = 65'536;

std::uint64_t pcr_difference(std::uint64_t later, std::uint64_t earlier) noexcept {
  return (later + kPcrModulus - earlier) % kPcrModulus;
}

}  // namespace

Pacer::Pacer(std::uint64_t fallback_bitrate) noexcept
    : fallback_ticks_(static_cast<double>(kPacketSize * 8) * kTicksPerSecondF /
                      static_cast<double>(std::max<std::uint64_t>(1, fallback_bitrate))) {}

double Pacer::ticks_per_packet() const noexcept {
  if (rate_packets_ == 0) return fallback_ticks_;
  return static_cast<double>(rate_ticks_) / static_cast<double>(rate_packets_);
}

double Pacer::bitrate() const noexcept {
  if (rate_packets_ == 0 || rate_ticks_ == 0) return 0;
  return static_cast<double>(kPacketSize * 8) * kTicksPerSecondF / ticks_per_packet();
}

void Pacer::push(const TsPacket& packet) {
  Waiting& entry = waiting_.emplace_back();
  std::copy(packet.bytes().begin(), packet.bytes().end(), entry.bytes.begin());
  ++since_pcr_;
  if (const auto pcr = packet.pcr();
      pcr && packet.has_sync() && !packet.transport_error() && packet.valid()) {
    on_pcr(packet.pid(), pcr->ticks % kPcrModulus, packet.discontinuity());
  }
  // Without PCRs the packets must not pile up: they leave at the average rate.
  if (waiting_.size() - timed_waiting_ >= kMaxWaiting) {
    knot(static_cast<double>(waiting_.size() - timed_waiting_) * ticks_per_packet());
  }
}

// Whether this PCR of another PID makes it the one to follow.
bool Pacer::takes_over(Pid pid, std::uint64_t pcr) noexcept {
  if (other_pid_ != pid) {
    if (!other_pid_) {
      other_pid_ = pid;
      other_first_ = pcr;
    }
    return false;
  }
  const std::uint64_t silent = pcr_difference(pcr, other_first_);
  if (silent > 10 * kLongestStep) {  // it jumped itself
    other_first_ = pcr;
    return false;
  }
  return silent > kLongestStep;
}

void Pacer::on_pcr(Pid pid, std::uint64_t pcr, bool discontinuity) {
  bool jump = discontinuity;
  if (pcr_pid_ && pid != *pcr_pid_) {
    if (!takes_over(pid, pcr)) return;
    jump = true;
    switched_ = true;
  }
  pcr_pid_ = pid;
  other_pid_.reset();
  const std::uint64_t packets = since_pcr_;
  since_pcr_ = 0;
  if (!pcr_in_loop_) {
    pcr_in_loop_ = true;
    first_pcr_ = last_pcr_ = pcr;
    first_pcr_index_ = waiting_.size() - 1;
    if (any_timed_ || timed()) {
      knot(static_cast<double>(waiting_.size() - timed_waiting_) * ticks_per_packet());
      first_pcr_ticks_ = last_pcr_ticks_ = knot_ticks_;
    }
    return;
  }
  const std::uint64_t step = pcr_difference(pcr, last_pcr_);
  last_pcr_ = pcr;
  jump = jump || step > kLongestStep;
  if (jump) {
    ++jumps_;
  } else {
    rate_packets_ += packets;
    rate_ticks_ += step;
  }
  if (!any_timed_) {
    // The first interval: what came before its first PCR had the same rate, and the first packet leaves at 0.
    if (jump && !timed()) return;  // nothing to go by yet
    const double rate = jump ? ticks_per_packet() : static_cast<double>(step) / static_cast<double>(packets);
    for (std::size_t i = 0; i < waiting_.size(); ++i) waiting_[i].ticks = static_cast<double>(i) * rate;
    timed_waiting_ = waiting_.size();
    any_timed_ = true;
    first_pcr_ticks_ = static_cast<double>(first_pcr_index_) * rate;
    last_pcr_ticks_ = knot_ticks_ = waiting_.back().ticks;
    return;
  }
  double elapsed = jump ? static_cast<double>(packets) * ticks_per_packet() : static_cast<double>(step);
  // Packets that left early, at the average rate, while the PCR was awaited: no time runs backwards.
  elapsed = std::max(0.0, last_pcr_ticks_ + elapsed - knot_ticks_);
  knot(elapsed);
  last_pcr_ticks_ = knot_ticks_;
}

// Times what waits, up to the last packet pushed, which leaves so many ticks after the last one timed.
void Pacer::knot(double ticks_since_last) {
  const std::size_t count = waiting_.size() - timed_waiting_;
  if (count == 0) return;
  if (!any_timed_) {  // the very first packet is time 0, not one step after something
    any_timed_ = true;
    knot_ticks_ = -ticks_since_last / static_cast<double>(count);
    const double step = -knot_ticks_;
    first_pcr_ticks_ = last_pcr_ticks_ = static_cast<double>(first_pcr_index_) * step;
  }
  const double interval = ticks_since_last / static_cast<double>(count);
  for (std::size_t i = 0; i < count; ++i) {
    waiting_[timed_waiting_ + i].ticks = knot_ticks_ + interval * static_cast<double>(i + 1);
  }
  knot_ticks_ = waiting_.back().ticks;
  timed_waiting_ = waiting_.size();
}

bool Pacer::pop(PacedPacket& out) {
  if (timed_waiting_ == 0) return false;
  const Waiting& front = waiting_.front();
  out.bytes = front.bytes;
  out.departure = std::chrono::nanoseconds{std::llround(front.ticks * 1000.0 / 27.0)};
  waiting_.pop_front();
  --timed_waiting_;
  return true;
}

std::uint64_t Pacer::end_of_loop() {
  const double rate = ticks_per_packet();
  knot(static_cast<double>(waiting_.size() - timed_waiting_) * rate);
  // The next loop's first packet leaves one step later, and its first PCR as long after that as in this loop.
  const double loop_end = knot_ticks_ + rate;
  double duration = loop_end - loop_start_;
  std::uint64_t shift = static_cast<std::uint64_t>(std::llround(duration)) % kPcrModulus;
  if (pcr_in_loop_ && timed() && !switched_) {
    // From the last PCR to the next loop's first: jumps inside the file are left out, so that none appears at
    // the seam.
    const double gap = loop_end - last_pcr_ticks_ + (first_pcr_ticks_ - loop_start_);
    shift = (pcr_difference(last_pcr_, first_pcr_) +
             static_cast<std::uint64_t>(std::llround(std::max(0.0, gap)))) %
            kPcrModulus;
  }
  // PTS and DTS count in steps of 300: with the rest taken from the departure too, clock and spacing never
  // drift apart.
  const std::uint64_t rest = shift % 300;
  loop_start_ = loop_end - static_cast<double>(rest);
  knot_ticks_ = loop_start_ - rate;
  pcr_in_loop_ = false;
  switched_ = false;
  since_pcr_ = 0;
  other_pid_.reset();
  return shift - rest;
}

}  // namespace headgate::mpegts

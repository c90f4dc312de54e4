// Counts what an RTP input lost, got twice or out of order, by sequence numbers (RFC 3550 6.4.1 and A.1 as
// the model). Threading: owned by one thread.
#pragma once

#include <cstdint>

namespace headgate::fastpath {

class RtpTracker {
 public:
  void on_packet(std::uint16_t sequence, std::uint32_t ssrc) noexcept {
    if (!started_ || ssrc != ssrc_) return restart(sequence, ssrc);
    const auto step = static_cast<std::int16_t>(static_cast<std::uint16_t>(sequence - highest_));
    if (step > kMaxDropout || step < -kMaxMisorder) return restart(sequence, ssrc);
    if (step > 0) {
      const auto advance = static_cast<unsigned>(step);
      lost_ += advance - 1;
      seen_ = advance < 64 ? (seen_ << advance | 1) : 1;
      highest_ = sequence;
      return;
    }
    const auto back = static_cast<unsigned>(-step);
    const bool known = back < 64 && (seen_ >> back & 1) != 0;
    if (known || back >= 64) {
      ++duplicates_;
      return;
    }
    // A late one was counted as lost when it was overtaken.
    seen_ |= std::uint64_t{1} << back;
    ++reordered_;
    if (lost_ > 0) --lost_;
  }

  std::uint64_t lost() const noexcept { return lost_; }
  std::uint64_t duplicates() const noexcept { return duplicates_; }
  std::uint64_t reordered() const noexcept { return reordered_; }
  // Rises when the numbering began anew: another source, or a jump too far to be loss.
  std::uint32_t restarts() const noexcept { return restarts_; }

 private:
  static constexpr int kMaxDropout = 3000;  // RFC 3550 A.1
  static constexpr int kMaxMisorder = 100;  // RFC 3550 A.1

  void restart(std::uint16_t sequence, std::uint32_t ssrc) noexcept {
    started_ = true;
    ssrc_ = ssrc;
    highest_ = sequence;
    // What lay before is unknown: taken as seen, so that a straggler isn't taken for a repaired loss.
    seen_ = ~std::uint64_t{0};
    ++restarts_;
  }

  bool started_ = false;
  std::uint16_t highest_ = 0;
  std::uint32_t ssrc_ = 0;
  std::uint32_t restarts_ = 0;
  std::uint64_t seen_ = 0;  // bit n: highest_ - n came
  std::uint64_t lost_ = 0;
  std::uint64_t duplicates_ = 0;
  std::uint64_t reordered_ = 0;
};

}  // namespace headgate::fastpath

#include "mpegts/monitor/delivery_monitor.h"

#include <limits>

namespace headgate::mpegts {

void DeliveryMonitor::begin(std::int64_t now_ns, std::size_t bytes, std::uint32_t stalls) noexcept {
  start_ns_ = last_ns_ = now_ns;
  gap_min_ns_ = std::numeric_limits<std::int64_t>::max();
  gap_max_ns_ = 0;
  bytes_ = bytes;
  datagrams_ = 1;
  low_ = 0;
  high_ = static_cast<double>(bytes);
  stalls_ = stalls;
  pcrs_ = 0;
}

void DeliveryMonitor::close(std::int64_t now_ns, std::uint32_t stalls) noexcept {
  const auto length = static_cast<double>(now_ns - start_ns_);
  if (stalls == stalls_) {
    Second second;
    second.datagrams = datagrams_;
    second.gap_min_ns = gap_min_ns_;
    second.gap_mean_ns = (now_ns - start_ns_) / static_cast<std::int64_t>(datagrams_);
    second.gap_max_ns = gap_max_ns_;
    if (bytes_per_ns_ > 0)
      second.delay_factor_ns = static_cast<std::int64_t>((high_ - low_) / bytes_per_ns_ + 0.5);
    if (pcrs_ >= 2) second.pcr_jitter_ns = late_ns_ - early_ns_;
    second_ = second;
    ++seconds_;
  }
  if (pcrs_ >= 2 && elapsed_ticks_ > 0) {
    bytes_per_ns_ = static_cast<double>(last_position_ - first_position_) /
                    (static_cast<double>(elapsed_ticks_) * 1000 / 27);
  } else {
    bytes_per_ns_ = static_cast<double>(bytes_) / length;
  }
}

void DeliveryMonitor::on_pcr(Pcr27MHz pcr, bool signalled, std::uint64_t position,
                             std::int64_t now_ns) noexcept {
  const std::uint64_t step = (pcr.ticks + kPcrModulus - last_pcr_) % kPcrModulus;
  last_pcr_ = pcr.ticks % kPcrModulus;
  // After a jump the second begins anew for the clock.
  if (pcrs_ == 0 || signalled || step > static_cast<std::uint64_t>(kTicksPerSecond)) {
    pcrs_ = 1;
    first_position_ = last_position_ = position;
    first_pcr_ns_ = now_ns;
    elapsed_ticks_ = 0;
    early_ns_ = late_ns_ = 0;
    return;
  }
  ++pcrs_;
  last_position_ = position;
  elapsed_ticks_ += static_cast<std::int64_t>(step);
  const std::int64_t off = now_ns - first_pcr_ns_ - elapsed_ticks_ * 1000 / 27;
  early_ns_ = std::min(early_ns_, off);
  late_ns_ = std::max(late_ns_, off);
}

}  // namespace headgate::mpegts

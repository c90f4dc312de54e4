// How evenly the datagrams of a stream arrive: times between them, Media Delivery Index, jitter of the PCRs'
// arrival; over a second each. Reference: RFC 4445 3.1 to 3.3. The virtual buffer takes in what arrives and
// is drained at the media rate: DF is the distance of its highest and lowest level over that rate. The media
// rate is that of the stream's own clock (bytes between two PCRs) over the second before; without PCRs, that
// of the arrivals. DEVIATES: 3.1: the nominal rate of a stream nobody knows beforehand; where the rate varies
// from second to second, that adds to DF. Threading: owned by one thread; nothing allocates.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {

class DeliveryMonitor {
 public:
  static constexpr std::int64_t kSecondNs = std::chrono::nanoseconds(std::chrono::seconds(1)).count();

  // A second that is over, from the arrival of its first datagram to that of the first one after it.
  struct Second {
    std::uint64_t datagrams = 0;
    std::int64_t gap_min_ns = 0;  // between two datagrams
    std::int64_t gap_mean_ns = 0;
    std::int64_t gap_max_ns = 0;
    std::optional<std::int64_t> delay_factor_ns;  // nothing in the first second, where no rate is known
    std::optional<std::int64_t> pcr_jitter_ns;    // peak to peak; nothing with fewer than two PCRs
  };

  // stalls: of whoever looks at the arrivals; a second in which that number changed is left out.
  void on_datagram(std::int64_t now_ns, std::size_t bytes, std::uint32_t stalls = 0) noexcept {
    if (datagrams_ == 0) return begin(now_ns, bytes, stalls);
    const std::int64_t gap = std::max<std::int64_t>(now_ns - last_ns_, 0);
    last_ns_ = now_ns;
    gap_min_ns_ = std::min(gap_min_ns_, gap);
    gap_max_ns_ = std::max(gap_max_ns_, gap);
    const double level =
        static_cast<double>(bytes_) - bytes_per_ns_ * static_cast<double>(now_ns - start_ns_);
    low_ = std::min(low_, level);
    if (now_ns - start_ns_ >= kSecondNs) [[unlikely]] {
      close(now_ns, stalls);
      return begin(now_ns, bytes, stalls);
    }
    high_ = std::max(high_, level + static_cast<double>(bytes));
    bytes_ += bytes;
    ++datagrams_;
  }
  // Of one PID. position: bytes of the stream before it. signalled: with discontinuity_indicator.
  void on_pcr(Pcr27MHz pcr, bool signalled, std::uint64_t position, std::int64_t now_ns) noexcept;

  // The latest second, once there is one, and how many there were.
  const std::optional<Second>& last() const noexcept { return second_; }
  std::uint64_t seconds() const noexcept { return seconds_; }

 private:
  void begin(std::int64_t now_ns, std::size_t bytes, std::uint32_t stalls) noexcept;
  void close(std::int64_t now_ns, std::uint32_t stalls) noexcept;

  std::int64_t start_ns_ = 0;
  std::int64_t last_ns_ = 0;
  std::int64_t gap_min_ns_ = 0;
  std::int64_t gap_max_ns_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t datagrams_ = 0;  // since the beginning of the second; 0: none came yet
  double bytes_per_ns_ = 0;      // 0: not known
  double low_ = 0;
  double high_ = 0;
  std::uint32_t stalls_ = 0;

  // Of the PCRs of this second; before the first of them all but last_pcr_ is of no meaning.
  std::uint32_t pcrs_ = 0;
  std::uint64_t last_pcr_ = 0;
  std::uint64_t first_position_ = 0;
  std::uint64_t last_position_ = 0;
  std::int64_t first_pcr_ns_ = 0;
  std::int64_t elapsed_ticks_ = 0;
  std::int64_t early_ns_ = 0;  // of arrival less PCR
  std::int64_t late_ns_ = 0;

  std::optional<Second> second_;
  std::uint64_t seconds_ = 0;
};

// The seconds of a while: the shortest and longest interval, the worst delay factor and jitter.
struct DeliveryInfo {
  std::uint64_t seconds = 0;
  std::int64_t gap_min_ns = 0;
  std::int64_t gap_mean_ns = 0;
  std::int64_t gap_max_ns = 0;
  std::optional<std::int64_t> delay_factor_ns;
  std::optional<std::int64_t> pcr_jitter_ns;

  void add(const DeliveryMonitor::Second& second) noexcept {
    gap_min_ns = seconds == 0 ? second.gap_min_ns : std::min(gap_min_ns, second.gap_min_ns);
    gap_max_ns = std::max(gap_max_ns, second.gap_max_ns);
    datagrams += second.datagrams;
    elapsed_ns += second.gap_mean_ns * static_cast<std::int64_t>(second.datagrams);
    gap_mean_ns = elapsed_ns / static_cast<std::int64_t>(datagrams);
    ++seconds;
    if (second.delay_factor_ns)
      delay_factor_ns = std::max(delay_factor_ns.value_or(0), *second.delay_factor_ns);
    if (second.pcr_jitter_ns) pcr_jitter_ns = std::max(pcr_jitter_ns.value_or(0), *second.pcr_jitter_ns);
  }

  std::uint64_t datagrams = 0;
  std::int64_t elapsed_ns = 0;
};

}  // namespace headgate::mpegts

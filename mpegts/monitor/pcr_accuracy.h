// PCR_AC of one PID of a stream of constant rate (ETSI TR 101 290 V1.4.1 5.2.2 2.4, 5.3.2.1): how far each
// PCR lies from the straight line through all, by its place in bytes. A line leaves out the clock's
// frequency, so that programs of one multiplex may each have their own; over hours its drift would show.
// Threading: owned by one thread. Memory: at most kMostSamples PCRs.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {

struct PcrAccuracyInfo {
  bool constant_rate =
      false;  // no PCR is farther than a millisecond from the line; else nothing below but samples
  std::uint64_t samples = 0;
  std::uint64_t errors = 0;  // over 500 ns
  double max_ns = 0;
  double p99_ns = 0;
  double bitrate = 0;  // bit/s of 188-byte packets, by this clock
};

class PcrAccuracy {
 public:
  static constexpr std::size_t kMostSamples = std::size_t{1} << 18;
  static constexpr std::size_t kLeastSamples = 10;

  // packet: its number in the stream. ticks: since the PCR before; nothing where that says nothing: a new
  // line begins then. Of several lines the longest counts.
  void on_pcr(std::uint64_t packet, std::optional<std::uint64_t> ticks);
  // Nothing with too few PCRs to tell.
  std::optional<PcrAccuracyInfo> info() const;

 private:
  struct Sample {
    std::uint64_t packet;
    std::uint64_t ticks;
  };
  std::vector<Sample> line_;
  std::vector<Sample> longest_;
};

}  // namespace headgate::mpegts

#include "mpegts/monitor/pcr_accuracy.h"

#include <algorithm>
#include <cmath>

#include "mpegts/monitor/indicators.h"

namespace headgate::mpegts {
namespace {

constexpr double kNsPerTick = 1e9 / static_cast<double>(kTicksPerSecond);
constexpr double kNotConstantNs = 1e6;

}  // namespace

void PcrAccuracy::on_pcr(std::uint64_t packet, std::optional<std::uint64_t> ticks) {
  if (!ticks || line_.empty()) {
    if (line_.size() > longest_.size()) longest_.swap(line_);
    line_.clear();
    line_.push_back({packet, 0});
    return;
  }
  if (line_.size() < kMostSamples) line_.push_back({packet, line_.back().ticks + *ticks});
}

std::optional<PcrAccuracyInfo> PcrAccuracy::info() const {
  const auto& line = line_.size() > longest_.size() ? line_ : longest_;
  if (line.size() < kLeastSamples) return std::nullopt;
  const auto count = static_cast<double>(line.size());
  double x_mean = 0, y_mean = 0;
  for (const Sample& s : line) {
    x_mean += static_cast<double>(s.packet - line.front().packet) / count;
    y_mean += static_cast<double>(s.ticks) / count;
  }
  const auto x_of = [&](const Sample& s) {
    return static_cast<double>(s.packet - line.front().packet) - x_mean;
  };
  double xx = 0, xy = 0;
  for (const Sample& s : line) {
    xx += x_of(s) * x_of(s);
    xy += x_of(s) * (static_cast<double>(s.ticks) - y_mean);
  }
  PcrAccuracyInfo out;
  out.samples = line.size();
  if (xx <= 0 || xy <= 0) return out;
  const double slope = xy / xx;
  std::vector<double> off;
  off.reserve(line.size());
  for (const Sample& s : line)
    off.push_back(std::abs(static_cast<double>(s.ticks) - y_mean - slope * x_of(s)) * kNsPerTick);
  out.max_ns = *std::max_element(off.begin(), off.end());
  if (out.max_ns > kNotConstantNs) {
    out.max_ns = 0;
    return out;
  }
  out.constant_rate = true;
  constexpr auto kLimit = static_cast<double>(kPcrAccuracyLimit.count());
  out.errors =
      static_cast<std::uint64_t>(std::count_if(off.begin(), off.end(), [](double o) { return o > kLimit; }));
  const auto p99 = off.begin() + static_cast<std::ptrdiff_t>((off.size() - 1) * 99 / 100);
  std::nth_element(off.begin(), p99, off.end());
  out.p99_ns = *p99;
  out.bitrate = static_cast<double>(kPacketSize * 8) * static_cast<double>(kTicksPerSecond) / slope;
  return out;
}

}  // namespace headgate::mpegts

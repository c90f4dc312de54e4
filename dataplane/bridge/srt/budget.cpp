#include "dataplane/bridge/srt/budget.h"

#include <algorithm>

namespace headgate::bridge::srt {
namespace {

// Until a channel's rate is known.
constexpr std::int64_t kAssumedRate = 20'000'000 / 8;
constexpr std::size_t kMinBuffer = 256 * 1024;
constexpr std::size_t kMaxBuffer = 40 * 1024 * 1024;
// libsrt sends lost packets again before new ones: with too small a budget a burst of losses would keep live
// data waiting. Five times the channel's rate leaves four for the start or for what was lost, and still
// bounds what a congested path is burdened with. Not SRTO_INPUTBW: its estimate follows the start's fourfold
// speed.
constexpr std::int64_t kBandwidthFactor = 5;
constexpr std::int64_t kMinBandwidth = 1'000'000;

constexpr std::int64_t kReceiveRate = 4;       // packets a millisecond
constexpr std::int64_t kReceiveMargin = 1000;  // ms
constexpr std::int64_t kMinReceive = 8'192;    // packets
constexpr std::int64_t kMaxReceive = 36'864;

}  // namespace

ReceiveRoom receive_room(std::uint32_t latency_ms) {
  const std::int64_t packets =
      std::clamp((latency_ms + kReceiveMargin) * kReceiveRate, kMinReceive, kMaxReceive);
  return {static_cast<int>(packets), static_cast<int>(packets) * kPacketOnWire};
}

std::size_t buffer_limit(std::int64_t latency_ms, std::int64_t bytes_per_second) {
  const std::int64_t rate = bytes_per_second > 0 ? bytes_per_second : kAssumedRate;
  return std::clamp(static_cast<std::size_t>(2 * latency_ms * rate / 1000), kMinBuffer, kMaxBuffer);
}

std::int64_t max_bandwidth(std::int64_t bytes_per_second) {
  return bytes_per_second > 0 ? std::max(kBandwidthFactor * bytes_per_second, kMinBandwidth) : 0;
}

}  // namespace headgate::bridge::srt

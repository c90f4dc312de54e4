#include "control/cli/tap_reader.h"

#include <poll.h>

#include <algorithm>
#include <optional>
#include <span>

#include "dataplane/ring/ring.h"

namespace headgate::control {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kBatch = 512;
constexpr std::chrono::milliseconds kLongestTapWait{200};  // to see that the writer has gone

}  // namespace

tl::expected<std::uint64_t, std::string> read_tap(const std::string& ring, std::chrono::milliseconds time,
                                                  mpegts::StreamAnalyzer& analyzer) {
  auto opened = ring::Consumer::open(ring);
  if (!opened) return tl::unexpected(opened.error());
  ring::Consumer& reader = **opened;
  std::uint64_t lost = 0;
  std::optional<std::uint32_t> next;
  const auto take = [&](const ring::Slot& slot) {
    lost += next ? slot.sequence - *next : 0;
    next = slot.sequence + 1;
    analyzer.on_datagram({slot.packets.data(), slot.packet_count * mpegts::kPacketSize}, slot.arrival_ns);
  };
  const auto end = SteadyClock::now() + time;
  for (auto now = SteadyClock::now(); now < end && !reader.stale(); now = SteadyClock::now()) {
    if (reader.poll(kBatch, take) > 0 || !reader.prepare_sleep()) continue;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - now);
    pollfd entry{reader.wake_fd(), POLLIN, 0};
    ::poll(&entry, 1, static_cast<int>(std::min(left, kLongestTapWait).count()) + 1);
    reader.awake();
  }
  while (reader.stale() && reader.poll(kBatch, take) > 0) {  // what it had still given
  }
  return lost;
}

}  // namespace headgate::control

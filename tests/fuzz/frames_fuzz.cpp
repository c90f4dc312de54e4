// links: headgate::fastpath_host
// Frames from the network into the IPv4 host: [seconds until the next][length, 2 bytes][frame] again and
// again.
#include <algorithm>
#include <chrono>

#include "dataplane/fastpath/host/interface_host.h"

namespace {
struct Sink : headgate::fastpath::FrameSink {
  void send(headgate::fastpath::Bytes frame) override {
    // What we send must be what we can read, and never longer than the link takes.
    if (!headgate::fastpath::parse_ethernet(frame) || frame.size() > 1518 + 4) __builtin_trap();
  }
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headgate::fastpath;
  Sink sink;
  std::uint64_t state = 1;
  const Random random = [&](std::uint64_t bound) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state >> 16) % (bound + 1);
  };
  InterfaceHost host({{2, 0, 0, 0, 0, 1}, 1500, IgmpVersionMode::automatic, {{0, {{0x0A140005}}}, {21, {}}}},
                     random, sink);
  Time now = std::chrono::seconds(1000);
  host.multicast(0)->join({0xEF010101}, std::nullopt, now);
  host.multicast(0)->join({0xEF010102}, Ipv4{0x0A000001}, now);
  host.multicast(21)->join({0xEF010103}, std::nullopt, now);
  while (size >= 3) {
    now += std::chrono::seconds(data[0]);
    const size_t length = std::min<size_t>(data[1] << 8 | data[2], size - 3);
    host.on_frame(now, {data + 3, length});
    host.on_timer(now);
    data += 3 + length;
    size -= 3 + length;
  }
  host.next_deadline();
  return 0;
}

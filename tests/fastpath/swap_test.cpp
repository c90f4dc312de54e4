// Tables that change under a worker of another thread: what ThreadSanitizer and AddressSanitizer must see.
// The polling thread feeds and drains the rings itself, so that nothing crosses threads but what the product
// shares.
#include <atomic>
#include <string>
#include <thread>

#include "tests/fastpath/fastpath_support.h"

namespace headgate::fastpath {
namespace {

using SwapTest = WorkerTest;

TEST_F(SwapTest, TablesChangeUnderAPollingThread) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1"), channel("b", "239.1.1.2", "239.2.1.2")};
  wanted.channels[0].to_bridge = true;
  apply(wanted);
  std::atomic<bool> stop{false};
  std::uint64_t fed = 0;
  std::uint64_t of_a = 0;
  std::thread polling([&] {
    for (; !stop.load(std::memory_order_relaxed); ++fed) {
      const FrameBytes packets = ts_packet(0x100, static_cast<std::uint8_t>(fed), 0x11);
      receive(udp_frame(packets));
      receive(udp_frame(packets, {.destination = 0xEF010102}));
      for (const FrameBytes& frame : sent()) of_a += parse_frame(frame, 0).destination == 0xEF020101 ? 1 : 0;
      worker->publish_all();
    }
  });
  for (unsigned i = 0; i < 60; ++i) {
    ++wanted.generation;
    auto& b = wanted.channels[1];
    b.outputs[0].group = "239.2.1." + std::to_string(10 + i % 3);
    b.outputs[0].url = "udp://" + b.outputs[0].group + ":6000";
    b.inputs[0].program = i % 2 == 0 ? std::optional<protocol::Program>(std::uint16_t{1}) : std::nullopt;
    b.to_bridge = i % 4 == 0;
    if (i % 5 == 4) {
      auto without = wanted;
      without.channels.pop_back();
      apply_beside(without);
    }
    apply_beside(wanted);
  }
  stop.store(true);
  polling.join();
  EXPECT_GE(fed, 1U);
  EXPECT_EQ(input("a")->datagrams.load(), fed);
  EXPECT_EQ(input("a")->cc_errors.load(), 0U);
  EXPECT_EQ(of_a, fed) << "the channel that stays loses nothing";
}

}  // namespace
}  // namespace headgate::fastpath

// ring_feed FILE.ts RING CHANNEL_HANDLE...: plays a file into a ring as the fast path would, paced by its PCR
// and looped, to every channel given. For looking at the bridge by hand and for measuring it.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "tests/bridge/slots.h"

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: ring_feed FILE.ts RING CHANNEL_HANDLE...\n");
    return 2;
  }
  std::ifstream file(argv[1], std::ios::binary);
  const std::vector<std::uint8_t> bytes((std::istreambuf_iterator<char>(file)),
                                        std::istreambuf_iterator<char>());
  auto producer = headgate::ring::Producer::open(argv[2], 65536);
  if (!producer || bytes.empty()) {
    std::fprintf(stderr, "ring_feed: %s\n", producer ? "the file is empty" : producer.error().c_str());
    return 1;
  }
  std::vector<std::uint32_t> handles;
  for (int i = 3; i < argc; ++i)
    handles.push_back(static_cast<std::uint32_t>(std::strtoul(argv[i], nullptr, 10)));
  (*producer)->set_channel_count(handles.size());
  using Clock = std::chrono::system_clock;
  const auto begin = Clock::now();
  headgate::bridge::test::Slots* source = nullptr;
  const auto begin_ns =
      std::chrono::duration_cast<std::chrono::nanoseconds>(begin.time_since_epoch()).count();
  headgate::bridge::test::Slots slots([&](const headgate::ring::Slot& slot) {
    const std::chrono::nanoseconds due(source->arrival() - begin_ns);
    const auto when = begin + std::chrono::duration_cast<Clock::duration>(due);
    if (when > Clock::now()) {
      (*producer)->flush();
      std::this_thread::sleep_until(when);
    }
    headgate::ring::Slot copy = slot;
    for (const std::uint32_t handle : handles) {
      copy.channel = handle;
      (*producer)->push(copy,
                        std::span(slot.packets).first(slot.packet_count * headgate::mpegts::kPacketSize));
    }
  });
  source = &slots;
  slots.set_arrival(begin_ns);
  for (;;) slots.packets(bytes);
}

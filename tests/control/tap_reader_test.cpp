#include "control/cli/tap_reader.h"

#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "dataplane/ring/ring.h"
#include "temp_dir.h"

namespace headgate::control {
namespace {

std::array<std::uint8_t, 188> null_packet() {
  std::array<std::uint8_t, 188> packet{};
  packet[0] = 0x47;
  packet[1] = 0x1F;
  packet[2] = 0xFF;
  packet[3] = 0x10;
  return packet;
}

TEST(TapReader, ReadsUntilTheWriterGoesAndCountsWhatItLost) {
  const TempDir dir;
  const std::string path = dir.path + "/tap-0.ring";
  auto ring = *ring::Producer::open(path, 64);
  std::uint32_t sent = 0;
  std::thread writer([&] {
    while (!ring->has_consumer()) std::this_thread::yield();
    ring::Slot slot{};
    slot.arrival_ns = 1;
    const auto push = [&] {
      ++sent;
      return ring->push(slot, null_packet());
    };
    for (int i = 0; i < 100; ++i) push();  // not shown before flush(): 64 find room
    do ring->flush();
    while (!push());
    ring->flush();
    std::filesystem::remove(path);
  });
  mpegts::StreamAnalyzer analyzer;
  const auto lost = read_tap(path, std::chrono::hours(1), analyzer);
  writer.join();
  ASSERT_TRUE(lost) << lost.error();
  EXPECT_GE(*lost, 36U);
  EXPECT_EQ(analyzer.report().packets + *lost, sent);
}

TEST(TapReader, EndsInTimeWithoutPacketsAndNamesARingThatIsNotThere) {
  const TempDir dir;
  const auto ring = *ring::Producer::open(dir.path + "/r", 64);
  mpegts::StreamAnalyzer analyzer;
  EXPECT_EQ(read_tap(dir.path + "/r", std::chrono::milliseconds(5), analyzer).value(), 0U);
  const auto absent = read_tap(dir.path + "/none", std::chrono::milliseconds(5), analyzer);
  ASSERT_FALSE(absent);
  EXPECT_NE(absent.error().find("/none"), std::string::npos);
}

}  // namespace
}  // namespace headgate::control

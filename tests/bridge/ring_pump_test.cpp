// The pump over a real ring: traffic, sleep and wake, a producer that comes back, a ring that is made anew.
#include "dataplane/bridge/app/ring_pump.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>

#include "tests/support/cpu_wait.h"

namespace headgate::bridge::app {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class RingPumpTest : public testing::Test {
 protected:
  RingPumpTest() { std::filesystem::create_directories(directory); }
  ~RingPumpTest() override {
    pump.stop();
    context.run_for(1ms);
    std::filesystem::remove_all(directory);
  }
  std::unique_ptr<ring::Producer> produce() {
    auto made = ring::Producer::open(path, 1024);
    EXPECT_TRUE(made) << made.error();
    if (!made) return nullptr;
    (*made)->set_channel_count(1);
    return std::move(*made);
  }
  static void push(ring::Producer& producer, int count = 1) {
    const std::vector<std::uint8_t> packet(188, 0x47);
    ring::Slot slot{};
    slot.channel = 1;
    slot.packet_count = 1;
    for (int i = 0; i < count; ++i) EXPECT_TRUE(producer.push(slot, packet));
    producer.flush();
  }
  // Runs the loop until `done`, at most a minute; how long it took.
  template <typename Done>
  std::chrono::milliseconds until(Done done) {
    const auto begin = Clock::now();
    while (!done() && Clock::now() - begin < 60s) context.run_for(1ms);
    EXPECT_TRUE(done());
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
  }
  // How often the loop ran a handler in this time: a pump that sleeps runs hardly any.
  std::size_t handlers(std::chrono::milliseconds time) {
    std::size_t count = 0;
    const auto end = Clock::now() + time;
    while (Clock::now() < end) count += context.run_one_until(end);
    return count;
  }

  const std::string directory = testing::TempDir() + "ring_pump_test_" + std::to_string(::getpid());
  const std::string path = directory + "/bridge.ring";
  boost::asio::io_context context{1};
  int slots = 0;
  int gaps = 0;
  RingPump pump{context, path, [this](const ring::Slot&) { ++slots; }, [this] { ++gaps; }};
};

TEST_F(RingPumpTest, WaitsForARingThatIsNotThereYet) {
  pump.start();
  context.run_for(50ms);
  EXPECT_FALSE(pump.attached());
  const auto producer = produce();
  until([&] { return pump.attached(); });
  push(*producer, 3);
  until([&] { return slots == 3; });
  EXPECT_EQ(gaps, 0);
}

TEST_F(RingPumpTest, SleepsWhenQuietAndWakesByTheFifoAtOnce) {
  const auto producer = produce();
  pump.start();
  until([&] { return pump.attached(); });
  push(*producer);
  until([&] { return slots == 1; });
  context.run_for(400ms);  // beyond the time that it stays awake
  EXPECT_LE(handlers(900ms), 8U) << "it polls although nothing comes";
  std::chrono::milliseconds fastest = 1h;
  for (int round = 2; round < 6; ++round) {
    push(*producer);
    const auto waited = headgate::test::waited_for_cpu();
    const auto took = until([&] { return slots == round; });
    // Well before the long sleep is over by itself.
    EXPECT_LT(took, 300ms + headgate::test::waited_for_cpu() - waited);
    fastest = std::min(fastest, took);
    context.run_for(300ms);
  }
  EXPECT_LT(fastest, 100ms);
  EXPECT_EQ(gaps, 0);
  EXPECT_EQ(pump.restarts(), 0U);
}

TEST_F(RingPumpTest, AProducerThatComesBackIsOneGap) {
  auto producer = produce();
  pump.start();
  until([&] { return pump.attached(); });
  push(*producer, 2);
  until([&] { return slots == 2; });
  for (const auto pause : {20ms, 500ms}) {  // awake, and asleep
    const int before = gaps;
    producer.reset();
    context.run_for(pause);
    producer = produce();
    const int had = slots;
    push(*producer, 2);
    until([&] { return slots == had + 2; });
    EXPECT_EQ(gaps, before + 1);
  }
  EXPECT_EQ(pump.restarts(), 2U);
}

TEST_F(RingPumpTest, ARingMadeAnewIsFoundAndIsAGap) {
  auto producer = produce();
  pump.start();
  until([&] { return pump.attached(); });
  push(*producer);
  until([&] { return slots == 1; });
  producer.reset();
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  producer = produce();
  until([&] { return gaps == 1; });
  push(*producer, 4);
  until([&] { return slots == 5; });
  EXPECT_EQ(pump.restarts(), 1U);
}

TEST_F(RingPumpTest, AFloodDoesNotStopTheLoopFromServingOthers) {
  const auto producer = produce();
  pump.start();
  until([&] { return pump.attached(); });
  for (int i = 0; i < 20; ++i) {
    push(*producer, 200);
    until([&] { return slots == 200 * (i + 1); });
  }
  EXPECT_EQ(gaps, 0);
}

}  // namespace
}  // namespace headgate::bridge::app

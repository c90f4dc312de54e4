// Both ends in processes of their own, killed in the middle of their work.
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <cstring>

#include "tests/ring/ring_fixture.h"

namespace headgate::ring {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Packets whose every byte is the low byte of the slot's number, so that a torn slot shows.
bool whole(const Slot& slot) {
  const std::size_t size = slot.packet_count * std::size_t{188};
  return std::memcmp(slot.packets.data(), slot.packets.data() + 1, size - 1) == 0;
}

class RingProcesses : public RingFixture {
 protected:
  // Pushes and flushes for ever, in bursts; retries what finds the ring full when `patient`.
  pid_t start_producer(std::uint32_t slots_to_send, bool patient) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    auto producer = Producer::open(path_, 256);
    if (!producer) ::_exit(2);
    for (std::uint32_t i = 0; i < slots_to_send;) {
      const bool taken = push(**producer, 1, static_cast<std::uint8_t>(i));
      if (taken || !patient) ++i;
      if (!taken || i % 5 == 0) (*producer)->flush();
    }
    (*producer)->flush();
    ::_exit(0);
  }

  std::unique_ptr<Consumer> open_consumer() {
    const auto deadline = SteadyClock::now() + std::chrono::seconds(60);
    while (SteadyClock::now() < deadline) {
      if (auto consumer = Consumer::open(path_)) return std::move(*consumer);
      ::poll(nullptr, 0, 1);
    }
    return nullptr;
  }

  // Takes `count` slots, sleeping on the FIFO whenever the ring is empty. False: the wake-up didn't come.
  static bool take(Consumer& consumer, std::size_t count, bool* torn) {
    while (count > 0) {
      const std::size_t n = consumer.poll(count, [&](const Slot& slot) { *torn = *torn || !whole(slot); });
      count -= n;
      if (n > 0 || !consumer.prepare_sleep()) continue;
      pollfd waiting{consumer.wake_fd(), POLLIN, 0};
      if (::poll(&waiting, 1, 60000) != 1) return false;
      consumer.awake();
    }
    return true;
  }

  static int kill_and_wait(pid_t pid, int signal) {
    if (signal != 0) ::kill(pid, signal);
    int status = 0;
    ::waitpid(pid, &status, 0);
    return status;
  }
};

TEST_F(RingProcesses, NoWakeUpIsLost) {
  auto made = std::move(*Producer::open(path_, 256));
  auto consumer = open_consumer();
  ASSERT_NE(consumer, nullptr);
  made.reset();
  const pid_t pid = start_producer(100000, true);
  // A slot that finds the ring full is dropped, its successor tried again: exactly 100000 get in.
  bool torn = false;
  EXPECT_TRUE(take(*consumer, 100000, &torn)) << "slept through a slot";
  EXPECT_FALSE(torn);
  EXPECT_EQ(kill_and_wait(pid, 0), 0);
}

TEST_F(RingProcesses, ConsumerGoesOnAfterItsProducerIsKilled) {
  pid_t pid = start_producer(0xFFFFFFFF, false);
  auto consumer = open_consumer();
  ASSERT_NE(consumer, nullptr);
  bool torn = false;
  for (int kill = 0; kill < 10; ++kill) {
    ASSERT_TRUE(take(*consumer, 5000, &torn));
    kill_and_wait(pid, SIGKILL);
    consumer->producer_restarted();
    pid = start_producer(0xFFFFFFFF, false);
    bool gap = false;
    const auto deadline = SteadyClock::now() + std::chrono::seconds(60);
    bool restarted = false;
    while ((!restarted || !gap) && SteadyClock::now() < deadline) {
      restarted = consumer->producer_restarted() || restarted;
      consumer->poll(1000, [&](const Slot& slot) {
        torn = torn || !whole(slot);
        gap = gap || (slot.flags & kSlotGap) != 0;
      });
    }
    EXPECT_TRUE(restarted);
    EXPECT_TRUE(gap);
    EXPECT_FALSE(consumer->stale());
  }
  EXPECT_FALSE(torn);
  kill_and_wait(pid, SIGKILL);
}

TEST_F(RingProcesses, ProducerGoesOnAfterItsConsumerIsKilled) {
  auto producer = std::move(*Producer::open(path_, 256));
  for (int kill = 0; kill < 10; ++kill) {
    int report[2];
    ASSERT_EQ(::pipe(report), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
      auto consumer = Consumer::open(path_);
      if (!consumer) ::_exit(2);
      std::size_t taken = 0;
      bool told = false;
      for (;;) {
        taken += (*consumer)->poll(7, [](const Slot&) {});
        if (taken > 2000 && !std::exchange(told, true)) (void)!::write(report[1], "x", 1);
      }
    }
    ::close(report[1]);
    pollfd waiting{report[0], POLLIN, 0};
    const auto deadline = SteadyClock::now() + std::chrono::seconds(60);
    while (::poll(&waiting, 1, 0) == 0 && SteadyClock::now() < deadline) {
      for (int i = 0; i < 32; ++i) push(*producer, 1);
      producer->flush();
    }
    char byte = 0;
    EXPECT_EQ(::read(report[0], &byte, 1), 1) << "the consumer didn't take its slots";
    ::close(report[0]);
    kill_and_wait(pid, SIGKILL);
    for (int i = 0; i < 300; ++i) push(*producer, 1);  // nobody takes them: drops, no more
    producer->flush();
  }
  EXPECT_GT(producer->dropped(1), 0U);
}

}  // namespace
}  // namespace headgate::ring

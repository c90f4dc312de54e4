#include "dataplane/ring/ring.h"

#include <poll.h>

#include "tests/ring/ring_fixture.h"
#include "tests/support/allocation_count.h"

namespace headgate::ring {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class RingTest : public RingFixture {
 protected:
  void open(std::size_t slots) {
    auto producer = Producer::open(path_, slots);
    ASSERT_TRUE(producer) << producer.error();
    producer_ = std::move(*producer);
    auto consumer = Consumer::open(path_);
    ASSERT_TRUE(consumer) << consumer.error();
    consumer_ = std::move(*consumer);
  }
  bool readable() const {
    pollfd waiting{consumer_->wake_fd(), POLLIN, 0};
    return ::poll(&waiting, 1, 0) == 1;
  }
  std::unique_ptr<Producer> producer_;
  std::unique_ptr<Consumer> consumer_;
};

TEST_F(RingTest, SlotArrivesWhole) {
  open(64);
  Slot header{};
  header.channel = 9;
  header.flags = kSlotTimeline | kSlotDiscontinuity;
  header.arrival_ns = 1234;
  header.timeline = 1LL << 58;
  header.offset = -5;
  std::vector<std::uint8_t> bytes(3 * 188);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 7);
  ASSERT_TRUE(producer_->push(header, bytes));
  producer_->flush();
  EXPECT_EQ(consumer_->poll(10,
                            [&](const Slot& slot) {
                              EXPECT_EQ(slot.channel, 9U);
                              EXPECT_EQ(slot.packet_count, 3U);
                              EXPECT_EQ(slot.flags, kSlotTimeline | kSlotDiscontinuity);
                              EXPECT_EQ(slot.arrival_ns, 1234);
                              EXPECT_EQ(slot.timeline, 1LL << 58);
                              EXPECT_EQ(slot.offset, -5);
                              EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), slot.packets.begin()));
                            }),
            1U);
}

TEST_F(RingTest, ProducerNoticesThatItsFileWasRemovedAndMakesAnother) {
  open(64);
  EXPECT_FALSE(producer_->stale());
  std::filesystem::remove(path_);
  EXPECT_TRUE(producer_->stale());
  auto another = Producer::open(path_, 64);  // while the one before still has its own
  ASSERT_TRUE(another) << another.error();
  EXPECT_FALSE((*another)->stale());
  EXPECT_TRUE(producer_->stale());
  EXPECT_TRUE(consumer_->stale());
  EXPECT_TRUE(Consumer::open(path_));
}

TEST_F(RingTest, NothingIsVisibleBeforeFlush) {
  open(64);
  ASSERT_TRUE(push(*producer_, 1));
  EXPECT_THAT(drain(*consumer_), IsEmpty());
  producer_->flush();
  EXPECT_THAT(drain(*consumer_), SizeIs(1));
}

TEST_F(RingTest, OrderSurvivesManyTurnsAroundTheRing) {
  open(64);
  std::uint32_t expected = 0;
  for (int turn = 0; turn < 100; ++turn) {
    for (int i = 0; i < 37; ++i) ASSERT_TRUE(push(*producer_, 1));
    producer_->flush();
    for (const Seen& seen : drain(*consumer_)) ASSERT_EQ(seen, (Seen{1, expected++, 0}));
  }
  EXPECT_EQ(expected, 3700U);
}

TEST_F(RingTest, FullRingDropsTheNewSlotAndMarksTheGap) {
  open(64);
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(push(*producer_, 1));
  EXPECT_FALSE(push(*producer_, 1));
  EXPECT_FALSE(push(*producer_, 1));
  EXPECT_EQ(producer_->dropped(1), 2U);
  producer_->flush();
  EXPECT_THAT(drain(*consumer_), SizeIs(64));
  ASSERT_TRUE(push(*producer_, 1));
  ASSERT_TRUE(push(*producer_, 1));
  producer_->flush();
  EXPECT_THAT(drain(*consumer_), ElementsAre(Seen{1, 66, kSlotGap}, Seen{1, 67, 0}));
}

TEST_F(RingTest, FloodOfOneChannelLeavesRoomForTheOthers) {
  open(4096);
  producer_->set_channel_count(8);
  int taken = 0;
  for (int i = 0; i < 10000; ++i) taken += push(*producer_, 1) ? 1 : 0;
  EXPECT_EQ(taken, 1024) << "twice the share of 512";
  for (std::uint32_t other = 2; other <= 8; ++other) {
    for (int i = 0; i < 400; ++i) ASSERT_TRUE(push(*producer_, other));
  }
  EXPECT_EQ(producer_->dropped(1), 10000U - 1024);
  EXPECT_EQ(producer_->dropped(2), 0U);
}

TEST_F(RingTest, OneOfTwoChannelsCannotTakeTheWholeRing) {
  open(1024);
  producer_->set_channel_count(2);
  for (int i = 0; i < 2000; ++i) push(*producer_, 1);
  for (int i = 0; i < 512; ++i) ASSERT_TRUE(push(*producer_, 2));
}

TEST_F(RingTest, BudgetIsAtLeast256Slots) {
  open(4096);
  producer_->set_channel_count(2000);
  int taken = 0;
  for (int i = 0; i < 1000; ++i) taken += push(*producer_, 1) ? 1 : 0;
  EXPECT_EQ(taken, 256);
}

TEST_F(RingTest, BudgetComesBackAsTheConsumerTakesSlots) {
  open(4096);
  producer_->set_channel_count(2000);
  for (int i = 0; i < 300; ++i) push(*producer_, 1);
  producer_->flush();
  EXPECT_THAT(drain(*consumer_, 100), SizeIs(100));
  int taken = 0;
  for (int i = 0; i < 300; ++i) taken += push(*producer_, 1) ? 1 : 0;
  EXPECT_EQ(taken, 100);
}

TEST_F(RingTest, ManyChannelsComeAndGo) {
  open(1024);
  producer_->set_channel_count(4);
  for (std::uint32_t channel = 0; channel < 50000; ++channel) {
    ASSERT_TRUE(push(*producer_, channel)) << channel;
    producer_->forget_channel(channel);  // while its slot is still held
    producer_->flush();
    ASSERT_THAT(drain(*consumer_), ElementsAre(Seen{channel, 0, 0}));
  }
}

TEST_F(RingTest, DatagramsOfNoWholePacketsAreRefused) {
  open(64);
  Slot header{};
  const std::vector<std::uint8_t> bytes(8 * 188);
  EXPECT_FALSE(producer_->push(header, {}));
  EXPECT_FALSE(producer_->push(header, std::span(bytes).first(187)));
  EXPECT_FALSE(producer_->push(header, bytes));
}

TEST_F(RingTest, SleepingConsumerIsWokenOnce) {
  open(64);
  push(*producer_, 1);
  producer_->flush();
  EXPECT_FALSE(readable()) << "nobody asked to be woken";
  drain(*consumer_);
  ASSERT_TRUE(consumer_->prepare_sleep());
  push(*producer_, 1);
  producer_->flush();
  EXPECT_TRUE(readable());
  consumer_->awake();
  EXPECT_FALSE(readable());
  push(*producer_, 1);
  producer_->flush();
  EXPECT_FALSE(readable()) << "an awake consumer costs no system call";
}

TEST_F(RingTest, ConsumerDoesNotSleepOverSlots) {
  open(64);
  push(*producer_, 1);
  producer_->flush();
  EXPECT_FALSE(consumer_->prepare_sleep());
}

TEST_F(RingTest, RestartedProducerGoesOnAndMarksAGap) {
  open(64);
  push(*producer_, 1);
  producer_->flush();
  push(*producer_, 1);  // never flushed: lost with the producer
  producer_.reset();
  producer_ = std::move(*Producer::open(path_, 64));
  push(*producer_, 1);
  producer_->flush();
  EXPECT_TRUE(consumer_->producer_restarted());
  EXPECT_FALSE(consumer_->producer_restarted());
  EXPECT_FALSE(consumer_->stale());
  EXPECT_THAT(drain(*consumer_), ElementsAre(Seen{1, 0, 0}, Seen{1, 0, kSlotGap}));
}

TEST_F(RingTest, RestartedConsumerBeginsAtTheBoundary) {
  open(64);
  for (int i = 0; i < 64; ++i) push(*producer_, 1);
  producer_->flush();
  consumer_.reset();
  consumer_ = std::move(*Consumer::open(path_));
  EXPECT_THAT(drain(*consumer_), IsEmpty());
  producer_->flush();
  ASSERT_TRUE(push(*producer_, 1)) << "the discarded slots are free again";
  producer_->flush();
  EXPECT_THAT(drain(*consumer_), ElementsAre(Seen{1, 64, 0}));
}

TEST_F(RingTest, RingOfAnotherSizeIsReplacedAndTheConsumerNotices) {
  open(64);
  producer_.reset();
  producer_ = std::move(*Producer::open(path_, 128));
  EXPECT_TRUE(consumer_->stale());
  consumer_ = std::move(*Consumer::open(path_));
  EXPECT_FALSE(consumer_->stale());
  push(*producer_, 1);
  producer_->flush();
  EXPECT_THAT(drain(*consumer_), SizeIs(1));
}

TEST_F(RingTest, SecondProducerOrConsumerIsRefused) {
  open(64);
  EXPECT_THAT(Producer::open(path_, 64).error(), HasSubstr("another producer"));
  EXPECT_THAT(Producer::open(path_, 128).error(), HasSubstr("another producer"));
  EXPECT_THAT(Consumer::open(path_).error(), HasSubstr("another consumer"));
}

TEST_F(RingTest, ConsumerFailsWhileThereIsNoRing) {
  EXPECT_THAT(Consumer::open(path_).error(), HasSubstr("No such file"));
}

using AllocationTest = RingFixture;

TEST_F(AllocationTest, NeitherEndAllocatesOnceOpened) {
  auto producer = std::move(*Producer::open(path_, 256));
  auto consumer = std::move(*Consumer::open(path_));
  const std::vector<std::uint8_t> packets(7 * 188, 0x47);
  Slot header{};
  std::size_t taken = 0;
  const std::uint64_t before = test::allocations();
  for (std::uint32_t round = 0; round < 3000; ++round) {
    // Channels come and go, and each third round overflows the ring.
    for (std::uint32_t i = 0; i < (round % 3 == 0 ? 300U : 50U); ++i) {
      header.channel = round + i % 100;
      producer->push(header, packets);
    }
    producer->flush();
    consumer->poll(1000, [&](const Slot& slot) { taken += slot.packet_count; });
    producer->forget_channel(round);
  }
  EXPECT_EQ(test::allocations(), before);
  EXPECT_GT(taken, 3000U * 50U);
}

}  // namespace
}  // namespace headgate::ring

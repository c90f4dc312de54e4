#include "dataplane/ring/message_ring.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include <numeric>
#include <thread>

#include "dataplane/ring/message_layout.h"
#include "tests/ring/ring_fixture.h"
#include "tests/support/allocation_count.h"

namespace headgate::ring {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::uint8_t> content(std::size_t size, std::uint8_t first = 0) {
  std::vector<std::uint8_t> bytes(size);
  std::iota(bytes.begin(), bytes.end(), first);
  return bytes;
}

class MessageRing : public RingFixture {
 protected:
  struct Taken {
    MessageHeader header;
    std::vector<std::uint8_t> payload;
  };
  void make(std::size_t bytes = 4096) {
    ASSERT_TRUE(make_message_ring(path_, bytes).has_value());
    producer_ = std::move(*MessageProducer::open(path_));
    consumer_ = std::move(*MessageConsumer::open(path_));
  }
  bool push(std::size_t size, std::uint16_t stream = 0, std::uint8_t first = 0) {
    MessageHeader header;
    header.stream = stream;
    header.kind = 7;
    header.pts = -5;
    const bool pushed = producer_->push(header, content(size, first));
    producer_->flush();
    return pushed;
  }
  std::vector<Taken> take(std::size_t limit = 1000) {
    std::vector<Taken> taken;
    consumer_->poll(limit, [&](const MessageHeader& header, std::span<const std::uint8_t> payload) {
      taken.push_back({header, {payload.begin(), payload.end()}});
    });
    return taken;
  }
  template <typename T>
  void poke(std::size_t offset, T value) {
    const int fd = ::open(path_.c_str(), O_RDWR);
    ASSERT_EQ(::pwrite(fd, &value, sizeof value, static_cast<off_t>(offset)),
              static_cast<ssize_t>(sizeof value));
    ::close(fd);
  }
  std::unique_ptr<MessageProducer> producer_;
  std::unique_ptr<MessageConsumer> consumer_;
};

TEST_F(MessageRing, WhatIsPushedComesOutAlsoOverTheEnd) {
  make();
  for (std::size_t round = 0; round < 500; ++round) {
    const std::size_t size = round * 7 % 1900;
    ASSERT_TRUE(push(size, 3, static_cast<std::uint8_t>(round)));
    const auto taken = take();
    ASSERT_EQ(taken.size(), 1U) << round;
    EXPECT_EQ(taken[0].header.size, size);
    EXPECT_EQ(taken[0].header.stream, 3);
    EXPECT_EQ(taken[0].header.kind, 7);
    EXPECT_EQ(taken[0].header.pts, -5);
    EXPECT_EQ(taken[0].header.flags, 0U);
    EXPECT_EQ(taken[0].payload, content(size, static_cast<std::uint8_t>(round)));
  }
}

TEST_F(MessageRing, NothingIsSeenBeforeTheFlush) {
  make();
  ASSERT_TRUE(producer_->push({}, content(10)));
  EXPECT_THAT(take(), IsEmpty());
  producer_->flush();
  EXPECT_EQ(take().size(), 1U);
}

TEST_F(MessageRing, OneMessageFillsTheRingToItsLastByte) {
  make();
  EXPECT_FALSE(push(4096 - sizeof(MessageHeader) + 1));
  EXPECT_TRUE(push(4096 - sizeof(MessageHeader)));
  EXPECT_FALSE(push(0));
  ASSERT_EQ(take().size(), 1U);
  EXPECT_TRUE(push(0));
}

TEST_F(MessageRing, AFullRingDropsAndTheNextOfTheSameStreamSaysSo) {
  make();
  while (push(1000, 1)) {
  }
  EXPECT_FALSE(push(1000, 2));
  EXPECT_EQ(producer_->dropped(), 2U);
  for (const Taken& taken : take()) EXPECT_EQ(taken.header.flags, 0U);
  ASSERT_TRUE(push(10, 3));
  ASSERT_TRUE(push(10, 2));
  ASSERT_TRUE(push(10, 1));
  ASSERT_TRUE(push(10, 1));
  std::vector<std::uint32_t> flags;
  for (const Taken& taken : take()) flags.push_back(taken.header.flags);
  EXPECT_THAT(flags, ElementsAre(0U, kMessageLoss, kMessageLoss, 0U));
}

TEST_F(MessageRing, StreamsPastTheLastThatIsRememberedShareTheirLoss) {
  make();
  while (push(1000, 1)) {
  }
  EXPECT_FALSE(push(1000, 900));
  take();
  ASSERT_TRUE(push(10, 65535));
  EXPECT_EQ(take().at(0).header.flags, kMessageLoss);
}

TEST_F(MessageRing, ALossFlagOfTheCallerIsNotBelieved) {
  make();
  MessageHeader header;
  header.flags = kMessageLoss | 5;
  ASSERT_TRUE(producer_->push(header, {}));
  producer_->flush();
  EXPECT_EQ(take().at(0).header.flags, 5U);
}

TEST_F(MessageRing, ANewConsumerBeginsAtTheEndAndTheProducerSeesIt) {
  make();
  const std::uint32_t epoch = producer_->consumer_epoch();
  ASSERT_TRUE(push(100));
  consumer_ = std::move(*MessageConsumer::open(path_));
  EXPECT_THAT(take(), IsEmpty());
  EXPECT_EQ(producer_->consumer_epoch(), epoch + 1);
  ASSERT_TRUE(push(4096 - sizeof(MessageHeader)));
  EXPECT_EQ(take().size(), 1U);
}

TEST_F(MessageRing, ANewProducerGoesOnAndEachStreamSaysThatSomethingMayBeMissing) {
  make();
  ASSERT_TRUE(push(100, 1));
  ASSERT_TRUE(producer_->push({}, content(50)));  // never flushed
  const std::uint32_t epoch = consumer_->producer_epoch();
  producer_ = std::move(*MessageProducer::open(path_));
  EXPECT_EQ(consumer_->producer_epoch(), epoch + 1);
  ASSERT_TRUE(push(200, 1));
  ASSERT_TRUE(push(200, 1));
  const auto taken = take();
  ASSERT_EQ(taken.size(), 3U);
  EXPECT_EQ(taken[0].header.flags, 0U);
  EXPECT_EQ(taken[1].header.flags, kMessageLoss);
  EXPECT_EQ(taken[1].payload, content(200));
  EXPECT_EQ(taken[2].header.flags, 0U);
}

TEST_F(MessageRing, ASleeperIsWokenByOneByte) {
  make();
  ASSERT_TRUE(consumer_->prepare_sleep());
  pollfd entry{consumer_->wake_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&entry, 1, 0), 0);
  ASSERT_TRUE(push(1));
  EXPECT_EQ(::poll(&entry, 1, 0), 1);
  consumer_->awake();
  EXPECT_EQ(::poll(&entry, 1, 0), 0);
  EXPECT_FALSE(consumer_->prepare_sleep());  // it came meanwhile
  take();
  ASSERT_TRUE(push(1));
  EXPECT_EQ(::poll(&entry, 1, 0), 0);  // nobody sleeps
}

TEST_F(MessageRing, EverythingArrivesInOrderAcrossTwoThreads) {
  make(1 << 14);
  constexpr std::uint32_t kMessages = 50'000;
  std::thread writer([&] {
    for (std::uint32_t i = 0; i < kMessages; ++i) {
      MessageHeader header;
      header.id = i;
      while (!producer_->push(header, content(i % 700, static_cast<std::uint8_t>(i)))) producer_->flush();
      producer_->flush();
    }
  });
  std::uint32_t next = 0;
  bool same = true;
  while (next < kMessages) {
    const std::size_t n =
        consumer_->poll(64, [&](const MessageHeader& header, std::span<const std::uint8_t> payload) {
          same = same && header.id == next && payload.size() == next % 700 &&
                 (payload.empty() || payload.back() == static_cast<std::uint8_t>(next + next % 700 - 1));
          ++next;
        });
    if (n == 0 && consumer_->prepare_sleep()) {
      pollfd entry{consumer_->wake_fd(), POLLIN, 0};
      ASSERT_EQ(::poll(&entry, 1, 10'000), 1) << "never woken at " << next;
      consumer_->awake();
    }
  }
  writer.join();
  EXPECT_TRUE(same);
  EXPECT_EQ(consumer_->damaged(), 0U);
}

TEST_F(MessageRing, PushingAndTakingDoNotAllocate) {
  make(1 << 16);
  const auto bytes = content(1000);
  std::size_t taken = 0;
  const auto before = test::allocations();
  for (int i = 0; i < 1000; ++i) {
    producer_->push({}, bytes);
    producer_->flush();
    taken += consumer_->poll(10, [](const MessageHeader&, std::span<const std::uint8_t>) {});
  }
  EXPECT_EQ(test::allocations(), before);
  EXPECT_EQ(taken, 1000U);
}

TEST_F(MessageRing, ALengthPastTheEndEmptiesTheRing) {
  make();
  ASSERT_TRUE(push(100));
  ASSERT_TRUE(push(100));
  poke<std::uint32_t>(kMessageHeaderPage, 4096);
  EXPECT_THAT(take(), IsEmpty());
  EXPECT_EQ(consumer_->damaged(), 1U);
  EXPECT_TRUE(consumer_->prepare_sleep());
  ASSERT_TRUE(push(100));
  EXPECT_EQ(take().size(), 1U);
  poke<std::uint32_t>(kMessageHeaderPage, 0xFFFF'FFF8);
  EXPECT_EQ(consumer_->damaged(), 1U);
}

TEST_F(MessageRing, ATailThatCannotBeEmptiesTheRingAndNobodySpins) {
  make();
  for (const std::uint64_t tail : {std::uint64_t{8192}, std::uint64_t{13}, ~std::uint64_t{0}}) {
    const std::uint64_t before = consumer_->damaged();
    poke<std::uint64_t>(64, tail);
    EXPECT_FALSE(consumer_->prepare_sleep());
    EXPECT_THAT(take(), IsEmpty());
    EXPECT_EQ(consumer_->damaged(), before + 1);
    EXPECT_TRUE(consumer_->prepare_sleep());
  }
}

TEST_F(MessageRing, AHeadThatCannotBeIsNotBelieved) {
  make();
  while (push(1000)) {
  }
  for (const std::uint64_t head : {std::uint64_t{1} << 40, std::uint64_t{4}, ~std::uint64_t{7}}) {
    poke<std::uint64_t>(128, head);
    EXPECT_FALSE(push(1000));
    producer_ = std::move(*MessageProducer::open(path_));
    EXPECT_FALSE(push(1000));
  }
  poke<std::uint64_t>(128, 0);
  EXPECT_FALSE(push(1000));
  EXPECT_EQ(take().size(), 3U);  // what was there is as it was
  EXPECT_TRUE(push(1000));
}

TEST_F(MessageRing, FilesThatCannotBeAreRefused) {
  const auto error = [&] {
    auto opened = MessageConsumer::open(path_);
    return opened ? std::string() : opened.error();
  };
  EXPECT_THAT(error(), HasSubstr("No such file"));
  make();
  EXPECT_EQ(error(), "");
  poke<std::uint64_t>(16, 8192);
  EXPECT_THAT(error(), HasSubstr("size doesn't match"));
  poke<std::uint64_t>(16, 4096);
  poke<std::uint32_t>(8, 2);
  EXPECT_THAT(error(), HasSubstr("version"));
  poke<std::uint64_t>(0, 0);
  EXPECT_THAT(error(), HasSubstr("not a message ring"));
  std::filesystem::resize_file(path_, 5000);
  EXPECT_THAT(error(), HasSubstr("shorter"));
}

TEST_F(MessageRing, AFileThatIsCutOffEndsNeitherEnd) {
  make();
  ASSERT_TRUE(push(1000));
  std::filesystem::resize_file(path_, 0);
  take();
  push(1000);
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(MessageRing, AViewSeesTheReaderMoveAndTheFileGo) {
  make();
  auto view = std::move(*MessageRingView::open(path_));
  EXPECT_TRUE(view.empty());
  ASSERT_TRUE(push(100));
  EXPECT_FALSE(view.empty());
  const std::uint64_t position = view.read_position();
  take();
  EXPECT_GT(view.read_position(), position);
  EXPECT_TRUE(view.empty());
  EXPECT_FALSE(view.stale());
  ASSERT_TRUE(make_message_ring(path_, 4096).has_value());
  EXPECT_TRUE(view.stale());
}

// The child of a fork touches what it must not have: it dies by SIGSEGV.
TEST_F(MessageRing, WhatIsKeptFromChildrenIsNotInThem) {
  make();
  producer_->keep_from_children();
  const auto ends_by = [](auto&& act) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::signal(SIGSEGV, SIG_DFL);
      act();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  };
  EXPECT_EQ(ends_by([&] { push(1); }), SIGSEGV);
  EXPECT_EQ(ends_by([&] { take(); }), 0);
  ASSERT_TRUE(push(1));
  consumer_->poll(1, [&](const MessageHeader&, std::span<const std::uint8_t> payload) {
    EXPECT_EQ(ends_by([&] { *const_cast<volatile std::uint8_t*>(payload.data()) = 1; }), SIGSEGV);
  });
}

}  // namespace
}  // namespace headgate::ring

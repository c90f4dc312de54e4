#include <fcntl.h>

#include <fstream>
#include <limits>

#include "dataplane/ring/layout.h"
#include "tests/ring/ring_fixture.h"

namespace headgate::ring {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class HostileRing : public RingFixture {
 protected:
  HostileRing() { producer_ = std::move(*Producer::open(path_, 64)); }
  template <typename T>
  void poke(std::size_t offset, T value) {
    const int fd = ::open(path_.c_str(), O_RDWR);
    ASSERT_EQ(::pwrite(fd, &value, sizeof value, static_cast<off_t>(offset)),
              static_cast<ssize_t>(sizeof value));
    ::close(fd);
  }
  std::string open_error() {
    auto consumer = Consumer::open(path_);
    return consumer ? "" : consumer.error();
  }
  std::unique_ptr<Producer> producer_;
};

TEST_F(HostileRing, HeadersThatCannotBeAreRefused) {
  poke<std::uint64_t>(16, 63);
  EXPECT_THAT(open_error(), HasSubstr("impossible slot count"));
  poke<std::uint64_t>(16, std::uint64_t{1} << 63);
  EXPECT_THAT(open_error(), HasSubstr("impossible slot count"));
  poke<std::uint64_t>(16, 128);
  EXPECT_THAT(open_error(), HasSubstr("size doesn't match"));
  poke<std::uint64_t>(16, 64);
  poke<std::uint64_t>(64, 65);
  EXPECT_THAT(open_error(), HasSubstr("impossible positions"));
  poke<std::uint64_t>(64, 0);
  poke<std::uint32_t>(12, 1361);
  EXPECT_THAT(open_error(), HasSubstr("version"));
  poke<std::uint64_t>(0, 0);
  EXPECT_THAT(open_error(), HasSubstr("not a ring file"));
  std::filesystem::resize_file(path_, 4095);
  EXPECT_THAT(open_error(), HasSubstr("shorter"));
}

// By the other end: an access beyond its end would be SIGBUS.
TEST_F(HostileRing, AFileThatIsCutOffEndsNeitherEnd) {
  auto consumer = std::move(*Consumer::open(path_));
  for (const std::size_t left : {std::size_t{0}, kHeaderSize + 10 * sizeof(Slot)}) {
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(push(*producer_, 1));
    producer_->flush();
    EXPECT_EQ(drain(*consumer, 5).size(), 5U);
    std::filesystem::resize_file(path_, left);
    drain(*consumer);
    for (int i = 0; i < 100; ++i) push(*producer_, 1);
    producer_->flush();
    drain(*consumer);
    EXPECT_TRUE(producer_->stale());
    EXPECT_TRUE(consumer->stale());
    producer_.reset();
    consumer.reset();
    producer_ = std::move(*Producer::open(path_, 64));
    consumer = std::move(*Consumer::open(path_));
    ASSERT_TRUE(push(*producer_, 1));
    producer_->flush();
    EXPECT_EQ(drain(*consumer).size(), 1U);
  }
}

TEST_F(HostileRing, ProducerReplacesACorruptFile) {
  producer_.reset();
  poke<std::uint64_t>(0, 0);
  auto producer = Producer::open(path_, 64);
  ASSERT_TRUE(producer) << producer.error();
  EXPECT_EQ(open_error(), "");
}

TEST_F(HostileRing, ProducerDoesNotBelieveAnImpossibleHead) {
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(push(*producer_, 1));
  producer_->flush();
  poke<std::uint64_t>(128, 1000);
  producer_->flush();
  EXPECT_FALSE(push(*producer_, 1)) << "still full";
  poke<std::uint64_t>(128, 10);
  EXPECT_TRUE(push(*producer_, 1));
  poke<std::uint64_t>(128, 5);
  producer_->flush();
  for (int i = 0; i < 9; ++i) EXPECT_TRUE(push(*producer_, 1));
  EXPECT_FALSE(push(*producer_, 1));
}

TEST_F(HostileRing, ConsumerGivesUpARingWhoseTailCannotBe) {
  auto consumer = std::move(*Consumer::open(path_));
  poke<std::uint64_t>(64, 1000);
  EXPECT_THAT(drain(*consumer), IsEmpty());
  EXPECT_TRUE(consumer->stale());
}

TEST_F(HostileRing, ConsumerSkipsSlotsOfAnImpossiblePacketCount) {
  auto consumer = std::move(*Consumer::open(path_));
  for (std::uint32_t i = 0; i < 3; ++i) push(*producer_, i);
  poke<std::uint16_t>(kHeaderSize + offsetof(Slot, packet_count), 0);
  poke<std::uint16_t>(kHeaderSize + sizeof(Slot) + offsetof(Slot, packet_count), 8);
  producer_->flush();
  const auto seen = drain(*consumer);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].channel, 2U);
}

TEST_F(HostileRing, ASlotThatChangesWhileItIsReadKeepsWhatWasChecked) {
  auto consumer = std::move(*Consumer::open(path_));
  push(*producer_, 1, 0x47, 3);
  producer_->flush();
  consumer->poll(1, [&](const Slot& slot) {
    ASSERT_EQ(slot.packet_count, 3);
    poke<std::uint16_t>(kHeaderSize + offsetof(Slot, packet_count), 0xFFFF);
    poke<std::uint8_t>(kHeaderSize + offsetof(Slot, packets), 0);
    EXPECT_EQ(slot.packet_count, 3);
    EXPECT_EQ(slot.packets[0], 0x47);
  });
}

TEST_F(HostileRing, ConsumerSkipsSlotsOfTimesThatCannotBe) {
  auto consumer = std::move(*Consumer::open(path_));
  for (std::uint32_t i = 0; i < 5; ++i) push(*producer_, i);
  const auto at = [](std::size_t slot, std::size_t member) {
    return kHeaderSize + slot * sizeof(Slot) + member;
  };
  poke(at(0, offsetof(Slot, timeline)), std::numeric_limits<std::int64_t>::max());
  poke(at(1, offsetof(Slot, offset)), std::numeric_limits<std::int64_t>::min());
  poke(at(2, offsetof(Slot, arrival_ns)), std::int64_t{-1});
  poke(at(3, offsetof(Slot, arrival_ns)), std::numeric_limits<std::int64_t>::max());
  producer_->flush();
  const auto seen = drain(*consumer);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].channel, 4U);
}

}  // namespace
}  // namespace headgate::ring

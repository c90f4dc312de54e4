// Copies of an input for a reader, over rings. Streams are generated.
#include "dataplane/fastpath/control/taps.h"

#include <sys/stat.h>

#include <filesystem>

#include "tests/fastpath/fastpath_support.h"

namespace headgate::fastpath {
namespace {

using std::chrono::seconds;

FrameBytes seven(std::uint8_t fill) {
  std::vector<FrameBytes> packets;
  for (std::uint8_t i = 0; i < 7; ++i)
    packets.push_back(ts_packet(0x100, i, static_cast<std::uint8_t>(fill + i)));
  return join_bytes(packets);
}

class TapsTest : public WorkerTest {
 protected:
  TapsTest() {
    wanted = state();
    wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1"), channel("b", "239.1.1.2", "239.2.1.2")};
    taps = std::make_unique<Taps>(folder);
  }
  std::string open(const std::string& id, Taps::Time now) {
    const auto& of = *std::find_if(wanted.channels.begin(), wanted.channels.end(),
                                   [&](const auto& channel) { return channel.id == id; });
    const auto path = taps->open({id, of.inputs[0].number, of.inputs[0].url, seconds(10)}, now);
    EXPECT_TRUE(path) << path.error();
    apply(wanted);
    return path.value_or("");
  }
  static FrameBytes read(ring::Consumer& reader) {
    FrameBytes bytes;
    reader.poll(1000, [&](const ring::Slot& slot) {
      bytes.insert(bytes.end(), slot.packets.begin(), slot.packets.begin() + 188 * slot.packet_count);
    });
    return bytes;
  }

  protocol::FastpathState wanted;
  Taps::Time start{};
};

TEST_F(TapsTest, CopyOneInputAsItCameAndDisturbNothing) {
  wanted.channels[0].inputs[0].program = protocol::Program{std::uint16_t{7}};  // never there: nothing is sent
  const std::string path = open("a", start);
  auto reader = ring::Consumer::open(path);
  ASSERT_TRUE(reader) << reader.error();
  receive(udp_frame(seven(1)));
  receive(udp_frame(seven(50), {.destination = 0xEF010102}));
  receive(udp_frame(seven(9)));
  EXPECT_EQ(read(**reader), join_bytes({seven(1), seven(9)}));
  ASSERT_EQ(sent().size(), 1U);
  EXPECT_EQ(input("a")->ts_packets.load(), 14U);
  EXPECT_EQ(input_drops("a", protocol::DropReason::ring_full), 0U);
}

TEST_F(TapsTest, GoOnOverAnApplyAndForTwoReadersOfOneInput) {
  auto first = ring::Consumer::open(open("a", start));
  auto second = ring::Consumer::open(open("a", start));
  ASSERT_TRUE(first && second);
  wanted.channels.pop_back();
  apply(wanted);
  receive(udp_frame(seven(1)));
  EXPECT_EQ(read(**first), seven(1));
  EXPECT_EQ(read(**second), seven(1));
}

TEST_F(TapsTest, DropWhatAReaderLeavesLyingAndKeepTheRelayWhole) {
  auto reader = ring::Consumer::open(open("a", start));
  ASSERT_TRUE(reader);
  constexpr std::size_t kSent = 9000;
  std::size_t relayed = 0;
  for (std::size_t i = 0; i < kSent; ++i) {
    receive(udp_frame(seven(1)));
    relayed += sent().size();
  }
  EXPECT_EQ(relayed, kSent);
  std::size_t read = 0;
  (*reader)->poll(kSent, [&](const ring::Slot&) { ++read; });
  EXPECT_EQ(read, 8192U);
  receive(udp_frame(seven(1)));
  std::uint32_t sequence = 0;
  (*reader)->poll(kSent, [&](const ring::Slot& slot) { sequence = slot.sequence; });
  EXPECT_EQ(sequence, kSent) << "the reader sees how many it lost";
}

TEST_F(TapsTest, EndWithTheirReaderWithTheirTimeOrWhenNoneCame) {
  auto reader = ring::Consumer::open(open("a", start));
  const std::string unread = open("b", start);
  const std::string kept = open("b", start);
  auto keeper = ring::Consumer::open(kept);
  ASSERT_TRUE(reader && keeper);
  EXPECT_TRUE(taps->end(start + seconds(1)).empty());
  reader->reset();
  auto ended = taps->end(start + seconds(2));
  EXPECT_EQ(ended.size(), 1U) << "its reader has gone";
  ended = taps->end(start + seconds(6));
  EXPECT_EQ(ended.size(), 1U) << "nobody came";
  EXPECT_FALSE(std::filesystem::exists(unread) || std::filesystem::exists(unread + ".wake"));
  EXPECT_TRUE(std::filesystem::exists(kept));
  EXPECT_TRUE(taps->end(start + seconds(15)).empty());
  ended = taps->end(start + seconds(16));
  EXPECT_EQ(ended.size(), 1U) << "10 s and the time that a reader gets";
  apply(wanted);
  receive(udp_frame(seven(1), {.destination = 0xEF010102}));
  EXPECT_EQ(sent().size(), 1U);
}

TEST_F(TapsTest, AreEightAtMostAndOfTheOwnerOnly) {
  for (std::size_t i = 0; i < kMaxTaps; ++i) {
    struct stat status {};
    ASSERT_EQ(::stat(open("a", start).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
  }
  EXPECT_FALSE(taps->open({"a", 1, "x", seconds(1)}, start));
  taps->end(start + seconds(60));
  apply(wanted);
  EXPECT_TRUE(taps->open({"a", 1, "x", seconds(1)}, start));
}

TEST_F(TapsTest, RemoveTheirFilesAndThoseAProcessBeforeLeft) {
  const auto left = [&] { return std::filesystem::exists(folder + "/x/tap-0.ring"); };
  std::filesystem::create_directory(folder + "/x");
  {
    Taps before(folder + "/x");
    ASSERT_TRUE(before.open({"a", 1, "x", seconds(1)}, start));
    EXPECT_TRUE(left());
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder + "/x"));
  ASSERT_TRUE(ring::Producer::open(folder + "/x/tap-0.ring", 64));  // as after kill -9
  EXPECT_TRUE(left());
  const Taps after(folder + "/x");
  EXPECT_TRUE(std::filesystem::is_empty(folder + "/x"));
}

}  // namespace
}  // namespace headgate::fastpath

// Channels in a multiplex, on their way through the worker. Streams are generated.
#include "tests/fastpath/pipe_support.h"
#include "tests/support/allocation_count.h"

namespace headgate::fastpath {
namespace {

using protocol::DropReason;

constexpr std::uint64_t kMuxRate = 6'000'000;

class MultiplexTest : public PipeTest {
 protected:
  // Channels a (239.1.1.1) and b (239.1.1.2), both in "mux", which is sent to 239.2.1.1.
  protocol::FastpathState two_in_one(std::uint64_t bitrate = kMuxRate) {
    auto wanted = state();
    wanted.channels = {channel("a", "239.1.1.1", "239.2.1.8"), channel("b", "239.1.1.2", "239.2.1.9")};
    protocol::FastpathMultiplex multiplex;
    multiplex.id = "mux";
    multiplex.transport_stream_id = 5;
    multiplex.original_network_id = 6;
    multiplex.network_id = 7;
    multiplex.bitrate_bps = bitrate;
    multiplex.members = {{"a", 11, 0, "A", "", 1, 0}, {"b", 12, 1, "B", "", 2, 0}};
    multiplex.outputs = channel("x", "239.1.1.1", "239.2.1.1").outputs;
    wanted.channels[1].outputs.clear();
    wanted.multiplexes = {multiplex};
    return wanted;
  }
  void pass(int ms, std::vector<Sender*> senders) {
    for (int i = 0; i < ms; ++i) {
      for (Sender* sender : senders) step(*sender);
      wait(kMs);
      for (const FrameBytes& frame : sent()) {
        const std::uint32_t to = parse_frame(frame, 0).destination;
        const FrameBytes payload = payload_of(frame);
        if (to == 0xEF020101) came.insert(came.end(), payload.begin(), payload.end());
        if (to == 0xEF020108) own += payload.size();
      }
    }
  }
  struct Seen {
    std::map<int, int> packets;  // by PID
    std::map<int, int> gaps;     // of continuity_counters
  };
  Seen look() const {
    Seen seen_now;
    std::map<int, int> last;
    for (std::size_t at = 0; at + 188 <= came.size(); at += 188) {
      const mpegts::TsPacket packet(std::span<const std::uint8_t>(came).subspan(at).first<188>());
      const int pid = packet.pid().value;
      ++seen_now.packets[pid];
      if (pid == 0x1FFF || !packet.has_payload()) continue;
      const auto known = last.find(pid);
      if (known != last.end() && packet.continuity_counter() != ((known->second + 1) & 15))
        ++seen_now.gaps[pid];
      last[pid] = packet.continuity_counter();
    }
    return seen_now;
  }
  std::uint64_t output_drops(const std::string& id, DropReason reason) {
    for (const auto& output : stats().outputs) {
      if (output.in_use.load() == 1 && std::string(output.channel.data()) == id)
        return output.drops[static_cast<std::size_t>(reason)].load();
    }
    return 0;
  }

  Sender a{MadeService(1, 27'000'000 * 5), 0xEF010101};
  Sender b{MadeService(2, 27'000'000 * 9), 0xEF010102};
  FrameBytes came;
  std::size_t own = 0;  // bytes that channel a sent by itself
};

TEST_F(MultiplexTest, MembersLeaveSideBySideAndByThemselves) {
  apply(two_in_one());
  pass(3000, {&a, &b});
  const Seen seen_now = look();
  EXPECT_GT(seen_now.packets.at(0x102), 400);
  EXPECT_GT(seen_now.packets.at(0x182), 400);
  for (const int pid : {0x00, 0x10, 0x11, 0x14, 0x100, 0x180})
    EXPECT_TRUE(seen_now.packets.contains(pid)) << pid;
  EXPECT_TRUE(seen_now.gaps.empty());
  EXPECT_NEAR(static_cast<double>(came.size()) * 8 / 3, 6e6, 6e4);
  EXPECT_GT(own, 100'000U);
  ASSERT_NE(pipe("mux"), nullptr);
  EXPECT_EQ(pipe("mux")->members_in.load(), 2U);
  EXPECT_EQ(pipe("mux")->rate_dropped.load(), 0U);
  EXPECT_GT(pipe("mux")->null_packets.load(), 1000U);
}

TEST_F(MultiplexTest, AMemberThatComesCostsTheOthersNothing) {
  auto wanted = two_in_one();
  const auto both = wanted;
  wanted.multiplexes[0].members.pop_back();
  apply(wanted);
  pass(1000, {&a, &b});
  EXPECT_FALSE(look().packets.contains(0x182));
  apply(both);
  pass(1000, {&a, &b});
  EXPECT_GT(look().packets.at(0x182), 100);
  apply(wanted);
  pass(1000, {&a, &b});
  EXPECT_TRUE(look().gaps.empty());
  EXPECT_EQ(pipe("mux")->members_in.load(), 1U);
  // What nobody names any more has no place.
  const std::size_t places = places_in_use();
  wanted.multiplexes.clear();
  apply(wanted);
  pass(100, {&a, &b});
  EXPECT_LT(places_in_use(), places);
  EXPECT_EQ(pipe("mux"), nullptr);
}

TEST_F(MultiplexTest, WhatIsOverItsShareIsCountedAtTheOutputsAndItsMember) {
  apply(two_in_one(1'000'000));
  b.service.per_picture = 60;  // 2.3 Mb/s
  pass(5000, {&a, &b});
  EXPECT_GT(output_drops("mux", DropReason::multiplex_exceeded), 500U);
  EXPECT_GT(pipe("b")->multiplex_dropped.load(), 500U);
  EXPECT_EQ(pipe("a")->multiplex_dropped.load(), 0U);
  EXPECT_EQ(look().gaps.count(0x102), 0U);
}

TEST_F(MultiplexTest, AllocatesNothingWhileTablesStay) {
  apply(two_in_one());
  pass(2000, {&a, &b});
  const auto before = test::allocations();
  for (int i = 0; i < 50; ++i) worker->poll(now_ns += kMs, 0);
  EXPECT_EQ(test::allocations(), before);
  sent();
}

TEST_F(MultiplexTest, RefusesWhatItCantDo) {
  auto wanted = two_in_one();
  wanted.multiplexes[0].members[1].pid_block = 0;
  EXPECT_NE(refusal(wanted).find("row of PIDs"), std::string::npos);
  wanted = two_in_one();
  wanted.multiplexes[0].members[1].service_id = 11;
  EXPECT_NE(refusal(wanted).find("service_id"), std::string::npos);
  wanted = two_in_one(0);
  EXPECT_NE(refusal(wanted).find("multiplex mux"), std::string::npos);
  wanted = two_in_one();
  wanted.multiplexes[0].outputs[0].interface = "nowhere";
  EXPECT_NE(refusal(wanted).find("nowhere"), std::string::npos);
  EXPECT_EQ(refusal(two_in_one()), "");
}

}  // namespace
}  // namespace headgate::fastpath

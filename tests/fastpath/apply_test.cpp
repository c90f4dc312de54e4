// Applies under traffic, and multiplexes of many PIDs from their first packet. Streams are generated; with
// HEADGATE_STREAMS set, a capture of a multiplex too.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "tests/fastpath/fastpath_support.h"

namespace headgate::fastpath {
namespace {

using protocol::DropReason;

FrameBytes seven(std::uint8_t first_cc) {
  std::vector<FrameBytes> packets;
  for (std::uint8_t i = 0; i < 7; ++i)
    packets.push_back(ts_packet(0x100, static_cast<std::uint8_t>(first_cc + i), i));
  return join_bytes(packets);
}

using ApplyTest = WorkerTest;

TEST_F(ApplyTest, ChangedPushesAndNamesKeepTheInputsCounters) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1"), channel("b", "239.1.1.2", "239.2.1.2")};
  apply(wanted);
  const DatagramOptions b{.destination = 0xEF010102};
  std::size_t of_b = 0;
  for (std::uint8_t i = 0; i < 20; ++i) {
    receive(udp_frame(seven(static_cast<std::uint8_t>(7 * i))));
    receive(udp_frame(seven(static_cast<std::uint8_t>(7 * i)), b));
    for (const FrameBytes& frame : sent()) of_b += parse_frame(frame, 0).destination == 0xEF020102 ? 1 : 0;
    auto& push = wanted.channels[0].outputs[0];
    push.group = i % 2 == 0 ? "239.2.1.77" : "239.2.1.1";
    push.url = "udp://" + push.group + ":6000";
    push.ttl = static_cast<std::uint8_t>(5 + i);
    ++wanted.generation;
    apply(wanted);
  }
  EXPECT_EQ(of_b, 20U);
  EXPECT_EQ(input("a")->datagrams.load(), 20U);
  EXPECT_EQ(input("a")->cc_errors.load(), 0U);
  EXPECT_EQ(input("b")->cc_errors.load(), 0U);
  std::uint64_t output_b = 0;
  for (const auto& output : stats().outputs) {
    if (output.in_use.load() != 0 && std::string(output.channel.data()) == "b") output_b = output.datagrams;
  }
  EXPECT_EQ(output_b, 20U) << "the other channel's output keeps its counters";
  EXPECT_EQ(places_in_use(), 4U) << "and old pushes leave no trace";
}

TEST_F(ApplyTest, RefusedStateChangesNothing) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
  apply(wanted);
  receive(udp_frame(seven(0)));
  sent();
  const auto good = wanted;
  wanted.channels.push_back(channel("b", "239.1.1.2", "239.2.1.2"));
  wanted.channels[1].inputs[0].program = std::uint16_t{5};
  struct Case {
    const char* name;
    std::function<void(protocol::FastpathState&)> spoil;
    const char* says;
  };
  const Case cases[] = {
      {"flow table", [](auto& s) { s.channels[1].inputs[0].vlan = 5000; }, "flow table"},
      {"interface", [](auto& s) { s.channels[1].inputs[0].interface = "x"; },
       "channel b: there is no interface x"},
      {"VLAN", [](auto& s) { s.channels[1].outputs[0].vlan = 9; }, "channel b: interface out0 has no VLAN 9"},
      {"unicast push", [](auto& s) { s.channels[1].outputs[0].group = "10.0.0.1"; }, "no multicast group"},
      {"udp and rtp",
       [](auto& s) {
         s.channels[1].inputs[0].group = "239.1.1.1";
         s.channels[1].inputs[0].protocol = protocol::DatagramProtocol::rtp;
       },
       "as udp and as rtp"},
      {"udp of any source and rtp of one",
       [](auto& s) {
         s.channels[1].inputs[0].group = "239.1.1.1";
         s.channels[1].inputs[0].source = "10.20.0.2";
         s.channels[1].inputs[0].protocol = protocol::DatagramProtocol::rtp;
       },
       "as udp and as rtp"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    auto bad = wanted;
    c.spoil(bad);
    EXPECT_NE(refusal(bad).find(c.says), std::string::npos) << refusal(bad);
    EXPECT_EQ(places_in_use(), 2U);
  }
  receive(udp_frame(seven(7)));
  EXPECT_EQ(sent().size(), 1U);
  EXPECT_EQ(input("a")->datagrams.load(), 2U);
  EXPECT_EQ(input("a")->cc_errors.load(), 0U);
  EXPECT_EQ(input("b"), nullptr);
  apply(wanted);
  EXPECT_NE(input("b"), nullptr);
  apply(good);
  EXPECT_EQ(input("b"), nullptr);
}

TEST_F(ApplyTest, TwoSourcesOfAGroupMaySpeakDifferently) {
  auto wanted = state();
  wanted.channels = {channel("a", "232.1.1.1", "239.2.1.1"), channel("b", "232.1.1.1", "239.2.1.2")};
  wanted.channels[0].inputs[0].source = "10.20.0.1";
  wanted.channels[1].inputs[0].source = "10.20.0.2";
  wanted.channels[1].inputs[0].protocol = protocol::DatagramProtocol::rtp;
  apply(wanted);
  const DatagramOptions from_a{.source = 0x0A140001, .destination = 0xE8010101};
  const DatagramOptions from_b{.source = 0x0A140002, .destination = 0xE8010101};
  const DatagramOptions foreign{.source = 0x0A140003, .destination = 0xE8010101};
  receive(udp_frame(seven(0), from_a));
  receive(udp_frame(rtp_payload(7, 9000, seven(0)), from_b));
  receive(udp_frame(seven(0), foreign));
  const auto out = sent();
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(payload_of(out[0]), seven(0));
  EXPECT_EQ(payload_of(out[1]), seven(0));
  EXPECT_EQ(input("a")->datagrams.load(), 1U);
  EXPECT_EQ(input("b")->datagrams.load(), 1U);
  for (const char* id : {"a", "b"}) EXPECT_EQ(input_drops(id, protocol::DropReason::wrong_source), 1U) << id;
}

std::map<std::uint16_t, std::uint64_t> errors_by_pid(const protocol::InputStats& stats) {
  std::map<std::uint16_t, std::uint64_t> out;
  for (std::uint32_t i = 0; i < stats.pid_count.load(); ++i) {
    if (stats.pids[i].cc_errors.load() != 0) out[stats.pids[i].pid.load()] = stats.pids[i].cc_errors.load();
  }
  return out;
}

TEST_F(ApplyTest, MultiplexOfManyPidsIsCheckedFromItsFirstPackets) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
  apply(wanted);
  std::map<std::uint16_t, std::uint64_t> expected;
  for (std::uint8_t round = 0; round < 3; ++round) {
    for (std::uint16_t pid = 0x100; pid < 0x100 + 90; ++pid) {
      const bool gap = round == 1 && pid % 3 == 0;  // its packet of the second round is lost
      if (!gap) receive(udp_frame(ts_packet(pid, round, 1)));
      if (gap) expected[pid] = 1;
    }
  }
  sent();
  const auto* a = input("a");
  EXPECT_EQ(a->pid_count.load(), 90U);
  EXPECT_EQ(errors_by_pid(*a), expected);
  EXPECT_EQ(a->cc_errors.load(), expected.size());
}

// Every 97th packet of the capture is lost: what the worker counts, and a plain count beside it.
TEST_F(ApplyTest, CapturedMultiplexWithHolesIsCountedLikeAPlainScanDoes) {
  const char* folder_name = std::getenv("HEADGATE_STREAMS");
  if (folder_name == nullptr) GTEST_SKIP() << "HEADGATE_STREAMS is not set";
  std::ifstream file(std::filesystem::path(folder_name) / "mpts-dvbt-it-8prog.ts", std::ios::binary);
  if (!file) GTEST_SKIP() << "the capture is not there";
  const FrameBytes source{std::istreambuf_iterator<char>(file), {}};
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
  apply(wanted);
  std::map<std::uint16_t, int> last;
  std::map<std::uint16_t, std::uint64_t> expected;
  for (std::size_t i = 0; (i + 1) * 188 <= source.size(); ++i) {
    if (i % 97 == 40) continue;
    const auto at = source.begin() + static_cast<std::ptrdiff_t>(i * 188);
    const FrameBytes packet(at, at + 188);
    receive(udp_frame(packet));
    if (i % 64 == 0) sent();
    const auto pid = static_cast<std::uint16_t>((packet[1] & 0x1F) << 8 | packet[2]);
    if (pid == 0x1FFF) continue;
    const int cc = packet[3] & 0x0F;
    const bool payload = (packet[3] & 0x10) != 0;
    const bool flagged = (packet[3] & 0x20) != 0 && packet[4] > 0 && (packet[5] & 0x80) != 0;
    const auto known = last.find(pid);
    if (known != last.end() && !flagged && cc != ((known->second + (payload ? 1 : 0)) & 0x0F))
      ++expected[pid];
    last[pid] = cc;
  }
  EXPECT_GT(expected.size(), 10U);
  EXPECT_EQ(errors_by_pid(*input("a")), expected);
}

}  // namespace
}  // namespace headgate::fastpath

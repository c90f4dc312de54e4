// The worker's whole way from a received frame to a sent one, over rings. Streams are generated.
#include "tests/fastpath/fastpath_support.h"
#include "tests/support/allocation_count.h"

namespace headgate::fastpath {
namespace {

using protocol::DropReason;

FrameBytes seven(std::uint8_t fill = 0x5A, std::uint8_t first_cc = 0) {
  std::vector<FrameBytes> packets;
  for (int i = 0; i < 7; ++i)
    packets.push_back(
        ts_packet(0x100, static_cast<std::uint8_t>(first_cc + i), static_cast<std::uint8_t>(fill + i)));
  return join_bytes(packets);
}

TEST_F(WorkerTest, RelaysTransportPacketsBitExactUnderNewHeaders) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
  wanted.channels[0].outputs[0].dscp = 34;
  wanted.channels[0].outputs[0].ttl = 9;
  apply(wanted);
  receive(udp_frame(seven()));
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 1U);
  const FrameBytes& f = frames[0];
  EXPECT_EQ(payload_of(f), seven());
  EXPECT_EQ(FrameBytes(f.begin(), f.begin() + 6), (FrameBytes{0x01, 0x00, 0x5E, 0x02, 0x01, 0x01}));
  EXPECT_EQ(f[15], 34 << 2);
  EXPECT_EQ(f[22], 9);
  EXPECT_EQ(FrameBytes(f.begin() + 26, f.begin() + 34), (FrameBytes{10, 30, 0, 5, 239, 2, 1, 1}));
  std::uint32_t sum = 0;
  for (std::size_t i = 14; i < 34; i += 2) sum += static_cast<std::uint32_t>(f[i] << 8 | f[i + 1]);
  EXPECT_EQ((sum & 0xFFFF) + (sum >> 16), 0xFFFFU) << "the IP header's checksum";
  EXPECT_EQ(input("a")->ts_packets.load(), 7U);
  EXPECT_EQ(stats().outputs[0].ts_packets.load(), 7U);
}

TEST_F(WorkerTest, RelaysPaddedAndTaggedFramesWithoutTheirTrimmings) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1"), channel("b", "239.1.1.2", "239.2.1.2")};
  wanted.channels[0].inputs[0].vlan = 120;
  wanted.channels[1].outputs[0].vlan = 120;
  apply(wanted);
  receive(udp_frame(seven(), {.vlan = 120}));
  auto frames = sent();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].size(), 42U + 1316U);
  EXPECT_EQ(payload_of(frames[0]), seven());
  receive(udp_frame(seven()), 120);  // the card took the tag off
  frames = sent();
  ASSERT_EQ(frames.size(), 1U);
  receive(udp_frame(seven()));  // untagged: nobody's
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(interface_drops(DropReason::no_flow), 1U);

  FrameBytes padded = udp_frame(seven(), {.destination = 0xEF010102});
  padded.insert(padded.end(), 10, 0);
  receive(padded);
  frames = sent();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(parse_frame(frames[0], 0).vlan, 120);
  EXPECT_EQ(payload_of(frames[0]), seven());
  EXPECT_EQ(frames[0].size(), 46U + 1316U);
}

TEST_F(WorkerTest, FansOutToSeveralGroupsAlike) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
  for (const char* group : {"239.2.1.2", "239.2.1.3"}) {
    wanted.channels[0].outputs.push_back(wanted.channels[0].outputs[0]);
    wanted.channels[0].outputs.back().group = group;
    wanted.channels[0].outputs.back().url = group;
  }
  apply(wanted);
  receive(udp_frame(seven()));
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 3U);
  for (const auto& frame : frames) EXPECT_EQ(payload_of(frame), seven());
  std::set<std::uint32_t> groups;
  for (const auto& frame : frames) groups.insert(parse_frame(frame, 0).destination);
  EXPECT_EQ(groups, (std::set<std::uint32_t>{0xEF020101, 0xEF020102, 0xEF020103}));
}

TEST_F(WorkerTest, WrapsUdpIntoRtpWithRisingSequenceAndItsOwnClock) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
  wanted.channels[0].outputs[0].protocol = protocol::DatagramProtocol::rtp;
  apply(wanted);
  for (std::uint8_t i = 0; i < 3; ++i) receive(udp_frame(seven(i)));
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 3U);
  std::uint32_t last_stamp = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const FrameBytes body = payload_of(frames[i]);
    EXPECT_EQ(body[0], 0x80);
    EXPECT_EQ(body[1], 33);
    const Payload payload = parse_payload(body, true);
    ASSERT_TRUE(payload.good);
    EXPECT_EQ(payload.sequence, i);
    if (i > 0) {
      EXPECT_EQ(payload.timestamp - last_stamp, 90U) << "a millisecond at 90 kHz";
    }
    last_stamp = payload.timestamp;
    EXPECT_EQ(FrameBytes(body.begin() + payload.offset, body.end()), seven(static_cast<std::uint8_t>(i)));
  }
}

TEST_F(WorkerTest, UnwrapsRtpToUdpAndCountsItsLosses) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
  wanted.channels[0].inputs[0].protocol = protocol::DatagramProtocol::rtp;
  apply(wanted);
  for (const std::uint16_t sequence : std::initializer_list<std::uint16_t>{65534, 65535, 2, 1, 3, 3})
    receive(udp_frame(rtp_payload(sequence, 1000, seven())));
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 6U);
  for (const auto& frame : frames) EXPECT_EQ(payload_of(frame), seven());
  const protocol::InputStats* a = input("a");
  EXPECT_EQ(a->rtp_lost.load(), 1U);
  EXPECT_EQ(a->rtp_reordered.load(), 1U);
  EXPECT_EQ(a->rtp_duplicates.load(), 1U);
}

TEST_F(WorkerTest, KeepsLossesVisibleFromRtpToRtp) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
  wanted.channels[0].inputs[0].protocol = protocol::DatagramProtocol::rtp;
  wanted.channels[0].outputs[0].protocol = protocol::DatagramProtocol::rtp;
  apply(wanted);
  for (const std::uint16_t sequence : std::initializer_list<std::uint16_t>{500, 501, 504})
    receive(udp_frame(rtp_payload(sequence, 7777, seven())));
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 3U);
  std::vector<std::uint16_t> sequences;
  for (const auto& frame : frames) sequences.push_back(parse_payload(payload_of(frame), true).sequence);
  EXPECT_EQ(sequences[1] - sequences[0], 1);
  EXPECT_EQ(sequences[2] - sequences[1], 3);
  EXPECT_EQ(parse_payload(payload_of(frames[0]), true).timestamp, 7777U);
}

// One SSRC has one row of numbers and one clock, whatever feeds it.
TEST_F(WorkerTest, RtpNumbersAndTimesGoOnWhenTheirSourceIsAnother) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
  wanted.channels[0].inputs[0].protocol = protocol::DatagramProtocol::rtp;
  wanted.channels[0].outputs[0].protocol = protocol::DatagramProtocol::rtp;
  apply(wanted);
  receive(udp_frame(rtp_payload(500, 7777, seven(0))));
  auto both = wanted;  // a switch numbers and times by itself
  both.channels[0].inputs.push_back(both.channels[0].inputs[0]);
  both.channels[0].inputs[1].number = 2;
  both.channels[0].inputs[1].group = "239.1.1.2";
  apply(both);
  receive(udp_frame(rtp_payload(501, 7867, seven(1))));
  apply(wanted);
  receive(udp_frame(rtp_payload(502, 7957, seven(2))));
  wanted.channels[0].inputs[0].group = "239.1.1.3";
  apply(wanted);
  receive(udp_frame(rtp_payload(9000, 123'456'789, seven(3)), {.destination = 0xEF010103}));
  std::vector<Payload> seen;
  for (const auto& frame : sent()) seen.push_back(parse_payload(payload_of(frame), true));
  ASSERT_EQ(seen.size(), 4U);
  EXPECT_EQ(seen[0].timestamp, 7777U);
  for (std::size_t i = 1; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].sequence, seen[0].sequence + i) << i;
    EXPECT_NEAR(static_cast<double>(seen[i].timestamp - seen[i - 1].timestamp), 90, 90) << i;
  }
}

TEST_F(WorkerTest, CountsEveryBadDatagramWithItsReason) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1"), channel("r", "239.1.1.3", "239.2.1.3"),
                     channel("s", "239.1.1.4", "239.2.1.4")};
  wanted.channels[1].inputs[0].protocol = protocol::DatagramProtocol::rtp;
  wanted.channels[2].inputs[0].source = "10.20.0.77";
  apply(wanted);
  struct Case {
    const char* name;
    FrameBytes frame;
    DropReason reason;
    const char* channel;  // "" = counted on the interface
  };
  FrameBytes short_frame = udp_frame(seven());
  short_frame.resize(900);
  FrameBytes fragment = udp_frame(seven());
  fragment[20] = 0x20;
  FrameBytes long_udp = udp_frame(seven());
  long_udp[38] = 0x7F;
  FrameBytes ipv6 = udp_frame(seven());
  ipv6[12] = 0x86;
  ipv6[13] = 0xDD;
  const FrameBytes wide(7 * 204, 0x47);
  FrameBytes no_sync = seven();
  for (std::size_t i = 0; i < no_sync.size(); i += 188) no_sync[i] = 0x48;
  FrameBytes rtp_version = rtp_payload(1, 1, seven());
  rtp_version[0] = 0x40;
  FrameBytes rtp_extension = rtp_payload(1, 1, seven());
  rtp_extension[0] = 0x90;
  rtp_extension[14] = 0xFF;
  FrameBytes rtp_padding = rtp_payload(1, 1, seven());
  rtp_padding[0] = 0xA0;
  rtp_padding.back() = 0;
  const DatagramOptions r{.destination = 0xEF010103};
  const std::vector<Case> cases{
      {"truncated", short_frame, DropReason::malformed_ip, ""},
      {"fragment", fragment, DropReason::ip_fragment, ""},
      {"UDP longer than IP", long_udp, DropReason::malformed_ip, ""},
      {"nobody's group", udp_frame(seven(), {.destination = 0xEF090909}), DropReason::no_flow, ""},
      {"nobody's port", udp_frame(seven(), {.port = 1}), DropReason::wrong_port, "a"},
      {"other source", udp_frame(seven(), {.destination = 0xEF010104}), DropReason::wrong_source, "s"},
      {"IPv6", ipv6, DropReason::not_for_us, ""},
      {"8 packets", udp_frame(join_bytes({seven(), ts_packet(1, 1, 1)})), DropReason::not_ts_size, "a"},
      {"no payload", udp_frame({}), DropReason::not_ts_size, "a"},
      {"187 bytes", udp_frame(FrameBytes(187, 0x47)), DropReason::not_ts_size, "a"},
      {"204-byte packets", udp_frame(wide), DropReason::packet_size_204, "a"},
      {"no sync", udp_frame(no_sync), DropReason::no_sync, "a"},
      {"RTP version 1", udp_frame(rtp_version, r), DropReason::rtp_malformed, "r"},
      {"RTP extension too long", udp_frame(rtp_extension, r), DropReason::rtp_malformed, "r"},
      {"RTP padding of 0", udp_frame(rtp_padding, r), DropReason::rtp_malformed, "r"},
      {"RTP too short", udp_frame(FrameBytes(11, 0x80), r), DropReason::rtp_malformed, "r"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const bool known = *c.channel != 0;
    const auto value = [&] { return known ? input_drops(c.channel, c.reason) : interface_drops(c.reason); };
    const std::uint64_t before = value();
    receive(c.frame);
    EXPECT_EQ(value(), before + 1);
    EXPECT_TRUE(sent().empty());
  }
  EXPECT_EQ(input("a")->datagrams.load(), 0U);
}

TEST_F(WorkerTest, ChargesAForeignSourceToTheChannelsOfItsGroupAndHearsNothingInIt) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1"), channel("b", "239.1.1.1", "239.2.1.2"),
                     channel("c", "239.1.1.1", "239.2.1.3")};
  wanted.channels[0].inputs[0].source = "10.20.0.2";
  wanted.channels[1].inputs[0].source = "10.20.0.3";
  wanted.channels[2].inputs[0].port = 5002;
  apply(wanted);
  receive(udp_frame(seven()));
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(input_drops("a", DropReason::wrong_source), 1U);
  EXPECT_EQ(input_drops("b", DropReason::wrong_source), 1U);
  EXPECT_EQ(input_drops("c", DropReason::wrong_source), 0U);
  for (const char* id : {"a", "b"}) EXPECT_EQ(input(id)->wrong_source.load(), 0x0A140001U) << id;
  EXPECT_EQ(input("c")->wrong_source.load(), 0U);
  EXPECT_EQ(interface_drops(DropReason::wrong_source), 0U);
  for (const auto& [membership, datagrams] : arrivals()) EXPECT_EQ(datagrams, 0U);
}

TEST_F(WorkerTest, TellsTheChannelsOfAGroupOfAPortThatNobodyTakes) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1"), channel("b", "239.1.1.1", "239.2.1.2"),
                     channel("c", "239.1.1.2", "239.2.1.3"), channel("d", "239.1.1.1", "239.2.1.4")};
  wanted.channels[0].inputs[0].source = "10.20.0.2";
  wanted.channels[1].inputs[0].port = 5002;
  wanted.channels[3].inputs[0].vlan = 120;
  apply(wanted);
  receive(udp_frame(seven(), {.port = 5004}));
  EXPECT_TRUE(sent().empty());
  for (const char* id : {"a", "b"}) {
    EXPECT_EQ(input_drops(id, DropReason::wrong_port), 1U) << id;
    EXPECT_EQ(input(id)->wrong_port.load(), 5004U) << id;
  }
  for (const char* id : {"c", "d"}) EXPECT_EQ(input_drops(id, DropReason::wrong_port), 0U) << id;
  receive(udp_frame(seven(), {.port = 5002}));
  EXPECT_EQ(input_drops("a", DropReason::wrong_port), 1U) << "another channel's port";
  EXPECT_EQ(interface_drops(DropReason::no_flow), 0U);
}

TEST_F(WorkerTest, CountsContinuityScramblingSyncAndTeiButRelaysThem) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
  apply(wanted);
  FrameBytes scrambled = ts_packet(0x101, 0, 1);
  scrambled[3] |= 0x80;
  FrameBytes tei = ts_packet(0x102, 0, 1);
  tei[1] |= 0x80;
  FrameBytes no_sync = ts_packet(0x102, 0, 1);
  no_sync[0] = 0x46;
  const FrameBytes mixed = join_bytes({ts_packet(0x100, 0, 1), ts_packet(0x100, 2, 1), ts_packet(0x100, 2, 1),
                                       scrambled, tei, no_sync, ts_packet(0x1FFF, 0, 0xFF)});
  receive(udp_frame(mixed));
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(payload_of(frames[0]), mixed);
  const protocol::InputStats* a = input("a");
  EXPECT_EQ(a->cc_errors.load(), 1U);
  EXPECT_EQ(a->duplicates.load(), 1U);
  EXPECT_EQ(a->scrambled.load(), 1U);
  EXPECT_EQ(a->transport_errors.load(), 1U);
  EXPECT_EQ(a->sync_errors.load(), 1U);
  EXPECT_EQ(a->null_packets.load(), 1U);
  EXPECT_EQ(a->pid_count.load(), 3U);
  EXPECT_EQ(a->pids[0].cc_errors.load(), 1U);
}

TEST_F(WorkerTest, ApplyLeavesOtherChannelsTheirPacketsAndCounters) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
  apply(wanted);
  std::size_t relayed = 0;
  for (std::uint8_t i = 0; i < 20; ++i) {
    receive(udp_frame(seven(1, static_cast<std::uint8_t>(i * 7))));
    wanted.channels.resize(1);
    if (i % 2 == 0) wanted.channels.push_back(channel("b", "239.1.1.2", "239.2.1.2"));
    ++wanted.generation;
    apply(wanted);
    relayed += sent().size();
  }
  EXPECT_EQ(relayed, 20U);
  EXPECT_EQ(input("a")->datagrams.load(), 20U);
  EXPECT_EQ(input("a")->cc_errors.load(), 0U);
  EXPECT_EQ(input("b"), nullptr) << "a channel that is gone has no place in the page";
}

TEST_F(WorkerTest, HandsBridgedChannelsToTheRing) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
  wanted.channels[0].to_bridge = true;
  wanted.channels[0].outputs.clear();
  apply(wanted);
  auto consumer = *ring::Consumer::open(folder + "/ring");
  receive(udp_frame(seven()));
  std::size_t slots = 0;
  consumer->poll(10, [&](const ring::Slot& slot) {
    ++slots;
    EXPECT_EQ(slot.channel, static_cast<std::uint32_t>('a'));
    EXPECT_EQ(slot.packet_count, 7);
    EXPECT_EQ(slot.arrival_ns, now_ns);
    EXPECT_EQ(FrameBytes(slot.packets.begin(), slot.packets.end()), seven());
  });
  EXPECT_EQ(slots, 1U);
  EXPECT_TRUE(sent().empty());
}

TEST_F(WorkerTest, TwoChannelsShareOneGroup) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1"), channel("b", "239.1.1.1", "239.2.1.2")};
  apply(wanted);
  receive(udp_frame(seven()));
  EXPECT_EQ(sent().size(), 2U);
  EXPECT_EQ(input("b")->ts_packets.load(), 7U);
}

TEST_F(WorkerTest, AllocatesNothingPerPacket) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1"), channel("b", "239.1.1.2", "239.2.1.2")};
  wanted.channels[0].to_bridge = true;
  wanted.channels[1].inputs[0].program = protocol::Program(std::uint16_t{1});
  wanted.channels[1].outputs[0].protocol = protocol::DatagramProtocol::rtp;
  apply(wanted);
  const FrameBytes whole = udp_frame(seven());
  const FrameBytes cut = udp_frame(seven(), {.destination = 0xEF010102});
  const FrameBytes unknown = udp_frame(seven(), {.destination = 0xEF010199});
  const FrameBytes bad = udp_frame(FrameBytes(100, 1));
  const auto turn = [&] {
    for (const FrameBytes* frame : {&whole, &cut, &unknown, &bad}) receive(*frame);
  };
  turn();
  sent();
  std::uint64_t allocated = 0;
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t before = test::allocations();
    turn();
    allocated += test::allocations() - before;
    sent();
  }
  EXPECT_EQ(allocated, 0U);
  EXPECT_EQ(input("a")->datagrams.load(), 201U);
}

TEST_F(WorkerTest, AFrameInTwoBuffersIsSentInOne) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
  apply(wanted);
  receive_chained(udp_frame(seven()), FrameBytes(60, 0xEE));
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(payload_of(frames[0]), seven());
  EXPECT_EQ(frames[0].size(), 42U + 1316U) << "what stood in the second buffer is no part of the datagram";
}

}  // namespace
}  // namespace headgate::fastpath

#include "dataplane/fastpath/host/interface_host.h"

#include "dataplane/fastpath/host/responder.h"
#include "tests/fastpath/host_support.h"

namespace headgate::fastpath {
namespace {

using testing::IsEmpty;
using testing::SizeIs;
constexpr Ipv4 kVlanAddress{0x0A150005};

class InterfaceHostTest : public testing::Test {
 protected:
  RecordingSink sink_;
  InterfaceHost host_{{kOwnMac, 1500, IgmpVersionMode::automatic, {{0, {kOwn}}, {21, {kVlanAddress}}}},
                      [](std::uint64_t) { return 0; },
                      sink_};
  const Time now_ = std::chrono::seconds(100);

  static std::vector<std::uint8_t> arp_request(Ipv4 target, std::uint16_t vlan) {
    auto frame = gratuitous_arp(kPeerMac, vlan, kPeer);
    const std::size_t arp = vlan != 0 ? 18 : 14;
    for (std::size_t i = 0; i < 4; ++i)
      frame[arp + 24 + i] = static_cast<std::uint8_t>(target.value >> (24 - 8 * i));
    return frame;
  }
  static std::vector<std::uint8_t> echo_request(const Mac& mac, Ipv4 to) {
    std::vector<std::uint8_t> icmp{8, 0, 0, 0, 0x12, 0x34, 0, 1, 'h', 'i', '!'};
    const std::uint16_t checksum = internet_checksum(icmp);
    icmp[2] = static_cast<std::uint8_t>(checksum >> 8);
    icmp[3] = static_cast<std::uint8_t>(checksum);
    std::vector<std::uint8_t> out;
    put_ethernet(out, mac, kPeerMac, 0, kEtherTypeIpv4);
    put_ipv4(out, {kPeer, to, 64, kProtocolIcmp, 0, false}, icmp.size());
    out.insert(out.end(), icmp.begin(), icmp.end());
    return out;
  }
};

TEST_F(InterfaceHostTest, ArpRequestForOurAddressIsAnswered) {
  host_.on_frame(now_, arp_request(kOwn, 0));
  ASSERT_THAT(sink_.frames, SizeIs(1));
  const auto frame = *parse_ethernet(sink_.frames[0]);
  EXPECT_EQ(frame.destination, kPeerMac);
  EXPECT_EQ(frame.source, kOwnMac);
  EXPECT_EQ(get16(frame.payload, 6), 2);
  EXPECT_EQ(get32(frame.payload, 14), kOwn.value);
  EXPECT_EQ(get32(frame.payload, 24), kPeer.value);
  EXPECT_GE(sink_.frames[0].size(), 60U);
  EXPECT_EQ(host_.counters(0)->arp_replies, 1U);
}

TEST_F(InterfaceHostTest, ArpForAnotherAddressOrAnotherVlansAddressIsNot) {
  host_.on_frame(now_, arp_request({kOwn.value + 1}, 0));
  host_.on_frame(now_, arp_request(kOwn, 21));
  host_.on_frame(now_, arp_request(kVlanAddress, 22));
  EXPECT_THAT(sink_.frames, IsEmpty());
}

TEST_F(InterfaceHostTest, VlanCountsInTheFrameAndBesideIt) {
  host_.on_frame(now_, arp_request(kVlanAddress, 21));
  host_.on_frame(now_, arp_request(kVlanAddress, 0), 21);
  ASSERT_THAT(sink_.frames, SizeIs(2));
  EXPECT_EQ(parse_ethernet(sink_.frames[0])->vlan, 21);
  EXPECT_EQ(sink_.frames[0], sink_.frames[1]);
}

TEST_F(InterfaceHostTest, EchoRequestIsAnsweredWithItsData) {
  host_.on_frame(now_, echo_request(kOwnMac, kOwn));
  ASSERT_THAT(sink_.frames, SizeIs(1));
  const auto packet = *parse_ipv4_packet(parse_ethernet(sink_.frames[0])->payload);
  EXPECT_EQ(packet.destination, kPeer);
  EXPECT_EQ(packet.source, kOwn);
  EXPECT_EQ(packet.payload[0], 0);
  EXPECT_EQ(internet_checksum(packet.payload), 0);
  EXPECT_EQ(packet.payload[10], '!');
}

TEST_F(InterfaceHostTest, EchoToOthersOrToGroupsIsNotAnswered) {
  host_.on_frame(now_, echo_request(kPeerMac, kOwn));
  host_.on_frame(now_, echo_request(kOwnMac, kPeer));
  host_.on_frame(now_, echo_request(multicast_mac(kAllSystems), kAllSystems));
  EXPECT_THAT(sink_.frames, IsEmpty());
  EXPECT_EQ(host_.counters(0)->ignored, 3U);
}

TEST_F(InterfaceHostTest, FramesOfAVlanThatIsNotThereAreIgnoredAndCounted) {
  host_.on_frame(now_, arp_request(kOwn, 22));
  EXPECT_THAT(sink_.frames, IsEmpty());
  EXPECT_EQ(host_.counters(0)->ignored, 1U);
}

TEST_F(InterfaceHostTest, AnnouncesEachAddressOnItsVlan) {
  host_.announce();
  ASSERT_THAT(sink_.frames, SizeIs(2));
  EXPECT_EQ(parse_ethernet(sink_.frames[1])->vlan, 21);
  EXPECT_EQ(parse_ethernet(sink_.frames[1])->destination, kBroadcastMac);
}

TEST_F(InterfaceHostTest, QueryOfAVlanIsAnsweredOnThatVlanOnly) {
  host_.multicast(0)->join({0xEF010101}, std::nullopt, now_);
  host_.multicast(21)->join({0xEF010102}, std::nullopt, now_);
  for (int i = 0; i < 3; ++i) host_.on_timer(now_);
  sink_.take();
  host_.on_frame(now_, v3_query({}, {}, 10, kPeer, 2, 125, 21));
  EXPECT_TRUE(host_.next_deadline());
  host_.on_timer(now_);
  const auto sent = sink_.take();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].ethernet.vlan, 21);
  EXPECT_EQ(sent[0].records()[0].group, Ipv4{0xEF010102});
  EXPECT_EQ(host_.multicast(22), nullptr);
}

}  // namespace
}  // namespace headgate::fastpath

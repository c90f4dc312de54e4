#include "dataplane/fastpath/host/igmp_message.h"
#include "tests/fastpath/host_support.h"

namespace headgate::fastpath {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

TEST(Address, TextIsReadStrictly) {
  EXPECT_EQ(parse_ipv4("10.20.0.5"), kOwn);
  EXPECT_EQ(parse_ipv4("10.20.0.5/24", true), kOwn);
  for (const char* bad : {"", "10.20.0", "10.20.0.256", "10.20.0.5.", "10.20.0.5/24", "10.20.0.-5",
                          "10.20.0.5 ", "0010.20.0.5", "fe80::1", "a.b.c.d"}) {
    EXPECT_FALSE(parse_ipv4(bad)) << bad;
  }
  EXPECT_FALSE(parse_ipv4("10.20.0.5/33", true));
}

TEST(Address, MulticastMacTakesTheLow23Bits) {
  EXPECT_THAT(multicast_mac({0xEFFF0102}), ElementsAre(0x01, 0x00, 0x5E, 0x7F, 0x01, 0x02));
  EXPECT_THAT(multicast_mac({0xE0800102}), ElementsAre(0x01, 0x00, 0x5E, 0x00, 0x01, 0x02));
}

TEST(IgmpMessage, V3ReportIsTheRfcsBytes) {
  const GroupRecord record{RecordType::change_to_exclude, {0xEF010203}, {}};
  const auto frame = build_v3_report({kOwnMac, 21, kOwn}, {&record, 1});
  const std::vector<std::uint8_t> expected{
      0x01, 0x00, 0x5E, 0x00, 0x00, 0x16, 2,    0,    0,    0,    0,    1,     // Ethernet
      0x81, 0x00, 0x00, 21,   0x08, 0x00,                                      // 802.1Q
      0x46, 0xC0, 0x00, 40,   0x00, 0x00, 0x40, 0x00, 1,    2,    0x2F, 0x00,  // IHL 6, ToS, TTL 1, IGMP
      10,   20,   0,    5,    224,  0,    0,    22,   0x94, 0x04, 0x00, 0x00,  // Router Alert
      0x22, 0x00, 0xE7, 0xF9, 0x00, 0x00, 0x00, 0x01, 0x04, 0x00, 0x00, 0x00, 239, 1, 2, 3};
  ASSERT_THAT(frame, SizeIs(expected.size()));
  for (std::size_t i = 0; i < frame.size(); ++i) {
    // The two checksums are compared by their property below.
    const bool checksum = (i >= 28 && i < 30) || (i >= 44 && i < 46);
    if (checksum) continue;
    EXPECT_EQ(frame[i], expected[i]) << i;
  }
  EXPECT_EQ(internet_checksum(Bytes(frame).subspan(18, 24)), 0);
  EXPECT_EQ(internet_checksum(Bytes(frame).subspan(42)), 0);
}

TEST(IgmpMessage, LeaveGoesToAllRouters) {
  const auto frame = build_group_message({kOwnMac, 0, {}}, IgmpType::v2_leave, {0xEF010203});
  const auto packet = parse_ipv4_packet(parse_ethernet(frame)->payload);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->destination, kAllRouters);
  EXPECT_EQ(packet->source, Ipv4{});
  EXPECT_EQ(packet->ttl, 1);
  EXPECT_TRUE(packet->router_alert);
}

TEST(IgmpMessage, CodesAbove127AreFloatingPoint) {
  EXPECT_EQ(decode_igmp_code(127), 127U);
  EXPECT_EQ(decode_igmp_code(128), 128U);
  EXPECT_EQ(decode_igmp_code(0x8F), 248U);
  EXPECT_EQ(decode_igmp_code(255), 31744U);
}

// RFC 3376 7.1.
TEST(IgmpMessage, QueryVersionComesFromLengthAndCode) {
  const struct {
    std::size_t size;
    std::uint8_t code;
    int version;  // 0: ignored
  } cases[] = {{8, 0, 1},  {8, 100, 2},  {9, 100, 0},  {11, 100, 0},
               {12, 0, 3}, {12, 100, 3}, {16, 100, 3}, {7, 1, 0}};
  for (const auto& c : cases) {
    std::vector<std::uint8_t> message(c.size);
    message[0] = 0x11;
    message[1] = c.code;
    const std::uint16_t checksum = internet_checksum(message);
    message[2] = static_cast<std::uint8_t>(checksum >> 8);
    message[3] = static_cast<std::uint8_t>(checksum);
    const auto parsed = parse_igmp(message);
    ASSERT_EQ(parsed.has_value(), c.version != 0) << c.size;
    if (c.version == 0) continue;
    EXPECT_EQ(std::get<IgmpQuery>(*parsed).version, c.version);
  }
}

TEST(IgmpMessage, EveryTruncationAndEveryFlippedByteIsRefused) {
  const auto frame = v3_query({0xEF010101}, {{1}, {2}}, 10);
  for (std::size_t size = 0; size < frame.size(); ++size) {
    const auto ethernet = parse_ethernet(Bytes(frame).first(size));
    EXPECT_FALSE(ethernet && parse_ipv4_packet(ethernet->payload)) << size;
  }
  for (std::size_t i = 38; i < frame.size(); ++i) {
    auto bad = frame;
    bad[i] ^= 0x10;
    EXPECT_FALSE(parse_igmp(Bytes(bad).subspan(38))) << i;
  }
}

TEST(IgmpMessage, CountsPastTheEndAreRefused) {
  std::vector<std::uint8_t> query{0x11, 10, 0, 0, 239, 1, 1, 1, 2, 125, 0xFF, 0xFF};
  std::vector<std::uint8_t> report{0x22, 0, 0, 0, 0, 0, 0, 1, 4, 0xFF, 0xFF, 0xFF, 239, 1, 1, 1};
  for (auto* message : {&query, &report}) {
    const std::uint16_t checksum = internet_checksum(*message);
    (*message)[2] = static_cast<std::uint8_t>(checksum >> 8);
    (*message)[3] = static_cast<std::uint8_t>(checksum);
    EXPECT_FALSE(parse_igmp(*message));
  }
}

TEST(IgmpMessage, RecordsAreSplitAtTheMtu) {
  std::vector<GroupRecord> records;
  for (std::uint32_t i = 0; i < 500; ++i)
    records.push_back({RecordType::mode_is_exclude, {0xEF000000 + i}, {}});
  GroupRecord many{RecordType::mode_is_include, {0xEF020000}, {}};
  for (std::uint32_t i = 1; i <= 1000; ++i) many.sources.push_back({i});
  records.push_back(many);
  std::size_t plain = 0;
  std::size_t sources = 0;
  for (const auto& report : split_records(records, 1500)) {
    EXPECT_LE(build_v3_report({kOwnMac, 0, kOwn}, report).size(), 14U + 1500U);
    for (const GroupRecord& record : report) {
      plain += record.type == RecordType::mode_is_exclude ? 1 : 0;
      sources += record.sources.size();
    }
  }
  EXPECT_EQ(plain, 500U);
  EXPECT_EQ(sources, 1000U);
}

}  // namespace
}  // namespace headgate::fastpath

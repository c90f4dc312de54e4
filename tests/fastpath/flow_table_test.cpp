#include "dataplane/fastpath/flow/flow_table.h"

#include <gtest/gtest.h>

#include <vector>

namespace headgate::fastpath {
namespace {

constexpr std::uint32_t kGroup = 0xEF010101;
constexpr FlowKey kKey{kGroup, 5000, 21, 3};

FlowTable build(const std::vector<Flow>& flows) {
  FlowTable table;
  EXPECT_TRUE(FlowTable::build(flows, table));
  return table;
}

TEST(FlowTable, EmptyTableFindsNothing) {
  EXPECT_EQ(FlowTable().find(kKey, 1), FlowTable::kNoFlow);
  EXPECT_EQ(build({}).find(FlowKey{}, 0), FlowTable::kNoFlow);
}

TEST(FlowTable, EveryPartOfTheKeyCounts) {
  const FlowTable table = build({{kKey, 0, 7}});
  EXPECT_EQ(table.find(kKey, 0x0A000001), 7U);
  EXPECT_EQ(table.find({kGroup + 1, 5000, 21, 3}, 1), FlowTable::kNoFlow);
  EXPECT_EQ(table.find({kGroup, 5001, 21, 3}, 1), FlowTable::kNoFlow);
  EXPECT_EQ(table.find({kGroup, 5000, 22, 3}, 1), FlowTable::kNoFlow);
  EXPECT_EQ(table.find({kGroup, 5000, 21, 4}, 1), FlowTable::kNoFlow);
}

TEST(FlowTable, SpecificSourceIsPreferredInWhateverOrder) {
  const Flow any{kKey, 0, 1};
  const Flow specific{kKey, 55, 2};
  for (const auto& flows : {std::vector<Flow>{any, specific}, std::vector<Flow>{specific, any}}) {
    const FlowTable table = build(flows);
    EXPECT_EQ(table.find(kKey, 55), 2U);
    EXPECT_EQ(table.find(kKey, 56), 1U);
  }
}

TEST(FlowTable, AnotherSourceOfASourceSpecificGroupIsTold) {
  const FlowTable table = build({{kKey, 55, 2}, {kKey, 56, 3}});
  EXPECT_EQ(table.find(kKey, 56), 3U);
  EXPECT_EQ(table.find(kKey, 57), FlowTable::kWrongSource);
  EXPECT_EQ(table.find({kGroup, 1, 21, 3}, 57), FlowTable::kNoFlow);
}

TEST(FlowTable, AmbiguousAndOutOfRangeFlowsAreRefused) {
  FlowTable table = build({{kKey, 0, 7}});
  EXPECT_FALSE(FlowTable::build(std::vector<Flow>{{kKey, 5, 1}, {kKey, 5, 2}}, table));
  EXPECT_FALSE(FlowTable::build(std::vector<Flow>{{kKey, 5, FlowTable::kWrongSource}}, table));
  EXPECT_FALSE(FlowTable::build(std::vector<Flow>{{{kGroup, 1, 4096, 0}, 5, 1}}, table));
  EXPECT_FALSE(FlowTable::build(std::vector<Flow>{{{kGroup, 1, 1, 16}, 5, 1}}, table));
  EXPECT_EQ(table.find(kKey, 1), 7U) << "a failed build changes nothing";
}

TEST(FlowTable, TwoThousandChannelsAreFoundAtAQuarterLoad) {
  std::vector<Flow> flows;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    flows.push_back(
        {{kGroup + i, static_cast<std::uint16_t>(5000 + i % 3), static_cast<std::uint16_t>(i % 4), 0},
         i % 5 == 0 ? 0x0A000000 + i : 0,
         i});
  }
  const FlowTable table = build(flows);
  EXPECT_GE(table.slots(), 4 * table.size());
  for (const Flow& flow : flows) ASSERT_EQ(table.find(flow.key, flow.source), flow.value);
  for (std::uint32_t i = 0; i < 2000; ++i) {
    ASSERT_EQ(table.find({kGroup + 100000 + i, 5000, 0, 0}, 1), FlowTable::kNoFlow);
  }
}

TEST(FlowTable, CollidingKeysAreAllFound) {
  // One key with many sources: all begin at the same place.
  std::vector<Flow> flows;
  for (std::uint32_t i = 1; i <= 64; ++i) flows.push_back({kKey, i, i});
  // And other keys whose home is that of kKey: found by trying.
  const FlowTable size_of(build(flows));
  const auto mask = static_cast<std::uint32_t>(512 - 1);
  const auto packed = [](const FlowKey& k) {
    return std::uint64_t{k.destination} << 32 | std::uint64_t{k.port} << 16 | std::uint64_t{k.vlan} << 4 |
           k.interface;
  };
  for (std::uint32_t group = kGroup + 1; flows.size() < 100; ++group) {
    const FlowKey key{group, 5000, 21, 3};
    if ((crc32c(packed(key)) & mask) == (crc32c(packed(kKey)) & mask))
      flows.push_back({key, 0, group & 0xFFFF});
  }
  const FlowTable table = build(flows);
  ASSERT_EQ(table.slots(), 512U);
  for (const Flow& flow : flows) ASSERT_EQ(table.find(flow.key, flow.source), flow.value);
}

TEST(Crc32c, BothWaysAgreeWithTheKnownValue) {
  // RFC 3720 B.4: 32 bytes of zeroes give 0x8A9136AA; of eight zero bytes the CRC-32C is 0x8C28B28A.
  EXPECT_EQ(crc32c_portable(0), 0x8C28B28AU);
  for (std::uint64_t value = 1; value != 0; value <<= 1) EXPECT_EQ(crc32c(value), crc32c_portable(value));
}

}  // namespace
}  // namespace headgate::fastpath

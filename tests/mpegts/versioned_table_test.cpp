#include "mpegts/psi/versioned_table.h"

#include <gtest/gtest.h>

#include "mpegts/psi/section_edit.h"
#include "mpegts/psi/tables.h"

namespace headgate::mpegts {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Step = TableCollector::Step;

Bytes pat(std::uint16_t pid, std::uint8_t version = 0, std::uint8_t number = 0, std::uint8_t last = 0,
          bool current = true) {
  return Pat{7, version, current, number, last, {{1, Pid{pid}}}}.to_section();
}

TEST(VersionedTable, ItsVersionRisesExactlyWhenContentChanges) {
  VersionedTable table;
  EXPECT_TRUE(table.empty());
  EXPECT_TRUE(table.section().empty());
  table.start_at(5);
  EXPECT_TRUE(table.set(pat(0x100, 19)));
  EXPECT_EQ(table.version(), 5);
  EXPECT_FALSE(table.set(pat(0x100, 20))) << "another version of the source's is no other content";
  EXPECT_EQ(table.version(), 5);
  EXPECT_TRUE(table.set(pat(0x101)));
  EXPECT_EQ(table.version(), 6);
  EXPECT_TRUE(table.set(pat(0x100)));
  EXPECT_EQ(table.version(), 7) << "back is a change, too";
  EXPECT_EQ(section_version(table.section()), 7);
  EXPECT_EQ(crc32_mpeg(table.section()), 0U);
  EXPECT_EQ(Pat::parse(table.section())->entries[0].pid, Pid{0x100});
}

TEST(VersionedTable, WrapsAt32) {
  VersionedTable table;
  table.start_at(31);
  table.set(pat(0x100));
  table.set(pat(0x101));
  EXPECT_EQ(section_version(table.section()), 0);
}

TEST(VersionedTable, AllSectionsHaveOneVersion) {
  VersionedTable table;
  table.set({pat(0x100, 0, 0, 1), pat(0x101, 0, 1, 1)});
  table.set({pat(0x100, 0, 0, 1), pat(0x102, 0, 1, 1)});
  ASSERT_EQ(table.sections().size(), 2U);
  for (const auto& section : table.sections()) {
    EXPECT_EQ(section_version(section), 1);
    EXPECT_EQ(crc32_mpeg(section), 0U);
  }
  EXPECT_TRUE(table.set({pat(0x100, 0, 0, 0)}));
  EXPECT_EQ(table.version(), 2);
}

TEST(VersionedTable, ATableThatDoesNotFitLeavesWhatIsSent) {
  VersionedTable table;
  table.set(pat(0x100));
  EXPECT_FALSE(table.set(Bytes{}));
  EXPECT_FALSE(table.set(std::vector<Bytes>{}));
  EXPECT_EQ(table.section().size(), pat(0x100).size());
  EXPECT_EQ(table.version(), 0);
}

TEST(TableCollector, IsCompleteWithAllSectionsInAnyOrder) {
  TableCollector table;
  EXPECT_FALSE(table.complete());
  EXPECT_EQ(table.on_section(pat(0x102, 3, 2, 2)), Step::added);
  EXPECT_EQ(table.on_section(pat(0x100, 3, 0, 2)), Step::added);
  EXPECT_EQ(table.on_section(pat(0x100, 3, 0, 2)), Step::repeated);
  EXPECT_TRUE(table.sections()[1].empty());
  EXPECT_EQ(table.on_section(pat(0x101, 3, 1, 2)), Step::complete);
  EXPECT_EQ(table.on_section(pat(0x101, 3, 1, 2)), Step::repeated);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(table.sections()[i],
              pat(static_cast<std::uint16_t>(0x100 + i), 3, static_cast<std::uint8_t>(i), 2));
  }
}

TEST(TableCollector, BeginsAnewWithAnotherVersionCountOrContent) {
  TableCollector table;
  EXPECT_EQ(table.on_section(pat(0x100, 3, 0, 1)), Step::added);
  EXPECT_EQ(table.on_section(pat(0x100, 4, 0, 1)), Step::added);
  EXPECT_EQ(table.on_section(pat(0x101, 4, 1, 1)), Step::complete);
  EXPECT_EQ(table.on_section(pat(0x105, 4, 0, 1)), Step::added) << "another content under the same version";
  EXPECT_FALSE(table.complete());
  EXPECT_EQ(table.on_section(pat(0x105, 4, 0, 0)), Step::complete);
}

TEST(TableCollector, IgnoresWhatAppliesLaterOrCantBe) {
  TableCollector table{24};
  EXPECT_EQ(table.on_section(pat(0x100, 0, 0, 0, false)), Step::ignored);
  auto beyond = pat(0x100, 0, 0, 0);
  beyond[6] = 1;
  EXPECT_EQ(table.on_section(beyond), Step::ignored);
  EXPECT_EQ(table.on_section(Bytes{0x70, 0x70, 5, 0, 0, 0, 0, 0}), Step::ignored);
  EXPECT_EQ(table.on_section(
                Pat{7, 0, true, 0, 0, {{1, Pid{1}}, {2, Pid{2}}, {3, Pid{3}}, {4, Pid{4}}}}.to_section()),
            Step::ignored)
      << "longer than what this one takes";
  EXPECT_TRUE(table.sections().empty());
}

}  // namespace
}  // namespace headgate::mpegts

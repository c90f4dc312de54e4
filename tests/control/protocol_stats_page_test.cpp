#include "control/protocol/stats_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

namespace headgate::protocol {
namespace {

using testing::HasSubstr;

class StatsPageTest : public testing::Test {
 protected:
  StatsPageTest() {
    char name[] = "/tmp/hg-stats-XXXXXX";
    dir_ = ::mkdtemp(name);
    path_ = dir_ + "/stats";
  }
  ~StatsPageTest() override { std::filesystem::remove_all(dir_); }
  std::string dir_;
  std::string path_;
};

TEST_F(StatsPageTest, ReaderSeesWhatTheWriterCounts) {
  auto writer = StatsMapping::create(path_);
  ASSERT_TRUE(writer) << writer.error();
  const auto reader = StatsMapping::open_read_only(path_);
  ASSERT_TRUE(reader) << reader.error();
  writer->page()->inputs[2047].datagrams.store(77, std::memory_order_relaxed);
  EXPECT_EQ(reader->page()->inputs[2047].datagrams.load(), 77U);
  EXPECT_EQ(reader->page()->pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_NE(reader->page()->epoch.load(), 0U);
}

TEST_F(StatsPageTest, UnusedEntriesTakeNoMemory) {
  auto writer = StatsMapping::create(path_);
  ASSERT_TRUE(writer);
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_GT(status.st_size, 10'000'000);
  EXPECT_LT(status.st_blocks * 512, 1'000'000);
}

TEST_F(StatsPageTest, ReaderNoticesANewWriter) {
  auto first = StatsMapping::create(path_);
  ASSERT_TRUE(first);
  auto reader = StatsMapping::open_read_only(path_);
  ASSERT_TRUE(reader);
  EXPECT_FALSE(reader->stale(path_));
  auto second = StatsMapping::create(path_);
  ASSERT_TRUE(second);
  EXPECT_TRUE(reader->stale(path_));
  first->page()->inputs[0].datagrams.store(5);
  EXPECT_EQ(second->page()->inputs[0].datagrams.load(), 0U) << "the new page is another file";
}

TEST_F(StatsPageTest, AbsentShortAndForeignFilesAreRefused) {
  EXPECT_THAT(StatsMapping::open_read_only(path_).error(), HasSubstr("No such file"));
  std::ofstream(path_) << "short";
  EXPECT_THAT(StatsMapping::open_read_only(path_).error(), HasSubstr("5 bytes"));
  std::filesystem::resize_file(path_, sizeof(StatsPage));
  EXPECT_THAT(StatsMapping::open_read_only(path_).error(), HasSubstr("not a counter page"));
  auto writer = StatsMapping::create(path_);
  ASSERT_TRUE(writer);
  writer->page()->version = kStatsVersion + 1;
  EXPECT_THAT(StatsMapping::open_read_only(path_).error(), HasSubstr("of version 1"));
}

TEST(DropReasonTable, EachReasonStandsAtItsOwnIndexWithANameOfItsOwn) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kDropReasonCount; ++i) {
    EXPECT_EQ(static_cast<std::size_t>(kDropReasons[i].reason), i);
    EXPECT_FALSE(kDropReasons[i].sentence.empty());
    EXPECT_TRUE(names.insert(kDropReasons[i].name).second) << kDropReasons[i].name;
  }
}

}  // namespace
}  // namespace headgate::protocol

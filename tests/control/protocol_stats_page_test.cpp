#include "control/protocol/stats_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
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

// A hole in it would be SIGBUS at the first count or look in a run_dir that has filled up since.
TEST_F(StatsPageTest, EveryEntryHasItsMemoryFromTheStart) {
  auto writer = StatsMapping::create(path_);
  ASSERT_TRUE(writer);
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_GE(static_cast<std::size_t>(status.st_size), sizeof(StatsPage));
  EXPECT_GE(static_cast<std::size_t>(status.st_blocks) * 512, sizeof(StatsPage));
}

TEST_F(StatsPageTest, WithoutRoomCreatingFailsAndAnUnsharedPageCounts) {
  // A limit on the size of files stands for a full file system.
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 4096;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto refused = StatsMapping::create(path_);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(), HasSubstr("can't allocate"));
  EXPECT_TRUE(std::filesystem::is_empty(dir_));
  auto own = StatsMapping::create_unshared();
  ASSERT_TRUE(own);
  own->page()->outputs[kMaxOutputs - 1].bytes.store(9);
  EXPECT_EQ(own->page()->outputs[kMaxOutputs - 1].bytes.load(), 9U);
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
  EXPECT_THAT(StatsMapping::open_read_only(path_).error(), HasSubstr("not a counter page of version 8"));
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

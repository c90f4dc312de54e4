#include "dataplane/fastpath/worker/timeline_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <limits>
#include <vector>

namespace headgate::fastpath {
namespace {

class TimelineStoreTest : public testing::Test {
 protected:
  TimelineStoreTest() {
    char name[] = "/tmp/hg-timelines-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ + "/timelines";
  }
  ~TimelineStoreTest() override { std::filesystem::remove_all(folder_); }

  // Saves a state and reads it as a restarted process would.
  std::optional<mpegts::Timeline::State> reopened(std::int64_t timeline, std::int64_t offset,
                                                  std::int64_t arrival_ns) {
    {
      auto store = TimelineStore::open(path_);
      store->save(store->find_or_add("news"), {timeline, offset, 5, arrival_ns, true});
    }
    auto store = TimelineStore::open(path_);
    return store->load(store->find_or_add("news"));
  }

  std::string folder_;
  std::string path_;
};

TEST_F(TimelineStoreTest, AStateOutlivesTheProcess) {
  const auto state = reopened(47'000'000'000'000'000, -123, 1'700'000'000'000'000'000);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->timeline, 47'000'000'000'000'000);
  EXPECT_EQ(state->offset, -123);
  EXPECT_EQ(state->pcr, 5U);
}

TEST_F(TimelineStoreTest, StatesThatWouldOverflowAreForgotten) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  EXPECT_FALSE(reopened(kMax, 0, 0));
  EXPECT_FALSE(reopened(0, kMin, 0));
  EXPECT_FALSE(reopened(0, 0, kMax));
  EXPECT_FALSE(reopened(0, 0, -1));
  EXPECT_TRUE(reopened(0, 0, 0));
}

TEST_F(TimelineStoreTest, AFileOfGarbageIsBegunAnew) {
  { ASSERT_TRUE(TimelineStore::open(path_)); }
  const auto size = std::filesystem::file_size(path_);
  const std::vector<char> garbage(size, '\x5A');
  const int fd = ::open(path_.c_str(), O_WRONLY);
  ASSERT_EQ(::write(fd, garbage.data(), garbage.size()), static_cast<ssize_t>(garbage.size()));
  ::close(fd);
  auto store = TimelineStore::open(path_);
  ASSERT_TRUE(store);
  EXPECT_FALSE(store->load(store->find_or_add("news")));
}

}  // namespace
}  // namespace headgate::fastpath

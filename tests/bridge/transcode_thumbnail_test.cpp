#include "dataplane/bridge/transcode/thumbnail.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

namespace headgate::bridge::transcode {
namespace {

namespace fs = std::filesystem;
const std::vector<std::uint8_t> kJpeg{0xFF, 0xD8, 1, 2, 3, 0xFF, 0xD9};
const std::vector<std::uint8_t> kTile(30, 7);

class ThumbnailTest : public testing::Test {
 protected:
  ThumbnailTest() { fs::create_directories(folder); }
  ~ThumbnailTest() override { fs::remove_all(folder); }
  const std::string folder = testing::TempDir() + "thumbnail_test_" + std::to_string(::getpid());
};

TEST_F(ThumbnailTest, ASuccessorHasItWithTheSameValidators) {
  std::string etag;
  {
    Thumbnail made(folder, "news");
    EXPECT_EQ(made.jpeg(), nullptr);
    EXPECT_TRUE(made.set(kJpeg, kTile, 1'700'000'000'000'000'000));
    EXPECT_EQ(made.modified_unix(), 1'700'000'000);
    etag = made.etag();
  }
  EXPECT_EQ(fs::file_size(folder + "/news.tile"), kTile.size());
  const Thumbnail next(folder, "news");
  ASSERT_NE(next.jpeg(), nullptr);
  EXPECT_EQ(*next.jpeg(), std::string(kJpeg.begin(), kJpeg.end()));
  EXPECT_EQ(next.etag(), etag);
}

TEST_F(ThumbnailTest, WhatIsNoJpegChangesNothing) {
  Thumbnail made(folder, "news");
  EXPECT_FALSE(made.set(std::vector<std::uint8_t>(100, 0), kTile, 1));
  EXPECT_FALSE(made.set({}, kTile, 1));
  EXPECT_EQ(made.jpeg(), nullptr);
  EXPECT_FALSE(fs::exists(folder + "/news.jpg"));
}

TEST_F(ThumbnailTest, FilesOfChannelsThatAreGoneGo) {
  Thumbnail news(folder, "news"), sport(folder, "sport");
  news.set(kJpeg, kTile, 1);
  sport.set(kJpeg, kTile, 1);
  Thumbnail::remove_others(folder, [](const std::string& id) { return id == "news"; });
  EXPECT_TRUE(fs::exists(folder + "/news.jpg"));
  EXPECT_FALSE(fs::exists(folder + "/sport.jpg"));
  EXPECT_FALSE(fs::exists(folder + "/sport.tile"));
  news.remove();
  EXPECT_TRUE(fs::is_empty(folder));
  EXPECT_EQ(news.jpeg(), nullptr);
}

TEST_F(ThumbnailTest, AFolderThatIsGoneIsCountedAndPlayersHaveItStill) {
  Thumbnail made(folder + "/not/there", "news");
  EXPECT_TRUE(made.set(kJpeg, kTile, 1));
  EXPECT_EQ(made.write_errors(), 1U);
  EXPECT_NE(made.jpeg(), nullptr);
}

}  // namespace
}  // namespace headgate::bridge::transcode

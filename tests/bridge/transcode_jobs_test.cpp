// Jobs with real folders and rings; the test is the worker.
#include "dataplane/bridge/transcode/jobs.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <vector>

#include "dataplane/job/message.h"

namespace headgate::bridge::transcode {
namespace {

namespace fs = std::filesystem;

class JobsTest : public testing::Test {
 protected:
  JobsTest() {
    std::string name = "/tmp/hg-jobs-XXXXXX";
    directory = ::mkdtemp(name.data()) + std::string("/jobs");
    jobs.emplace(context, directory);
    jobs->remove_stale();
  }
  ~JobsTest() override {
    jobs.reset();
    fs::remove_all(fs::path(directory).parent_path());
  }
  job::Paths paths(const std::string& name) const { return {directory + "/" + name}; }
  std::unique_ptr<Job> make(const std::string& name) {
    return jobs->make(name, {job::Kind::sound, "news"}, kSoundRings,
                      [this](const ring::MessageHeader& header, std::span<const std::uint8_t> payload) {
                        heard.emplace_back(header.id,
                                           std::vector<std::uint8_t>(payload.begin(), payload.end()));
                      });
  }
  std::unique_ptr<ring::MessageProducer> worker(const std::string& name) const {
    return std::move(*ring::MessageProducer::open(paths(name).from_worker()));
  }
  static void say(ring::MessageProducer& worker, std::uint32_t id, std::size_t size = 10) {
    ring::MessageHeader header;
    header.id = id;
    worker.push(header, std::vector<std::uint8_t>(size, 0x55));
    worker.flush();
  }
  bool eventually(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done() && std::chrono::steady_clock::now() < end) {
      context.restart();
      context.run_one_for(std::chrono::milliseconds(20));
    }
    return done();
  }

  std::string directory;
  boost::asio::io_context context;
  std::optional<Jobs> jobs;
  std::vector<std::pair<std::uint32_t, std::vector<std::uint8_t>>> heard;
};

TEST_F(JobsTest, AJobIsAFolderForAsLongAsItStands) {
  auto made = make("sound.news");
  EXPECT_EQ(made->problem(), "");
  const auto spec = job::read_spec(paths("sound.news"));
  ASSERT_TRUE(spec.has_value()) << spec.error();
  EXPECT_EQ(spec->channel, "news");
  EXPECT_EQ(jobs->count(), 1U);
  made.reset();
  EXPECT_FALSE(fs::exists(paths("sound.news").folder));
  EXPECT_EQ(jobs->count(), 0U);
}

TEST_F(JobsTest, MessagesGoBothWaysAlsoAfterALongSilence) {
  auto made = make("sound.news");
  auto in = std::move(*ring::MessageConsumer::open(paths("sound.news").to_worker()));
  auto out = worker("sound.news");
  ring::MessageHeader header;
  header.id = 5;
  ASSERT_TRUE(made->push(header, std::vector<std::uint8_t>(100, 1)));
  EXPECT_EQ(in->poll(10, [](const auto& taken, auto) { EXPECT_EQ(taken.id, 5U); }), 1U);
  say(*out, 1);
  EXPECT_TRUE(eventually([&] { return heard.size() == 1; }));
  // Until nothing is left to do but to wait for the FIFO.
  context.restart();
  context.run_for(std::chrono::milliseconds(400));
  say(*out, 2);
  EXPECT_TRUE(eventually([&] { return heard.size() == 2; }));
  EXPECT_EQ(heard.back().first, 2U);
  EXPECT_EQ(made->counters().received, 2U);
}

TEST_F(JobsTest, WhatEndsDoesNotTakeTheFolderOfWhatWasMadeUnderItsName) {
  auto first = make("ladder.r");
  auto second = make("ladder.r");
  first.reset();
  ASSERT_TRUE(job::read_spec(paths("ladder.r")).has_value());
  auto out = worker("ladder.r");
  say(*out, 3);
  EXPECT_TRUE(eventually([&] { return heard.size() == 1; }));
  second.reset();
  EXPECT_FALSE(fs::exists(paths("ladder.r").folder));
}

TEST_F(JobsTest, AWorkerThatWritesNonsenseIsCountedAndTheOthersAreHeard) {
  auto bad = make("sound.bad");
  auto good = make("sound.good");
  auto nonsense = worker("sound.bad");
  auto out = worker("sound.good");
  // Longer than the ring: a header that lies, written over the one of a message that was right.
  const auto page = fs::path(paths("sound.bad").from_worker());
  for (int i = 0; i < 50; ++i) {
    say(*nonsense, 9);
    std::FILE* file = std::fopen(page.c_str(), "r+");
    ASSERT_NE(file, nullptr);
    const std::uint32_t size = 0xFFFF'FFF0;
    std::fseek(file, 4096, SEEK_SET);
    for (int at = 0; at < 64 * 1024 / 8; ++at) {
      std::fwrite(&size, sizeof size, 1, file);
      std::fwrite(&size, sizeof size, 1, file);
    }
    std::fclose(file);
    say(*out, static_cast<std::uint32_t>(i));
    ASSERT_TRUE(eventually([&] { return heard.size() == static_cast<std::size_t>(i) + 1; }));
  }
  EXPECT_TRUE(eventually([&] { return bad->counters().damaged > 0; }));
  EXPECT_EQ(bad->counters().received, 0U);
}

TEST_F(JobsTest, WhatCanNotBeMadeIsToldAndMadeLater) {
  fs::remove_all(directory);
  { std::ofstream(directory) << "in its place"; }
  auto made = make("sound.news");
  EXPECT_NE(made->problem(), "");
  EXPECT_FALSE(made->push({}, {}));
  EXPECT_EQ(made->counters().dropped, 1U);
  fs::remove(directory);
  EXPECT_TRUE(eventually([&] { return made->problem().empty(); }));
  EXPECT_TRUE(made->push({}, {}));
}

TEST_F(JobsTest, WhatAFormerProcessLeftIsRemoved) {
  fs::create_directories(paths("sound.old").folder);
  jobs->remove_stale();
  EXPECT_TRUE(fs::is_empty(directory));
}

}  // namespace
}  // namespace headgate::bridge::transcode

#include "control/daemon/history.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "control/daemon/plan_answer.h"
#include "sample_model.h"
#include "temp_dir.h"

namespace headgate::control {
namespace {

HistoryEntry entry(const std::string& who) {
  HistoryEntry made;
  made.who = who;
  made.summary = "1 added";
  made.changes = "+ film";
  made.unix_ns = 1;
  return made;
}

TEST(History, GivesBackModelAndFiles) {
  TempDir dir;
  History history(dir.path);
  const std::vector<config::SourceFile> sources{{"/etc/headgate/headgate.yaml", "a"},
                                                {"/etc/headgate/channels.yaml", "b\n"}};
  const auto kept = history.add(entry("root (0)"), sample_model(), sources);
  ASSERT_TRUE(kept.has_value()) << kept.error();
  EXPECT_EQ(kept->number, 1U);
  EXPECT_EQ(history.applied()->who, "root (0)");
  auto model = sample_model();
  model.node.admin->tokens.clear();  // their file is not readable: none, rather than kept ones
  EXPECT_EQ(**history.model(1), model);
  EXPECT_EQ(digest(history.sources(1)), digest(sources));
}

TEST(History, HasInForceOnlyWhatWasConfirmed) {
  TempDir dir;
  History history(dir.path);
  ASSERT_TRUE(history.add(entry("a"), sample_model(), {}).has_value());
  const auto dropped = history.prepare(entry("b"), sample_model(), {});
  ASSERT_TRUE(dropped.has_value()) << dropped.error();
  EXPECT_EQ(dropped->number, 2U);
  EXPECT_EQ(history.list().size(), 1U);
  EXPECT_EQ(History(dir.path).applied()->number, 1U);
  history.discard(*dropped);
  EXPECT_FALSE(std::filesystem::exists(dir.path + "/history/000002.new"));
  EXPECT_FALSE(std::filesystem::exists(dir.path + "/applied.next"));
  const auto kept = history.prepare(entry("c"), sample_model(), {});
  ASSERT_TRUE(kept.has_value());
  ASSERT_TRUE(history.confirm(*kept).has_value());
  EXPECT_EQ(History(dir.path).applied()->who, "c");
  EXPECT_EQ(history.list().size(), 2U);
}

TEST(History, LeavesNothingOfAMapThatItCantKeep) {
  TempDir dir;
  History history(dir.path);
  ASSERT_TRUE(history.add(entry("a"), sample_model(), {}).has_value());
  std::filesystem::create_directories(dir.path + "/applied.next.new");  // where a file should be written
  EXPECT_FALSE(history.prepare(entry("b"), sample_model(), {}).has_value());
  EXPECT_FALSE(std::filesystem::exists(dir.path + "/history/000002.new"));
  EXPECT_EQ(history.applied()->who, "a");
}

TEST(History, ReadsTheTokensAgainAndKeepsNone) {
  TempDir dir;
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(dir.path + "/" + name) << text;
    ::chmod((dir.path + "/" + name).c_str(), 0600);
  };
  write("headgate.yaml",
        "interfaces:\n  cap0: { device: \"af_packet:eth1\", address: 10.20.0.5/24 }\n"
        "servers:\n  admin: { listen: \"127.0.0.1:9470\", tokens_file: tokens }\n"
        "channels: channels.yaml\n");
  write("channels.yaml", "channels:\n  news: { inputs: [ \"udp://239.10.1.1:5000\" ] }\n");
  write("tokens", "viewer first-token\n");
  const auto files = config::load(dir.path + "/headgate.yaml");
  ASSERT_TRUE(files.ok()) << config::to_string(files.diagnostics.front());
  History history(dir.path + "/data");
  ASSERT_TRUE(history.add(entry("a"), *files.model, files.sources).has_value());
  for (const auto& file : std::filesystem::recursive_directory_iterator(dir.path + "/data")) {
    if (!file.is_regular_file()) continue;
    std::ifstream stream(file.path());
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    EXPECT_EQ(text.find("first-token"), std::string::npos) << file.path();
  }
  write("tokens", "viewer second-token\n");
  const auto again = history.model(1);
  ASSERT_TRUE(again.has_value()) << again.error();
  ASSERT_EQ((*again)->node.admin->tokens.size(), 1U);
  EXPECT_EQ((*again)->node.admin->tokens[0].token, "second-token");
  std::filesystem::remove(dir.path + "/tokens");
  EXPECT_TRUE((*history.model(1))->node.admin->tokens.empty());
}

TEST(History, KnowsTheMapBeforeTheAppliedOne) {
  TempDir dir;
  History history(dir.path);
  EXPECT_FALSE(history.applied().has_value());
  ASSERT_TRUE(history.add(entry("a"), sample_model(), {}).has_value());
  EXPECT_FALSE(history.before_applied().has_value());
  ASSERT_TRUE(history.add(entry("b"), sample_model(), {}).has_value());
  EXPECT_EQ(history.before_applied()->who, "a");
}

// Two rollbacks go two maps back; the files applied after them come after the map that was restored.
TEST(History, WalksBackThroughRollbacks) {
  TempDir dir;
  History history(dir.path);
  const auto add = [&](std::optional<std::uint32_t> restores) {
    auto made = entry("a");
    made.restores = restores;
    return history.add(made, sample_model(), {})->number;
  };
  for (int i = 0; i < 3; ++i) add(std::nullopt);
  EXPECT_EQ(history.before_applied()->number, 2U);
  EXPECT_EQ(add(2), 4U);
  EXPECT_EQ(history.before_applied()->number, 1U);
  EXPECT_EQ(add(1), 5U);
  EXPECT_FALSE(history.before_applied().has_value());
  EXPECT_EQ(add(std::nullopt), 6U);
  EXPECT_EQ(history.before_applied()->number, 5U);
  EXPECT_EQ(add(5), 7U);
  EXPECT_FALSE(history.before_applied().has_value());
}

TEST(History, TakesAPathThatIsNoUtf8) {
  TempDir dir;
  History history(dir.path);
  const auto kept = history.add(entry("a\xFF"), sample_model(), {{"/etc/\xFF.yaml", "text"}});
  ASSERT_TRUE(kept.has_value()) << kept.error();
  EXPECT_EQ(history.applied()->who, "a\xEF\xBF\xBD");
  ASSERT_EQ(history.sources(1).size(), 1U);
  EXPECT_EQ(history.sources(1)[0].text, "text");
}

TEST(History, ReadsPassphrasesAgainAndKeepsNone) {
  TempDir dir;
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(dir.path + "/" + name) << text;
  };
  write("server", "first passphrase\n");
  write("news", "of one channel\n");
  auto model = sample_model();
  model.node.srt = {{"[::]:9000", std::chrono::milliseconds(120), dir.path + "/server", "first passphrase"}};
  model.channels[0].srt = config::SrtOptions{dir.path + "/news", "of one channel"};
  History history(dir.path + "/data");
  ASSERT_TRUE(history.add(entry("a"), model, {}).has_value());
  for (const auto& file : std::filesystem::recursive_directory_iterator(dir.path + "/data")) {
    if (!file.is_regular_file()) continue;
    std::ifstream stream(file.path());
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    EXPECT_EQ(text.find("passphrase\n"), std::string::npos) << file.path();
    EXPECT_EQ(text.find("of one channel"), std::string::npos) << file.path();
  }
  write("server", "second passphrase\n");
  std::filesystem::remove(dir.path + "/news");
  const auto again = history.model(1);
  ASSERT_TRUE(again.has_value()) << again.error();
  EXPECT_EQ((*again)->node.srt[0].passphrase, "second passphrase");
  EXPECT_EQ((*again)->channels[0].srt, (config::SrtOptions{dir.path + "/news", ""}));
}

TEST(History, KeepsAHundred) {
  TempDir dir;
  History history(dir.path);
  for (int i = 0; i < 103; ++i) ASSERT_TRUE(history.add(entry("a"), sample_model(), {}).has_value());
  const auto list = history.list();
  ASSERT_EQ(list.size(), 100U);
  EXPECT_EQ(list.front().number, 4U);
  EXPECT_EQ(list.back().number, 103U);
}

TEST(History, IgnoresWhatAnInterruptedApplyLeft) {
  TempDir dir;
  History history(dir.path);
  std::filesystem::create_directories(dir.path + "/history/000007.new");
  std::filesystem::create_directories(dir.path + "/history/000002");
  EXPECT_TRUE(history.list().empty());
  ASSERT_TRUE(history.add(entry("a"), sample_model(), {}).has_value());
  EXPECT_EQ(history.applied()->number, 3U);
}

TEST(History, IsReadableByTheGatewayOnly) {
  TempDir dir;
  History history(dir.path);
  ASSERT_TRUE(history.add(entry("a"), sample_model(), {}).has_value());
  struct stat about {};
  ASSERT_EQ(::stat((dir.path + "/history").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0700U);
}

TEST(HistoryChange, IsTheDifferenceToTheMapBefore) {
  TempDir dir;
  History history(dir.path);
  auto model = sample_model();
  ASSERT_TRUE(history.add(entry("root (0)"), model, {}).has_value());
  model.channels[0].name = "Another name";
  model.channels.pop_back();
  ASSERT_TRUE(history.add(entry("anna (1000)"), model, {}).has_value());
  const auto change = history_change(history, 2);
  ASSERT_TRUE(change.has_value()) << change.error();
  EXPECT_EQ((*change)["who"], "anna (1000)");
  EXPECT_EQ((*change)["before"], 1);
  EXPECT_EQ((*change)["plan"]["removed"].size(), 1U);
  EXPECT_EQ((*change)["plan"]["changed"][0]["values"][0]["after"], "Another name");
  EXPECT_EQ(history_change(history, 1).error(), "map 1 is the oldest one that is kept");
  EXPECT_EQ(history_change(history, 9).error(), "no map 9 is kept: headgate history lists them");
}

TEST(Digest, DependsOnPathsTextsAndTheirBorders) {
  EXPECT_EQ(digest({{"a", "b"}}), digest({{"a", "b"}}));
  EXPECT_NE(digest({{"a", "bc"}}), digest({{"ab", "c"}}));
  EXPECT_NE(digest({{"a", "b"}, {"c", "d"}}), digest({{"a", "b"}}));
}

config::ChannelChange changed(const char* id, std::vector<std::string> keys) {
  config::ChannelChange change;
  change.id = id;
  change.keys = std::move(keys);
  return change;
}

TEST(Changes, NamesAFewChannelsAndKeys) {
  config::Plan plan;
  EXPECT_EQ(changes(plan), "");
  plan.added = {"film"};
  plan.changed = {changed("sport", {"inputs", "push"})};
  plan.removed = {"a", "b", "c", "d", "e", "f"};
  plan.renditions.emplace_back();
  plan.renditions.back().id = "abr";
  plan.node_keys = {"log.format"};
  EXPECT_EQ(changes(plan),
            "+ film; ~ sport: inputs, push; - a, b, c, d and 2 more; ~ rendition abr; ~ log.format");
  plan = {};
  for (const char* id : {"a", "b", "c", "d", "e"}) plan.changed.push_back(changed(id, {"push"}));
  EXPECT_EQ(changes(plan), "~ a, b, c, d and 1 more");
}

}  // namespace
}  // namespace headgate::control

// Pushes and pulls over real sockets, against our own server; the live tests have other servers. What arrives
// is told apart by a running number in each picture.
#include "dataplane/bridge/rtmp/push.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>

#include "dataplane/bridge/hub/channel_hub.h"
#include "dataplane/bridge/rtmp/pull.h"
#include "dataplane/bridge/rtmp/server.h"
#include "tests/bridge/broadcast.h"
#include "tests/bridge/certificate.h"
#include "tests/bridge/fake_entry.h"
#include "tests/bridge/loopback.h"
#include "tests/bridge/rtmp_h264.h"
#include "tests/bridge/slots.h"

namespace headgate::bridge::rtmp {
namespace {

using std::chrono::milliseconds;
using test::Octets;
using testing::HasSubstr;
using testing::Not;

// A channel with pictures of 40 ms, 25 a group, each with its number in it.
class Air {
 public:
  void pictures(int count, std::size_t size = 200) {
    for (; count > 0; --count, ++number) {
      const bool key = number % 25 == 0;
      if (key) air_.tables({{1, 0x20, 0x100, {{0x100, 0x1B}}}});
      const Octets start{0, 0, 0, 1};
      Octets unit = test::joined({start, {9, 0x10}});
      if (key) unit = test::joined({unit, start, test::kSps, start, test::kPps});
      Octets slice = test::slice(key, size);
      // No byte of it is 0, so that none is taken for a start code.
      for (int i = 0; i < 4; ++i)
        slice[4 + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(1 + (number >> 7 * i & 0x7F));
      unit = test::joined({unit, start, slice});
      air_.pes({0x100, 0xE0, pts_, unit, std::nullopt, pts_ - 9000});
      pts_ += 3600;
    }
    slots_.packets(air_.take());
    slots_.flush();
  }
  hub::FrameFeed feed;
  std::uint32_t number = 0;

 private:
  hub::ChannelHub hub_{feed};
  test::Slots slots_{[this](const ring::Slot& slot) { hub_.on_slot(slot); }};
  test::Broadcast air_;
  std::uint64_t pts_ = 90'000;
};

std::uint32_t number_of(const hub::Frame& frame) {
  std::uint32_t number = 0;
  for (int i = 3; i >= 0; --i) number = number << 7 | (frame.data[8 + static_cast<std::size_t>(i)] - 1U);
  return number;
}

std::vector<std::uint32_t> numbers(const test::FakeEntry& entry) {
  std::vector<std::uint32_t> out;
  for (const auto& frame : entry.log.frames) out.push_back(number_of(*frame));
  return out;
}

// All but so many of the pictures that were fed are there. Those that feed it wait for that, so that a
// machine short of CPU moves no good target on.
bool has_all_but(const test::FakeEntry& entry, const Air& air, std::uint32_t behind) {
  return !entry.log.frames.empty() && number_of(*entry.log.frames.back()) + behind >= air.number;
}

bool has_no_gap(const std::vector<std::uint32_t>& numbers) {
  for (std::size_t i = 1; i < numbers.size(); ++i) {
    if (numbers[i] != numbers[i - 1] + 1) return false;
  }
  return true;
}

// A server with inputs that keep what they are given.
struct Studio {
  explicit Studio(boost::asio::io_context& context) : server(context, limits()) {
    server.set_inputs([this](std::string_view id) -> ingest::Entry* {
      const auto found = entries.find(std::string(id));
      return found == entries.end() ? nullptr : found->second.get();
    });
  }
  static ServerLimits limits() {
    ServerLimits limits;
    limits.session.goodbye_time = milliseconds(100);
    return limits;
  }
  test::FakeEntry& add(const std::string& id, const std::string& key = "") {
    auto& place = entries[id];
    place = std::make_unique<test::FakeEntry>(id, key);
    return *place;
  }
  std::map<std::string, std::unique_ptr<test::FakeEntry>> entries;
  Server server;
};

class RtmpPushing : public testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    limits.first_pause = milliseconds(100);
    limits.longest_pause = milliseconds(400);
    limits.client.progress_time = milliseconds(3'000);
  }
  std::unique_ptr<push::Push> to(std::uint16_t port, const std::string& stream,
                                 const std::string& scheme = "rtmp", const std::string& host = "127.0.0.1") {
    protocol::BridgePush target;
    target.address = scheme + "://" + host + ":" + std::to_string(port) + "/live";
    target.stream = stream;
    return make_push(context, air.feed, target, limits);
  }
  template <typename Done>
  bool run_until(Done done, int limit_s = 60) {
    return test::run_until(context, done, std::chrono::seconds(limit_s));
  }
  void settle(int ms) {
    context.run_for(milliseconds(ms));
    context.restart();
  }
  std::uint16_t listen(Studio& studio) {
    const auto listening = studio.server.listen({"127.0.0.1:0"});
    EXPECT_TRUE(listening) << listening.error();
    return studio.server.ports().at(0);
  }
  boost::asio::io_context context{1};
  Air air;
  PushLimits limits;
};

TEST_F(RtmpPushing, SendsEveryPictureFromTheLatestGroupOn) {
  Studio studio(context);
  test::FakeEntry& entry = studio.add("stage", "secret");
  const auto port = listen(studio);
  air.pictures(60);
  const auto push = to(port, "stage?key=secret");
  EXPECT_EQ(push->status().state, push::PushState::connecting);
  ASSERT_TRUE(run_until([&] { return entry.attached; })) << push->status().error;
  for (int i = 0; i < 100; ++i) {
    air.pictures(1);
    settle(2);
  }
  // Hub and feed hold a picture each until the next begins.
  ASSERT_TRUE(run_until([&] { return numbers(entry).size() >= 108; })) << numbers(entry).size();
  EXPECT_EQ(numbers(entry).front(), 50U);
  EXPECT_TRUE(has_no_gap(numbers(entry)));
  EXPECT_EQ(push->status().state, push::PushState::sending);
  EXPECT_EQ(push->status().error, "");
  EXPECT_EQ(push->status().connections, 1U);
  EXPECT_EQ(push->status().failures, 0U);
  EXPECT_GT(push->status().bytes, 108U * 200);
  EXPECT_EQ(push->status().skipped, 0U);
}

TEST_F(RtmpPushing, TakesLeaveByWordWhenItIsDestroyed) {
  Studio studio(context);
  test::FakeEntry& entry = studio.add("stage");
  const auto port = listen(studio);
  air.pictures(30);
  auto push = to(port, "stage");
  ASSERT_TRUE(run_until([&] { return entry.attached; }));
  push.reset();
  ASSERT_TRUE(run_until([&] { return !entry.attached; }));
  EXPECT_THAT(entry.ended, testing::ElementsAre(""));
}

TEST_F(RtmpPushing, EndsWithItsFeed) {
  Studio studio(context);
  test::FakeEntry& entry = studio.add("stage");
  const auto port = listen(studio);
  auto gone = std::make_unique<Air>();
  gone->pictures(30);
  protocol::BridgePush target;
  target.address = "rtmp://127.0.0.1:" + std::to_string(port) + "/live";
  target.stream = "stage";
  const auto push = make_push(context, gone->feed, target, limits);
  ASSERT_TRUE(run_until([&] { return entry.attached; }));
  gone.reset();
  ASSERT_TRUE(run_until([&] { return !entry.attached; }));
  settle(300);
  EXPECT_EQ(push->status().connections, 1U);
}

TEST_F(RtmpPushing, WaitsForMediaBeforeItConnects) {
  Studio studio(context);
  test::FakeEntry& entry = studio.add("stage");
  const auto port = listen(studio);
  limits.silence = std::chrono::milliseconds(2'000);
  const auto push = to(port, "stage");
  settle(200);
  EXPECT_EQ(push->status().state, push::PushState::waiting);
  EXPECT_EQ(push->status().error, "") << "a channel that has just begun";
  ASSERT_TRUE(run_until([&] { return !push->status().error.empty(); }));
  EXPECT_THAT(push->status().error, HasSubstr("nothing comes from the channel"));
  EXPECT_EQ(studio.server.connections(), 0U);
  air.pictures(30);
  ASSERT_TRUE(run_until([&] { return push->status().state == push::PushState::sending; }));
  EXPECT_TRUE(entry.attached);
  EXPECT_EQ(push->status().error, "");
}

TEST_F(RtmpPushing, SaysWhyItIsRefusedAndComesBackWhenItIsNot) {
  Studio studio(context);
  test::FakeEntry& entry = studio.add("stage", "secret");
  const auto port = listen(studio);
  air.pictures(30);
  const auto push = to(port, "stage?key=mistake");
  ASSERT_TRUE(run_until([&] { return push->status().failures >= 2; }));
  EXPECT_THAT(push->status().error, HasSubstr("NetStream.Publish.BadName: The key for channel"));
  EXPECT_THAT(push->status().error, Not(HasSubstr("mistake")));
  EXPECT_EQ(push->status().state, push::PushState::waiting);
  entry.input().key = "mistake";
  ASSERT_TRUE(run_until([&] {
    air.pictures(1);
    return push->status().state == push::PushState::sending;
  }));
  EXPECT_TRUE(entry.attached);
  EXPECT_EQ(push->status().error, "");
}

TEST_F(RtmpPushing, SaysWhenNobodyListens) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);  // bound, not listening
  socklen_t size = sizeof(address);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  air.pictures(30);
  const auto push = to(ntohs(address.sin_port), "stage");
  ASSERT_TRUE(run_until([&] { return push->status().failures >= 1; }));
  EXPECT_THAT(push->status().error, HasSubstr("can't connect to 127.0.0.1"));
  ::close(fd);
  protocol::BridgePush bad;
  bad.address = "rtmp://";
  bad.stream = "x";
  EXPECT_THAT(make_push(context, air.feed, bad, limits)->status().error, HasSubstr("names no host"));
}

// Three of ten are killed, stand still or refuse: the seven others lose nothing.
TEST_F(RtmpPushing, BadTargetsLeaveTheOthersWithoutAGap) {
  Studio good(context);
  const auto port = listen(good);
  auto killed = std::make_unique<Studio>(context);
  killed->add("t");
  const auto killed_port = listen(*killed);
  boost::asio::io_context still{1};
  Studio stalled(still);
  test::FakeEntry& stalled_entry = stalled.add("t");
  const auto stalled_port = listen(stalled);
  good.add("refused", "secret");
  air.pictures(30, 20'000);
  std::vector<std::unique_ptr<push::Push>> pushes;
  for (int i = 0; i < 7; ++i) {
    const std::string id = "t" + std::to_string(i);
    good.add(id);
    pushes.push_back(to(port, id));
  }
  pushes.push_back(to(killed_port, "t"));
  pushes.push_back(to(stalled_port, "t"));
  pushes.push_back(to(port, "refused?key=wrong"));
  ASSERT_TRUE(run_until([&] {
    still.run_for(milliseconds(1));
    still.restart();
    return good.server.publishers() == 7 && killed->server.publishers() == 1 && stalled_entry.attached;
  }));
  const auto all_have = [&](std::uint32_t behind) {
    return std::all_of(good.entries.begin(), good.entries.end(), [&](const auto& item) {
      return item.first == "refused" || has_all_but(*item.second, air, behind);
    });
  };
  for (int i = 0; i < 1'000; ++i) {
    if (i == 200) killed.reset();
    air.pictures(1, 20'000);
    settle(2);
    ASSERT_TRUE(run_until([&] { return all_have(25); })) << i;
  }
  ASSERT_TRUE(run_until([&] { return all_have(3); }));  // the last two stay in hub and feed
  for (const auto& [id, entry] : good.entries) {
    if (id == "refused") continue;
    EXPECT_TRUE(has_no_gap(numbers(*entry))) << id;
    EXPECT_EQ(numbers(*entry).front() % 25, 0U);
    EXPECT_GE(numbers(*entry).size(), 1'000U) << id;
  }
  for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(pushes[i]->status().skipped, 0U);
  EXPECT_GE(pushes[7]->status().failures, 1U);
  // The one that stands still was moved on, then given up.
  ASSERT_TRUE(run_until([&] { return pushes[8]->status().failures >= 1; }));
  EXPECT_GT(pushes[8]->status().skipped, 0U);
  EXPECT_THAT(pushes[9]->status().error, HasSubstr("BadName"));
}

TEST_F(RtmpPushing, GoesOverTls) {
  const test::Certificate own = test::make_certificate();
  const auto path =
      std::filesystem::temp_directory_path() / ("push-ca-" + std::to_string(::getpid()) + ".pem");
  std::ofstream(path) << own.certificate;
  ::setenv("SSL_CERT_FILE", path.c_str(), 1);
  Studio studio(context);
  test::FakeEntry& entry = studio.add("stage", "secret");
  ASSERT_TRUE(studio.server.listen({"127.0.0.1:0"}, {{"127.0.0.1:0", own.certificate, own.key}}));
  const auto port = studio.server.ports().at(1);
  air.pictures(30, 50'000);
  auto push = to(port, "stage?key=secret", "rtmps");
  ASSERT_TRUE(run_until([&] { return entry.attached; })) << push->status().error;
  for (int i = 0; i < 100; ++i) {
    air.pictures(1, 50'000);
    settle(2);
    ASSERT_TRUE(run_until([&] { return has_all_but(entry, air, 25); })) << i;
  }
  EXPECT_TRUE(run_until([&] { return has_all_but(entry, air, 3); }));
  EXPECT_TRUE(has_no_gap(numbers(entry)));
  // Another certificate, which the client doesn't know, for the next that comes; who is there stays.
  const test::Certificate other = test::make_certificate("other");
  ASSERT_TRUE(studio.server.listen({"127.0.0.1:0"}, {{"127.0.0.1:0", other.certificate, other.key}}));
  EXPECT_EQ(studio.server.ports().at(1), port);
  EXPECT_TRUE(entry.attached);
  EXPECT_FALSE(studio.server.listen({"127.0.0.1:0"}, {{"127.0.0.1:0", other.certificate, own.key}}));
  push.reset();
  ASSERT_TRUE(run_until([&] { return !entry.attached; }));
  push = to(port, "stage?key=secret", "rtmps");
  ASSERT_TRUE(run_until([&] { return push->status().failures >= 1; }));
  EXPECT_THAT(push->status().error, HasSubstr("not to be trusted"));
  EXPECT_TRUE(run_until(
      [&] { return studio.server.counters().refused[static_cast<std::size_t>(Refusal::tls)] >= 1; }));
  ::unsetenv("SSL_CERT_FILE");
  std::filesystem::remove(path);
}

class RtmpPulling : public RtmpPushing {};

TEST_F(RtmpPulling, PlaysIntoAnInputAndComesBack) {
  Studio studio(context);
  const auto port = listen(studio);
  hub::FrameSink* sink = &studio.server.open("news");
  air.feed.add(sink);
  air.pictures(30);
  test::FakeEntry entry("copy", "", protocol::SourceKind::rtmp);
  entry.input().address = "rtmp://localhost:" + std::to_string(port) + "/live/news";  // found by its name
  PullLimits pulling;
  pulling.first_pause = milliseconds(50);
  auto pull = make_pull(context, entry, pulling);
  ASSERT_TRUE(run_until([&] {
    air.pictures(1);
    return entry.log.frames.size() > 60;
  })) << entry.status().error;
  EXPECT_TRUE(has_no_gap(numbers(entry)));
  EXPECT_EQ(numbers(entry).front() % 25, 0U);
  EXPECT_THAT(entry.status().peer, testing::StartsWith("127.0.0.1:"));
  air.feed.remove(sink);
  studio.server.close("news");
  ASSERT_TRUE(run_until([&] { return !entry.attached && !entry.failures.empty(); }));
  EXPECT_THAT(entry.ended.at(0), HasSubstr("UnpublishNotify"));
  EXPECT_THAT(entry.failures.at(0), HasSubstr("StreamNotFound"));
  sink = &studio.server.open("news");
  sink->on_format(air.feed.format());
  air.feed.add(sink);
  const std::size_t before = entry.log.frames.size();
  EXPECT_TRUE(run_until([&] {
    air.pictures(1);
    return entry.log.frames.size() > before + 30;
  }));
  EXPECT_EQ(entry.status().connections, 2U);
  pull.reset();
  EXPECT_FALSE(entry.attached);
  EXPECT_EQ(entry.ended.back(), "");
  air.feed.remove(sink);
}

TEST_F(RtmpPulling, SaysWhatItCanNotReach) {
  test::FakeEntry entry("copy", "", protocol::SourceKind::rtmp);
  entry.input().address = "rtmp://nowhere.invalid/live/news";
  const auto pull = make_pull(context, entry);
  ASSERT_TRUE(run_until([&] { return !entry.failures.empty(); }));
  EXPECT_THAT(entry.failures[0], AnyOf(HasSubstr("can't resolve nowhere.invalid"),
                                       HasSubstr("no answer to the look-up of nowhere.invalid")));
  test::FakeEntry wrong("copy", "", protocol::SourceKind::rtmp);
  wrong.input().address = "rtmp://h/news";
  const auto other = make_pull(context, wrong);
  EXPECT_THAT(wrong.failures.at(0), HasSubstr("rtmp://HOST/APP/STREAM"));
}

}  // namespace
}  // namespace headgate::bridge::rtmp

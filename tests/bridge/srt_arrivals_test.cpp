#include "dataplane/bridge/srt/arrivals.h"

#include <gtest/gtest.h>

#include "tests/bridge/fake_entry.h"

namespace headgate::bridge::srt {
namespace {

protocol::BridgeInput input_of(protocol::SourceKind kind) {
  protocol::BridgeInput input;
  input.kind = kind;
  return input;
}

class SrtArrivals : public ::testing::Test {
 protected:
  SrtArrivals() {
    publish_.on_bytes = [this](std::span<const std::uint8_t> bytes) {
      got_.append(bytes.begin(), bytes.end());
    };
  }
  void take(Arrival arrival) {
    std::vector<Arrival> batch;
    batch.push_back(std::move(arrival));
    arrivals_->take(std::move(batch));
  }
  Received bytes(ConnectionId connection, const std::string& text, bool gap = false) {
    backlog_->fetch_add(text.size());
    return {connection, gap, {text.begin(), text.end()}, backlog_};
  }
  void fall_silent() { publish_.silent = true; }

  test::FakeEntry publish_{"pub", input_of(protocol::SourceKind::publish)};
  test::FakeEntry port_{"in", input_of(protocol::SourceKind::srt_listener)};
  std::vector<ConnectionId> closed_;
  std::vector<std::string> refused_, heard_;
  std::string got_;
  std::shared_ptr<Backlog> backlog_ = std::make_shared<Backlog>(0);
  std::unique_ptr<Arrivals> arrivals_ = std::make_unique<Arrivals>(Arrivals::Out{
      [this](std::string_view channel) -> ingest::Entry* { return channel == "pub" ? &publish_ : nullptr; },
      [this](ConnectionId id, const std::string&) { closed_.push_back(id); },
      [this](const std::string& peer, const std::string&) { refused_.push_back(peer); },
      [this](const std::string& channel) { heard_.push_back(channel); }});
};

TEST_F(SrtArrivals, HandsOnWhatComesToTheEntryOfItsChannel) {
  take(Connected{1, 0, "pub", "a:1"});
  EXPECT_TRUE(publish_.attached);
  EXPECT_EQ(publish_.status().peer, "a:1");
  take(bytes(1, "one"));
  take(bytes(1, "two", true));
  EXPECT_EQ(got_, "onetwo");
  EXPECT_EQ(publish_.gaps.size(), 1U);
  EXPECT_EQ(*backlog_, 0U);
  take(Ended{1, "why"});
  EXPECT_FALSE(publish_.attached);
  EXPECT_EQ(publish_.ended, std::vector<std::string>{"why"});
  take(bytes(1, "late"));
  EXPECT_EQ(got_, "onetwo");
  EXPECT_EQ(*backlog_, 0U);
}

TEST_F(SrtArrivals, SendsAwayWhoseChannelIsGone) {
  take(Connected{1, 0, "nobody", "a:1"});
  EXPECT_EQ(closed_, std::vector<ConnectionId>{1});
}

TEST_F(SrtArrivals, RefusesASecondPublisherAndKeepsTheFirst) {
  take(Connected{1, 0, "pub", "a:1"});
  take(Connected{2, 0, "pub", "b:1"});
  EXPECT_EQ(refused_, std::vector<std::string>{"b:1"});
  EXPECT_EQ(closed_, std::vector<ConnectionId>{2});
  take(Ended{2, ""});
  take(bytes(1, "one"));
  EXPECT_TRUE(publish_.attached);
  EXPECT_EQ(got_, "one");
}

TEST_F(SrtArrivals, ASilentPublisherLosesItsPlaceAndIsNotHeardAnyMore) {
  take(Connected{1, 0, "pub", "a:1"});
  fall_silent();
  take(Connected{2, 0, "pub", "b:1"});
  EXPECT_EQ(closed_, std::vector<ConnectionId>{1});
  take(bytes(1, "old"));
  take(bytes(2, "new"));
  take(Ended{1, "another publisher took its place"});
  EXPECT_EQ(got_, "new");
  EXPECT_TRUE(publish_.attached);
  EXPECT_TRUE(publish_.ended.empty());
}

TEST_F(SrtArrivals, APublisherOfAnotherProtocolTakesTheSilentOnesPlace) {
  take(Connected{1, 0, "pub", "a:1"});
  fall_silent();
  ASSERT_TRUE(publish_.attach("rtmp", {}));
  EXPECT_EQ(closed_, std::vector<ConnectionId>{1});
  take(Ended{1, ""});
  EXPECT_TRUE(publish_.attached);
}

TEST_F(SrtArrivals, WhoIsLeavingMakesWayForTheNext) {
  take(Connected{1, 0, "pub", "a:1"});
  take(Ending{1});
  take(Connected{2, 0, "pub", "a:2"});
  EXPECT_TRUE(refused_.empty());
  EXPECT_EQ(closed_, std::vector<ConnectionId>{1});
  EXPECT_EQ(publish_.status().peer, "a:2");
}

TEST_F(SrtArrivals, AnEntryThatGoesSendsItsPublisherAwayAndIsNotTouched) {
  take(Connected{1, 0, "pub", "a:1"});
  arrivals_->release(publish_);
  EXPECT_EQ(closed_, std::vector<ConnectionId>{1});
  take(bytes(1, "late"));
  take(Ended{1, ""});
  EXPECT_TRUE(publish_.ended.empty());
  EXPECT_EQ(got_, "");
}

TEST_F(SrtArrivals, ARefusedCallerDoesNotEndTheOneThatIsIn) {
  arrivals_->add_input(7, port_);
  take(Failed{7, "its passphrase is wrong"});
  EXPECT_EQ(port_.status().error, "its passphrase is wrong");
  take(Connected{1, 7, "", "a:1"});
  EXPECT_EQ(port_.status().error, "");
  take(Failed{7, "its passphrase is wrong"});
  EXPECT_TRUE(port_.attached);
  arrivals_->remove_input(7);
  EXPECT_FALSE(port_.attached);
  take(Ended{1, "late"});
  EXPECT_EQ(port_.ended.back(), "");
}

TEST_F(SrtArrivals, APortThatOpensAtLastForgetsItsError) {
  arrivals_->add_input(7, port_);
  take(Failed{7, "can't bind: Address already in use"});
  EXPECT_EQ(port_.status().error, "can't bind: Address already in use");
  take(Listening{7});
  EXPECT_EQ(port_.status().error, "");
  EXPECT_EQ(port_.status().state, ingest::SourceState::waiting);
}

TEST_F(SrtArrivals, AddsUpWhatWasLostOverConnections) {
  take(Connected{1, 0, "pub", "a:1"});
  take(Measured{1, {{"rtt_ms", "20.0"}}, {{"srt_late", 3}}});
  take(Measured{1, {{"rtt_ms", "21.0"}}, {{"srt_late", 2}}});
  EXPECT_EQ(publish_.status().details.at("rtt_ms"), "21.0");
  EXPECT_EQ(publish_.status().drops.at("srt_late"), 5U);
}

TEST_F(SrtArrivals, NoticesPublishersOfOtherProtocolsOnly) {
  const std::vector<std::string> channels{"pub", "nobody"};
  arrivals_->look_for_others(channels);
  take(Connected{1, 0, "pub", "a:1"});
  take(bytes(1, "srt's"));
  arrivals_->look_for_others(channels);
  take(bytes(1, "srt's"));
  take(Ended{1, ""});
  arrivals_->look_for_others(channels);
  EXPECT_TRUE(heard_.empty());
  publish_.attach("rtmp", {});
  ++publish_.status().bytes;
  arrivals_->look_for_others(channels);
  EXPECT_EQ(heard_, std::vector<std::string>{"pub"});
  arrivals_->look_for_others(channels);
  EXPECT_EQ(heard_.size(), 1U);  // nothing came
}

}  // namespace
}  // namespace headgate::bridge::srt

#include "control/daemon/sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sample_model.h"

namespace headgate::control {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr std::int64_t kSecond = 1'000'000'000;

TEST(Sources, AreReadFromTheBridgesStatus) {
  const auto sources = sources_of(json::parse(R"({"sources": [
    {"number": 2, "url": "srt://far:9000", "kind": "srt_caller", "state": "receiving", "peer": "203.0.113.7:9000",
     "error": "", "since_unix_ns": 5, "connections": 3, "bytes": 1000, "packets": 5, "drops": {"out_of_sync": 7},
     "details": {"rtt_ms": 12.5, "version": "1.5"},
     "left_out": [{"kind": "text", "pid": 260, "language": "eng", "reason": "no place"}]}]})"));
  ASSERT_EQ(sources.size(), 1U);
  const SourceView& source = sources[0];
  EXPECT_EQ(source.number, 2U);
  EXPECT_EQ(source.state, "receiving");
  EXPECT_EQ(source.peer, "203.0.113.7:9000");
  EXPECT_EQ(source.since_unix_ns, 5);
  EXPECT_EQ(source.connections, 3U);
  EXPECT_EQ(source.drops.at("out_of_sync"), 7U);
  EXPECT_EQ(source.details.at("rtt_ms"), "12.5");
  EXPECT_EQ(source.details.at("version"), "1.5");
  EXPECT_EQ(source.left_out.at(0).reason, "no place");
  EXPECT_EQ(find_source(sources, 2), &sources[0]);
  EXPECT_EQ(find_source(sources, 1), nullptr);
}

TEST(Sources, TakeNothingFromAStatusOfAnotherShape) {
  for (const char* text :
       {"null", "7", "[]", R"({"sources": 7, "pushes": {}})", R"({"sources": [7], "pushes": [null]})",
        R"({"sources": [{"number": -1, "state": 5, "drops": [1], "details": 7, "left_out": {}}],
                               "pushes": [{"url": 1, "bytes": "x"}]})"}) {
    for (const SourceView& source : sources_of(json::parse(text))) {
      EXPECT_EQ(source.number, 0U) << text;
      EXPECT_EQ(source.state, "");
    }
    for (const PushView& push : pushes_of(json::parse(text))) EXPECT_EQ(push.bytes, 0U);
    EXPECT_THAT(all_sources(json::parse(text)), IsEmpty());
  }
}

TEST(Sources, LeaveControlCharactersOutOfTextsAndBoundThem) {
  json source = {{"number", 1}, {"error", "a\n\x1b[31mb" + std::string(1000, 'x')}};
  const auto read = sources_of({{"sources", json::array({source})}});
  EXPECT_EQ(read.at(0).error.find_first_of("\n\x1b"), std::string::npos);
  EXPECT_LE(read[0].error.size(), 400U);
}

class Alarms : public testing::Test {
 protected:
  Alarms() {
    config::Channel& news = model_.channels[0];
    config::Input encoder;
    encoder.number = 2;
    encoder.kind = config::InputKind::publish;
    encoder.url = "publish";
    config::Input far;
    far.number = 3;
    far.kind = config::InputKind::rtmp;
    far.url = "rtmp://far/app/s";
    news.inputs.push_back(encoder);
    news.inputs.push_back(far);
    for (const config::Input& input : news.inputs) {
      InputSnapshot seen;
      seen.channel = "news";
      seen.number = input.number;
      seen.url = input.url;
      snapshot_.inputs.push_back(seen);
    }
    ChannelSnapshot air;
    air.channel = "news";
    air.on_air = 1;
    snapshot_.channels = {air};
    sources_["news"] = {view(2, "publish", "waiting"), view(3, "rtmp", "receiving")};
  }
  static SourceView view(std::uint32_t number, const char* kind, const char* state) {
    SourceView source;
    source.number = number;
    source.kind = kind;
    source.state = state;
    return source;
  }
  config::Model model_ = sample_model();
  Snapshot snapshot_;
  Sources sources_;
};

TEST_F(Alarms, TellOfInputsThatAreUnfitOrNotReachedButNotOfAnEncoderThatIsNotThere) {
  snapshot_.inputs[1].troubles = 1;
  EXPECT_THAT(inputs_down(model_, snapshot_, sources_), IsEmpty());
  snapshot_.inputs[0].troubles = 1U | 1U << 5;
  sources_["news"][1].state = "connecting";
  sources_["news"][1].error = "connection refused";
  EXPECT_THAT(inputs_down(model_, snapshot_, sources_),
              ElementsAre(Pair("news input 1", "udp://239.10.1.1:5000: no_data, pcr"),
                          Pair("news input 3", "rtmp://far/app/s: connection refused")));
  model_.channels[0].enabled = false;
  EXPECT_THAT(inputs_down(model_, snapshot_, sources_), IsEmpty());
}

TEST_F(Alarms, TellOfAFailover) {
  EXPECT_THAT(failovers(model_, snapshot_, sources_), IsEmpty());
  snapshot_.channels[0].on_air = 3;
  snapshot_.inputs[0].troubles = 1;
  EXPECT_THAT(failovers(model_, snapshot_, sources_),
              ElementsAre(Pair("news", "on input 3: input 1: no_data")));
  snapshot_.channels[0].on_air = 0;
  EXPECT_THAT(failovers(model_, snapshot_, sources_), IsEmpty()) << "none yet";
}

TEST_F(Alarms, TellOfPushesThatFail) {
  config::Push push;
  push.kind = config::PushKind::rtmp;
  push.url = "rtmps://far/app";
  model_.channels[0].push.push_back(push);
  const auto status = [](const char* state, const char* error) {
    json made = {{"url", "rtmps://far/app"}, {"state", state}, {"error", error}};
    return json{{"channels", {{"news", {{"pushes", json::array({made})}}}}}};
  };
  EXPECT_THAT(pushes_failing(model_, status("connecting", "")), IsEmpty());
  EXPECT_THAT(pushes_failing(model_, status("waiting", "refused")),
              ElementsAre(Pair("news rtmps://far/app", "refused")));
  EXPECT_THAT(pushes_failing(model_, status("sending", "refused once")), IsEmpty());
  model_.channels[0].push.back().enabled = false;
  EXPECT_THAT(pushes_failing(model_, status("waiting", "refused")), IsEmpty());
}

TEST_F(Alarms, NameTheServiceThatLeavesWhereTheMapNamesNone) {
  snapshot_.inputs[0].services_seen = 8;
  snapshot_.inputs[0].program_number = 3401;
  model_.channels[0].inputs[0].program.reset();
  EXPECT_THAT(unset_services(model_, snapshot_), IsEmpty()) << "all leave";
  model_.channels[0].remux.provider = "Example";
  EXPECT_THAT(unset_services(model_, snapshot_),
              ElementsAre(Pair("news",
                               "8 services come by input 1 and the map names none; the lowest leaves: "
                               "service 3401")));
  model_.channels[0].inputs[0].program = std::uint16_t{3401};
  EXPECT_THAT(unset_services(model_, snapshot_), IsEmpty());
}

TEST_F(Alarms, CountUnderflowsOfInputsWithABufferOnly) {
  snapshot_.inputs[0].buffer_underflows = 3;
  snapshot_.inputs[2].buffer_underflows = 4;
  const auto counters = underflows(model_, snapshot_);
  ASSERT_EQ(counters.size(), 2U);
  EXPECT_EQ(counters[1].subject, "news input 3");
  EXPECT_EQ(counters[1].value, 4U);
  EXPECT_THAT(rates_exceeded(model_, snapshot_), IsEmpty());
  model_.channels[0].remux.bitrate = 1'000'000;
  snapshot_.channels[0].rate_dropped = 9;
  EXPECT_EQ(rates_exceeded(model_, snapshot_).at(0).value, 9U);
  EXPECT_EQ(overflows(model_, snapshot_).size(), 3U) << "a constant rate gives each input a buffer";
}

TEST_F(Alarms, NameTheMemberThatIsOverItsShareOfAMultiplex) {
  config::Multiplex multiplex;
  multiplex.id = "mux1";
  multiplex.channels = {"news", "unknown"};
  model_.multiplexes = {multiplex};
  EXPECT_THAT(shares_exceeded(model_, snapshot_), IsEmpty());
  snapshot_.channels[0].multiplex_dropped = 9;
  const auto counters = shares_exceeded(model_, snapshot_);
  ASSERT_EQ(counters.size(), 1U);
  EXPECT_EQ(counters[0].subject, "news");
  EXPECT_EQ(counters[0].value, 9U);
  EXPECT_NE(counters[0].text.find("multiplex mux1"), std::string::npos);
}

TEST(Rising, IsActiveForAMinuteAfterACounterRose) {
  Rising rising;
  const auto at = [&](std::uint64_t value, std::int64_t seconds) {
    return rising.update({{"news", "rose", value}}, seconds * kSecond).size();
  };
  EXPECT_EQ(at(5, 1), 0U) << "found so";
  EXPECT_EQ(at(6, 2), 1U);
  EXPECT_EQ(at(6, 62), 1U);
  EXPECT_EQ(at(6, 63), 0U);
  EXPECT_EQ(at(0, 64), 0U) << "a new fast path";
  EXPECT_EQ(at(1, 65), 1U);
  EXPECT_TRUE(rising.update({}, 66 * kSecond).empty());
  EXPECT_EQ(at(1, 67), 0U) << "it was forgotten";
}

}  // namespace
}  // namespace headgate::control

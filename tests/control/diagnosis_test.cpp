#include "control/diagnosis/diagnosis.h"

#include <random>

#include "diagnosis_situation.h"

namespace headgate::control {

TEST_P(Diagnoses, NamesTheCulprit) {
  const Situation& situation = GetParam();
  Scene scene;
  if (situation.before) situation.before(scene);
  GatewayView& view = scene.run(situation.trouble);
  if (situation.after) situation.after(scene);
  const bool alarmed = *situation.kind != '\0';
  if (alarmed) scene.alarm(situation.kind, situation.subject);
  const auto found = diagnose(view, "news");
  ASSERT_TRUE(found);
  const std::string page = to_json(*found).dump(1);
  EXPECT_EQ(static_cast<int>(found->culprit), static_cast<int>(situation.culprit)) << page;
  EXPECT_NE(found->verdict.find(situation.says), std::string::npos) << page;
  EXPECT_EQ(found->remedy.empty(), situation.culprit == Culprit::none) << page;
  bool bad = false;
  for (const Stage& stage : found->stages) {
    bad = bad || (stage.name == situation.stage && stage.verdict == Stage::Verdict::bad);
    if (*situation.stage == '\0') {
      EXPECT_NE(stage.verdict, Stage::Verdict::bad) << page;
    }
  }
  EXPECT_EQ(bad, *situation.stage != '\0') << page;
  ASSERT_EQ(found->alarm.has_value(), alarmed) << page;
  if (alarmed) {
    EXPECT_EQ(*found->alarm, std::pair(std::string(situation.kind), std::string(situation.subject)));
  }
}

namespace {

TEST(Diagnosis, KnowsNoChannelThatTheMapDoesNotHave) {
  Scene scene;
  EXPECT_FALSE(diagnose(scene.run(), "nwes"));
}

TEST(Diagnosis, HasAllStagesInTheOrderOfAPacketsWay) {
  Scene scene;
  const auto found = diagnose(scene.run(), "news");
  std::string names;
  for (const Stage& stage : found->stages) names += stage.name + " ";
  EXPECT_EQ(
      names,
      "map host gateway link membership arrival stream input ring bridge picture sound outputs players ");
  EXPECT_EQ(to_json(*found)["culprit"], "none");
  EXPECT_TRUE(to_json(*found)["alarm"].is_null());
}

TEST(Diagnosis, SaysWhatTheRemedyOfAnEditIs) {
  Scene scene;
  scene.edit(281, {"inputs"});
  const auto found = diagnose(scene.run(stop_news), "news");
  EXPECT_NE(found->remedy.find("headgate apply --rollback"), std::string::npos);
  EXPECT_NE(found->stages[0].evidence[0].find("changed here: inputs: old -> new"), std::string::npos);
}

TEST(Diagnosis, SaysASentenceOnceAndWhatToDoWhereNobodyListens) {
  Scene scene;
  push_fails(scene, "there is no publish..");
  const auto found = diagnose(scene.run(), "news");
  EXPECT_EQ(found->verdict.find(".."), std::string::npos) << found->verdict;
  Scene other;
  push_fails(other, "can't connect to 10.9.9.9:1935: Connection refused");
  const auto closed = diagnose(other.run(), "news");
  EXPECT_NE(closed->remedy.find("port"), std::string::npos) << closed->remedy;
  EXPECT_EQ(closed->remedy.find("stream key"), std::string::npos) << closed->remedy;
}

TEST(Diagnosis, IsDegradedWhileATrackIsGone) {
  Scene scene;
  scene.bridge_channel()["tracks"] = {{{"pid", 0x100U}, {"kind", "h264"}},
                                      {{"pid", 0x101U}, {"kind", "ac3"}, {"language", "eng"}}};
  const GatewayView& view = scene.run(
      [](Scene&, Snapshot& sample, int) { sample.inputs[0].pids[2].packets = 250 * kSceneTrouble; });
  const ChannelHealth* health = view.monitor.find("news");
  EXPECT_EQ(health->state, ChannelState::degraded);
  EXPECT_EQ(health->reason, "PID 0x0101 (ac3 eng) gone for 20 s");
  const auto found = diagnose(view, "news");
  EXPECT_EQ(found->state, "degraded");
  EXPECT_EQ(found->since_unix_ns, scene_time(kSceneTrouble));
}

TEST(Diagnosis, TakesNoCableForAQuerierThatAsksSeldom) {
  Scene scene;
  scene.from = 0;
  const auto lost = [](Scene&, Snapshot&, int) {};
  scene.run(lost);
  const std::int64_t late = scene.view.recent->networks.at({"cap0", 0}).query_late_ns;
  EXPECT_EQ(late, 50 * kSceneSecond);
  // Unplugged for 60 s, in which one query was missed.
  Trends trends;
  Snapshot sample;
  sample.epoch = 1;
  sample.interfaces.resize(1);
  sample.interfaces[0].name = "cap0";
  sample.networks.resize(1);
  sample.networks[0].interface = "cap0";
  std::uint64_t queries = 0;
  for (int second = 2; second <= 300; second += 2) {
    sample.interfaces[0].link_up = second < 201 || second > 250;
    if (second % 20 == 0 && sample.interfaces[0].link_up) {
      sample.networks[0].queries = ++queries;
      sample.networks[0].last_query_unix_ns = static_cast<std::uint64_t>(scene_time(second));
    }
    trends.update(scene.model, sample, scene_time(second));
  }
  EXPECT_EQ(trends.recent()->networks.at({"cap0", 0}).query_late_ns, late);
}

// What another process says is anything.
nlohmann::json noise(std::mt19937& random, int depth) {
  switch (random() % (depth > 3 ? 5 : 8)) {
    case 0:
      return nullptr;
    case 1:
      return random() % 2 == 0;
    case 2:
      return static_cast<std::int64_t>(random()) - 1'000'000;
    case 3:
      return std::string(random() % 900, static_cast<char>(random() % 256));
    case 4:
      return 1e300;
    case 5: {
      nlohmann::json list = nlohmann::json::array();
      for (auto n = random() % 4; n > 0; --n) list.push_back(noise(random, depth + 1));
      return list;
    }
    default: {
      nlohmann::json object = nlohmann::json::object();
      for (const char* name :
           {"channels",      "news",     "sources",  "pushes",  "watch",   "findings", "tracks", "drops",
            "problem",       "hls",      "number",   "state",   "error",   "kind",     "pid",    "url",
            "since_unix_ns", "verdict",  "jobs",     "name",    "channel", "text",     "track",  "details",
            "peer",          "language", "left_out", "outputs", "sessions"}) {
        if (random() % 3 == 0) object[name] = noise(random, depth + 1);
      }
      return object;
    }
  }
}

void shake(std::mt19937& random, Scene& scene, Snapshot& sample) {
  const auto number = [&]() -> std::uint64_t {
    switch (random() % 4) {
      case 0:
        return 0;
      case 1:
        return random() % 100;
      case 2:
        return static_cast<std::uint64_t>(kSceneStart) + random();
      default:
        return ~std::uint64_t{0} - random() % 3;
    }
  };
  for (InputSnapshot& input : sample.inputs) {
    for (auto member : {&InputSnapshot::ts_packets, &InputSnapshot::cc_errors, &InputSnapshot::rtp_lost,
                        &InputSnapshot::scrambled, &InputSnapshot::last_packet_unix_ns,
                        &InputSnapshot::joined_unix_ns, &InputSnapshot::bitrate_bps,
                        &InputSnapshot::pcr_count, &InputSnapshot::service_state, &InputSnapshot::troubles}) {
      if (random() % 4 == 0) input.*member = number();
    }
    for (std::uint64_t& drop : input.drops) {
      if (random() % 8 == 0) drop = number();
    }
    if (random() % 4 == 0) input.pids.clear();
    if (random() % 8 == 0) input.number = static_cast<std::uint32_t>(number());
    if (random() % 8 == 0) input.channel = "other";
  }
  if (random() % 4 == 0) sample.inputs.pop_back();
  if (random() % 4 == 0) sample.interfaces.clear();
  if (random() % 4 == 0) sample.networks.clear();
  if (random() % 8 == 0) sample.epoch = number();
  if (random() % 8 == 0) sample.heartbeat_unix_ns = number();
  for (NetworkSnapshot& network : sample.networks) {
    if (random() % 3 == 0) network.last_query_unix_ns = number();
    if (random() % 3 == 0) network.queries = number();
  }
  for (ChannelSnapshot& air : sample.channels) {
    if (random() % 2 == 0) air.on_air = number();
    if (random() % 2 == 0) air.forced = number();
    if (random() % 3 == 0) air.switched_unix_ns = number();
  }
  static_cast<void>(scene);
}

TEST(Diagnosis, OfAnythingHasOneCulpritAndBoundedText) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    Scene scene;
    if (random() % 2 == 0) scene.add_backup();
    if (random() % 3 == 0) scene.by_bridge(static_cast<config::InputKind>(random() % 8), "any://where");
    if (random() % 2 == 0) serve_hls(scene);
    if (random() % 2 == 0) scene.channel().push = {multicast_push(), rtmp_push()};
    if (random() % 8 == 0) scene.channel().inputs.clear();
    if (random() % 2 == 0) scene.edit(280, {"inputs"});
    if (random() % 3 == 0) starve(scene);
    if (random() % 4 == 0) scene.view.applied.reset();
    if (random() % 4 == 0) scene.view.processes.clear();
    scene.view.bridge_status = noise(random, 0);
    scene.view.transcode_status = noise(random, 0);
    const bool clear = scene.channel().inputs.empty();
    GatewayView& view = scene.run([&](Scene& of, Snapshot& sample, int) { shake(random, of, sample); });
    const auto found = diagnose(view, "news");
    ASSERT_TRUE(found);
    EXPECT_LE(static_cast<int>(found->culprit), static_cast<int>(Culprit::unknown));
    EXPECT_FALSE(found->verdict.empty()) << seed;
    EXPECT_LT(found->verdict.size(), 1500U) << seed;
    EXPECT_LT(found->remedy.size(), 1500U) << seed;
    EXPECT_EQ(found->remedy.empty(), found->culprit == Culprit::none) << seed << found->verdict;
    for (const Stage& stage : found->stages) {
      EXPECT_LT(stage.evidence.size(), 60U) << seed << stage.name;
      for (const std::string& line : stage.evidence) EXPECT_LT(line.size(), 500U) << seed;
    }
    static_cast<void>(clear);
    static_cast<void>(to_json(*found).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    Alarm alarm;
    alarm.kind = "channel_down";
    alarm.subject = "news";
    static_cast<void>(cause_of(view, alarm, {alarm}));
  }
}

}  // namespace
}  // namespace headgate::control

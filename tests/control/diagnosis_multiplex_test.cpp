// Why a multiplex is as it is.
#include "diagnosis_situation.h"

namespace headgate::control {
namespace {

// news, sport and film in one; the fast path sends it.
Scene bouquet() {
  Scene scene;
  config::Multiplex multiplex;
  multiplex.id = "mux1";
  multiplex.bitrate = 20'000'000;
  multiplex.channels = {"news", "sport", "film"};
  multiplex.push = {multicast_push()};
  scene.model.multiplexes = {multiplex};
  return scene;
}

Scene::Trouble sends(Scene::Trouble with = {}, std::uint64_t dropped = 0) {
  return [with, dropped](Scene& scene, Snapshot& sample, int second) {
    ChannelSnapshot air;
    air.channel = "mux1";
    air.members_bps = 12'000'000;
    air.rate_dropped = second > 292 ? dropped : 0;
    sample.channels.push_back(air);
    if (with) with(scene, sample, second);
  };
}

Diagnosis of(Scene& scene, const Scene::Trouble& trouble) { return *diagnose(scene.run(trouble), "mux1"); }

TEST(DiagnosesAMultiplex, InOrder) {
  Scene scene = bouquet();
  const Diagnosis found = of(scene, sends());
  EXPECT_EQ(found.culprit, Culprit::none);
  EXPECT_EQ(found.state, "ok");
  EXPECT_EQ(found.verdict, "All its 3 channels come.");
  std::string names;
  for (const Stage& stage : found.stages) names += stage.name + " ";
  EXPECT_EQ(names, "host gateway channels rate outputs ");
}

TEST(DiagnosesAMultiplex, ByTheCulpritOfTheChannelThatIsMissing) {
  Scene scene = bouquet();
  const Diagnosis found = of(scene, sends(stop_news));
  EXPECT_EQ(found.state, "degraded");
  EXPECT_EQ(found.culprit, Culprit::source);
  EXPECT_NE(found.verdict.find("1 of 3 channels missing. news: The source 10.1.1.7 stopped sending"),
            std::string::npos)
      << found.verdict;
  EXPECT_FALSE(found.remedy.empty());
}

TEST(DiagnosesAMultiplex, WithoutAnyChannelIsDown) {
  Scene scene = bouquet();
  const Diagnosis found = of(scene, sends([](Scene& each, Snapshot& sample, int) { each.stop_all(sample); }));
  EXPECT_EQ(found.state, "down");
  EXPECT_EQ(found.culprit, Culprit::network);
  EXPECT_NE(found.verdict.find("3 of 3 channels missing"), std::string::npos) << found.verdict;
}

TEST(DiagnosesAMultiplex, ThatIsTooSmall) {
  Scene scene = bouquet();
  scene.alarm("multiplex_exceeded", "sport");
  const Diagnosis found = of(scene, sends({}, 77));
  EXPECT_EQ(found.state, "degraded");
  EXPECT_EQ(found.culprit, Culprit::map);
  EXPECT_NE(found.verdict.find("77 packets dropped, of those over their share: sport"), std::string::npos)
      << found.verdict;
  EXPECT_EQ(found.alarm, std::pair(std::string("multiplex_exceeded"), std::string("sport")));
}

TEST(DiagnosesAMultiplex, ThatComesDamaged) {
  Scene scene = bouquet();
  const Diagnosis found =
      of(scene,
         sends([](Scene&, Snapshot& sample, int second) { Scene::cc_errors(sample, second, "film", 20); }));
  EXPECT_EQ(found.state, "ok");
  EXPECT_EQ(found.culprit, Culprit::source);
  EXPECT_NE(found.verdict.find("film comes damaged: "), std::string::npos) << found.verdict;
}

TEST(DiagnosesAMultiplex, WhoseChannelsAreAllDisabled) {
  Scene scene = bouquet();
  for (const char* id : {"news", "sport", "film"}) scene.channel(id).enabled = false;
  const Diagnosis found = of(scene, sends());
  EXPECT_EQ(found.state, "down");
  EXPECT_EQ(found.culprit, Culprit::map);
}

TEST(DiagnosesAMultiplex, ThatTheFastPathDoesNotSend) {
  Scene scene = bouquet();
  scene.run();
  scene.view.snapshot.epoch = 0;
  const auto found = diagnose(scene.view, "mux1");
  EXPECT_EQ(found->state, "down");
  EXPECT_EQ(found->culprit, Culprit::gateway);
}

}  // namespace
}  // namespace headgate::control

// What a silent querier explains, and what not.
#include "diagnosis_situation.h"

namespace headgate::control {
namespace {

std::vector<Situation> membership_situations() {
  std::vector<Situation> all;
  const auto add = [&](Situation situation) { all.push_back(std::move(situation)); };
  add({"QuerierSilentAllGone",
       {},
       [](Scene& scene, Snapshot& sample, int) {
         scene.stop_all(sample);
         last_query(sample, 240);
       },
       Culprit::network,
       "membership",
       "querier of cap0 fell silent 60 s ago, and 5 inputs stopped",
       "no_querier",
       "cap0"});
  add({"QuerierSilentSomeGone",
       {},
       [](Scene& scene, Snapshot& sample, int) {
         scene.stop(sample);
         scene.stop(sample, "film");
         last_query(sample, 240);
       },
       Culprit::network,
       "membership",
       "and 2 inputs stopped",
       "no_querier",
       "cap0"});
  add({"QuerierSilentNothingGoneYet",
       {},
       [](Scene&, Snapshot& sample, int) { last_query(sample, 240); },
       Culprit::network,
       "membership",
       "will stop forwarding",
       "no_querier",
       "cap0"});
  add({"QuerierSilentAndGapsInAll",
       {},
       [](Scene&, Snapshot& sample, int second) {
         last_query(sample, 240);
         for (const char* id : {"news", "film", "kids"}) Scene::cc_errors(sample, second, id);
       },
       Culprit::network,
       "membership",
       "forgets who wants them",
       "no_querier",
       "cap0"});
  add({"QuerierSilentAndOneIsBackBeforeTheOthers",
       {},
       [](Scene& scene, Snapshot& sample, int second) {
         for (const char* id : {"sport", "film", "kids", "docu"}) scene.stop(sample, id);
         last_query(sample, 240);
         Scene::cc_errors(sample, second);
       },
       Culprit::network,
       "membership",
       "forgets who wants them",
       "no_querier",
       "cap0"});
  add({"QuerierSilentAndGapsInOneAlone",
       {},
       [](Scene&, Snapshot& sample, int second) {
         last_query(sample, 240);
         Scene::cc_errors(sample, second);
       },
       Culprit::source,
       "stream",
       "none on most of the 4 others",
       "cc_errors",
       "news"});
  add({"QuerierSilentButOnlyOneGone",
       {},
       [](Scene& scene, Snapshot& sample, int) {
         scene.stop(sample);
         last_query(sample, 240);
       },
       Culprit::source,
       "arrival",
       "stopped sending",
       "channel_down",
       "news"});
  const auto without = [](int from) {
    return [from](Scene& scene) {
      scene.from = from;
      scene.querier = false;
    };
  };
  const Scene::Trouble all_stop = [](Scene& scene, Snapshot& sample, int) { scene.stop_all(sample); };
  // Longer than a switch remembers without being asked: 280 s.
  add({"NoQuerierEverAndAllGoneLongAfter", without(0), all_stop, Culprit::network, "arrival",
       "All 5 inputs on cap0 stopped together", "channel_down", "news"});
  add({"NoQuerierEverAndAllGoneInTime", without(100), all_stop, Culprit::network, "membership",
       "No IGMP querier was ever heard on cap0 (8 min), and 5 inputs stopped", "no_querier", "cap0"});
  add({"NoQuerierAndInputsCameOnForLonger",
       without(0),
       {},
       Culprit::network,
       "membership",
       "it explains no loss here",
       "no_querier",
       "cap0"});
  add({"QuerierSilentAfterTheInputWas",
       {},
       [](Scene& scene, Snapshot& sample, int) {
         scene.stop(sample, "news", 1, 210);
         for (const char* id : {"film", "kids"}) scene.stop(sample, id);
         last_query(sample, 240);
       },
       Culprit::source,
       "arrival",
       "stopped sending 90 s ago",
       "channel_down",
       "news"});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Membership, Diagnoses, ::testing::ValuesIn(membership_situations()), name_of);

}  // namespace
}  // namespace headgate::control

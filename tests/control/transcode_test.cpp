#include "control/daemon/transcode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/control/sample_model.h"

namespace headgate::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

nlohmann::json one_job(const char* state, const char* deaths, const char* last_error = "") {
  return {{"jobs",
           {{{"name", "sound.tv"},
             {"kind", "sound"},
             {"channel", "tv"},
             {"state", state},
             {"cpu_seconds", 1.5},
             {"deaths", nlohmann::json::parse(deaths)},
             {"last_error", last_error}}}}};
}

TEST(TranscodeJobs, AreReadAndWhatIsNotAsItShouldBeIsLeftOut) {
  const auto jobs = transcode_jobs(one_job("running", R"({"crashed": 2, "cpu": "x", "other": 1})"));
  ASSERT_EQ(jobs.size(), 1U);
  EXPECT_EQ(jobs[0].channel, "tv");
  EXPECT_EQ(jobs[0].cpu_seconds, 1.5);
  EXPECT_THAT(jobs[0].deaths, ElementsAre(Pair("crashed", 2U)));
  EXPECT_THAT(transcode_jobs(one_job("dancing", "{}")), IsEmpty());
  for (const char* text : {"null", "[]", R"({"jobs": 1})", R"({"jobs": [1, {}, {"name": 3}]})"})
    EXPECT_THAT(transcode_jobs(nlohmann::json::parse(text)), IsEmpty()) << text;
}

TEST(TranscodeAlarms, AJobThatPausesAfterADeathFailsOneThatBeginsDoesNot) {
  EXPECT_THAT(transcode_failing(one_job("running", R"({"crashed": 2})")), IsEmpty());
  EXPECT_THAT(transcode_failing(one_job("backing_off", R"({"crashed": 0})")), IsEmpty());
  EXPECT_THAT(transcode_failing(one_job("backing_off", R"({"crashed": 2})", "killed by SIGSEGV")),
              ElementsAre(Pair("sound.tv",
                               "its worker died and is started again after a pause, the last time: killed by "
                               "SIGSEGV (2 deaths); no AAC and no sound levels meanwhile")));
}

TEST(TranscodeAlarms, QuarantineSaysWhatFollows) {
  EXPECT_THAT(transcode_quarantined(one_job("backing_off", R"({"hung": 1})")), IsEmpty());
  EXPECT_THAT(
      transcode_quarantined(one_job("quarantined", R"({"hung": 1, "crashed": 2})")),
      ElementsAre(Pair("sound.tv",
                       "its worker died too often; one new try follows after 10 minutes (3 deaths); no "
                       "AAC and no sound levels meanwhile")));
}

TEST(TranscodeAlarms, QuarantineThatATranscodeProcessBeforeThisOneSawIsTold) {
  EXPECT_THAT(transcode_quarantined(one_job("quarantined", "{}", "killed by SIGSEGV")),
              ElementsAre(Pair("sound.tv",
                               "its worker died too often; one new try follows after 10 minutes, the last "
                               "time: killed by SIGSEGV; no AAC and no sound levels meanwhile")));
}

TEST(WithoutTranscode, WhatTheMapAsksForAndNobodyDoesIsNamed) {
  config::Model model = sample_model();  // one with HLS, one relayed only, a disabled one
  EXPECT_EQ(missing_without_transcode(model),
            "no AAC beside other sound (1 channel); no thumbnails, and nobody watches pictures and sound (1 "
            "channel)");
  model.channels[0].hls.reset();
  EXPECT_EQ(missing_without_transcode(model), "") << "nothing but multicast: nothing is missing";
  config::Channel& relayed = model.channels[1];
  relayed.watch.pictures = relayed.watch.sound = config::Watching::never;
  relayed.inputs.push_back(relayed.inputs[0]);
  relayed.failover.when.push_back(config::Trouble::black);
  EXPECT_EQ(missing_without_transcode(model), "no failover for frozen, black or silence (1 channel)");
  model.renditions = {{"abr", {{"news", false, 0, 0, 0}, {"news", true, 0, 360, 800'000}}}};
  EXPECT_EQ(missing_without_transcode(model),
            "no failover for frozen, black or silence (1 channel); no derived renditions (1 member)");
}

TEST(TranscodeAlarms, PicturesThatCanNotBeMadeFastEnoughFail) {
  const auto status = [](const char* trouble) {
    return nlohmann::json::parse(
        std::string(R"({"renditions": {"abr": {"members": [{"channel": "tv", "part": ""},)") +
        R"({"channel": "tv", "part": "abr-360p-1", "trouble": ")" + trouble + R"("}]}}})");
  };
  EXPECT_THAT(renditions_failing(status("")), IsEmpty());
  EXPECT_THAT(renditions_failing(status("too slow")),
              ElementsAre(Pair("abr abr-360p-1", "made of tv: too slow; players have its other members")));
  for (const char* text :
       {"null", R"({"renditions": [1]})", R"({"renditions": {"a": {"members": [1, {}]}}})"})
    EXPECT_THAT(renditions_failing(nlohmann::json::parse(text)), IsEmpty()) << text;
}

}  // namespace
}  // namespace headgate::control

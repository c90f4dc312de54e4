// What is wrong with the stream, and which input is on air.
#include "diagnosis_situation.h"

namespace headgate::control {
namespace {

std::vector<Situation> stream_situations() {
  std::vector<Situation> all;
  const auto add = [&](Situation situation) { all.push_back(std::move(situation)); };
  // The stream.
  add({"LossesOnOneAlone",
       {},
       damaged({"news"}),
       Culprit::source,
       "stream",
       "none on most of the 4 others",
       "cc_errors",
       "news"});
  add({"LossesOnAll",
       {},
       damaged({"news", "sport", "film", "kids", "docu"}),
       Culprit::network,
       "stream",
       "errors on 5 of the 5 inputs on cap0",
       "cc_errors",
       "news"});
  const auto two = [](Scene& scene) { scene.model.channels.resize(2); };
  add({"LossesOnBothOfTwo", two, damaged({"news", "sport"}), Culprit::network, "stream",
       "errors on 2 of the 2 inputs on cap0", "cc_errors", "news"});
  add({"LossesOnOneOfTwo", two, damaged({"news"}), Culprit::source, "stream", "none on the other one",
       "cc_errors", "news"});
  const auto unlike = [](int own, int other) -> Scene::Trouble {
    return [=](Scene&, Snapshot& sample, int second) {
      Scene::cc_errors(sample, second, "news", own);
      Scene::cc_errors(sample, second, "sport", other);
    };
  };
  add({"FewLossesBesideManyOfTwo", two, unlike(1, 100), Culprit::unknown, "stream", "not in like numbers",
       "cc_errors", "news"});
  add({"ManyLossesBesideFewOfTwo", two, unlike(100, 1), Culprit::unknown, "stream", "not in like numbers",
       "cc_errors", "news"});
  add({"RestartsOfBothSendersOfTwo", two,
       [](Scene&, Snapshot& sample, int second) {
         if (second < 292) return;
         sample.inputs[0].cc_errors = sample.inputs[1].cc_errors = 3;
       },
       Culprit::unknown, "stream", "3 CC errors", "cc_errors", "news"});
  add({"ManyLossesBesideFewOnAll",
       {},
       [](Scene&, Snapshot& sample, int second) {
         for (const char* id : {"sport", "film", "kids"}) Scene::cc_errors(sample, second, id, 1);
         Scene::cc_errors(sample, second, "news", 100);
       },
       Culprit::unknown,
       "stream",
       "on 3 of the 4 other inputs",
       "cc_errors",
       "news"});
  add({"LossesOfOnePid", [](Scene& scene) { scene.bridge_channel()["pmt_pid"] = 0x1000U; },
       [](Scene&, Snapshot& sample, int second) {
         Scene::cc_errors(sample, second, "news", 12);
         sample.inputs[0].pids.push_back({0x1000, false, false, 1, 0, 0, 0});
         sample.inputs[0].pids[1].cc_errors = static_cast<std::uint64_t>(second - kSceneTrouble);
         sample.inputs[0].pids[3].cc_errors = static_cast<std::uint64_t>(11 * (second - kSceneTrouble));
       },
       Culprit::source, "stream", "120 CC errors, 110 of them on PID 0x1000 (PMT), in the last 10 s",
       "cc_errors", "news"});
  add({"LossesAlone", [](Scene& scene) { scene.model.channels.resize(1); }, damaged({"news"}),
       Culprit::unknown, "stream", "nothing tells the source from the network", "cc_errors", "news"});
  const auto rtp = [](Scene& scene) { scene.channel().inputs[0].protocol = config::DatagramProtocol::rtp; };
  add({"RtpLosses", rtp,
       [](Scene&, Snapshot& sample, int second) {
         Scene::cc_errors(sample, second);
         sample.inputs[0].rtp_lost = static_cast<std::uint64_t>(second - kSceneTrouble);
       },
       Culprit::network, "stream", "missing by their RTP numbers", "cc_errors", "news"});
  add({"LossesBeforeRtp", rtp, damaged({"news"}), Culprit::source, "stream", "no RTP number is missing",
       "cc_errors", "news"});
  add({"SrtLosses",
       [](Scene& scene) {
         scene.by_bridge(Kind::srt_caller, "srt://far:9000");
         scene.source("receiving", "", "203.0.113.7:9000");
         scene.bridge_channel()["sources"][0]["drops"] = {{"srt_late", 20U}};
       },
       damaged({"news"}), Culprit::network, "stream", "no repetition mended", "cc_errors", "news"});
  add({"LossesBeforeTcp",
       [](Scene& scene) {
         scene.by_bridge(Kind::http_ts, "http://far/x.ts");
         scene.source("receiving", "", "203.0.113.7:80");
       },
       damaged({"news"}), Culprit::source, "stream", "loses nothing", "cc_errors", "news"});
  const auto rising = [](auto member) -> Scene::Trouble {
    return [member](Scene&, Snapshot& sample, int second) {
      sample.inputs[0].*member = static_cast<std::uint64_t>(2000 * (second - kSceneTrouble));
    };
  };
  add({"TransportErrors",
       {},
       rising(&InputSnapshot::transport_errors),
       Culprit::source,
       "stream",
       "(TEI)",
       "transport_errors",
       "news"});
  add({"WithoutSyncByte",
       {},
       rising(&InputSnapshot::sync_errors),
       Culprit::source,
       "stream",
       "without sync byte",
       "no_sync",
       "news"});
  add({"ScrambledAmongStuffing",
       {},
       [](Scene&, Snapshot& sample, int second) {
         const auto since = static_cast<std::uint64_t>(second - kSceneTrouble);
         sample.inputs[0].scrambled = 1000 * since;
         sample.inputs[0].null_packets = 1600 * since;
       },
       Culprit::source,
       "stream",
       "comes scrambled",
       "scrambled",
       "news"});
  add({"Scrambled",
       {},
       rising(&InputSnapshot::scrambled),
       Culprit::source,
       "stream",
       "comes scrambled",
       "scrambled",
       "news"});
  add({"ProgramWentAway",
       [](Scene& scene) { scene.channel().inputs[0].program = config::Program(std::uint16_t{7}); },
       [](Scene&, Snapshot& sample, int) { sample.inputs[0].service_state = 2; }, Culprit::map, "stream",
       "never had the program", "program_missing", "news"});
  const auto breaks = [](std::initializer_list<mpegts::Indicator> indicators,
                         std::uint64_t most = 1000) -> Scene::Trouble {
    return [indicators = std::vector(indicators), most](Scene&, Snapshot& sample, int second) {
      const auto count = std::min(most, static_cast<std::uint64_t>(second - kSceneTrouble));
      for (const mpegts::Indicator indicator : indicators)
        sample.inputs[0].tr101290.errors[indicator] = count;
    };
  };
  const auto untroubled = [](const char* name, Scene::Trouble trouble,
                             std::function<void(Scene&)> before = {}) {
    return Situation{
        name, std::move(before), std::move(trouble), Culprit::none, "", "Nothing has been wrong", "", ""};
  };
  using mpegts::Indicator;
  for (const mpegts::IndicatorInfo& info : mpegts::kIndicators) {
    const bool loss =
        info.indicator == Indicator::ts_sync_loss || info.indicator == Indicator::sync_byte_error ||
        info.indicator == Indicator::continuity_count_error || info.indicator == Indicator::transport_error;
    if (info.priority > 2 || loss) {
      add(untroubled(info.label.data(), breaks({info.indicator})));
      continue;
    }
    add({info.label.data(),
         {},
         breaks({info.indicator}),
         Culprit::source,
         "stream",
         info.name.data(),
         "",
         ""});
  }
  add(untroubled("TwoMissingPtsBlameNobody", breaks({Indicator::pts_error}, 2)));
  add(untroubled("IndicatorsOfLossesBlameNobody",
                 breaks({Indicator::continuity_count_error, Indicator::pts_error, Indicator::pat_error})));
  add(untroubled("IndicatorsOfAPause", [](Scene& scene, Snapshot& sample, int second) {
    if (second < 286) return scene.stop(sample);
    sample.inputs[0].tr101290.errors[Indicator::pts_error] = 7;
  }));
  add(untroubled("TablesThatTheBridgeMakes", breaks({Indicator::pat_error, Indicator::pcr_repetition_error}),
                 [](Scene& scene) {
                   scene.by_bridge(Kind::rtmp, "rtmp://far/live/x");
                   scene.source("receiving", "", "203.0.113.7:1935");
                 }));
  add({"PtsOfAnEncoder",
       [](Scene& scene) {
         scene.by_bridge(Kind::publish, "publish");
         scene.source("receiving", "", "203.0.113.7:1935");
       },
       breaks({Indicator::pts_error}), Culprit::encoder, "stream", "PTS_error", "", ""});
  add({"ProgramOfAnotherMap",
       [](Scene& scene) { scene.channel().inputs[0].program = config::Program(std::uint16_t{6}); },
       [](Scene& scene, Snapshot& sample, int second) {
         scene.channel().inputs[0].program = config::Program(std::uint16_t{7});
         sample.inputs[0].service_state = second < 284 ? 4 : 2;
         sample.inputs[0].services = {{6, 4'000'000}, {9, 4'000'000}};
       },
       Culprit::map, "stream", "never had the program that the map wants; it has 6, 9", "program_missing",
       "news"});
  add({"NoPmt",
       {},
       [](Scene&, Snapshot& sample, int) { sample.inputs[0].service_state = 3; },
       Culprit::source,
       "stream",
       "without a PMT",
       "program_missing",
       "news"});
  add({"NoPcr",
       {},
       [](Scene&, Snapshot& sample, int) { sample.inputs[0].pcr_count = 25 * kSceneTrouble; },
       Culprit::source,
       "stream",
       "no PCR",
       "pcr",
       "news"});
  const Scene::Trouble pid_stops = [](Scene&, Snapshot& sample, int) {
    sample.inputs[0].pids[2].packets = 250 * kSceneTrouble;
  };
  add({"PidLost",
       [](Scene& scene) {
         scene.bridge_channel()["tracks"] = {{{"pid", 0x100U}, {"kind", "h264"}},
                                             {{"pid", 0x101U}, {"kind", "ac3"}, {"language", "eng"}}};
       },
       pid_stops, Culprit::source, "stream", "PID 0x0101 (ac3 eng) stopped 20 s ago", "pid_lost",
       "news pid 0x0101"});
  add({"PidThatThePmtDropped",
       [](Scene& scene) {
         scene.bridge_channel()["tracks"] = {{{"pid", 0x100U}, {"kind", "h264"}}};
       },
       pid_stops, Culprit::none, "", "Nothing has been wrong", "", ""});
  const Scene::Trouble half = [](Scene&, Snapshot& sample, int second) {
    sample.inputs[0].ts_packets =
        static_cast<std::uint64_t>(2660 * kSceneTrouble + 1300 * (second - kSceneTrouble));
    sample.inputs[0].bitrate_bps = 1'955'000;
  };
  add({"BitrateHalved",
       {},
       half,
       Culprit::source,
       "stream",
       "brings 1.96 Mb/s instead of its usual",
       "bitrate",
       "news"});
  const auto range = [](std::uint64_t min, std::uint64_t max) {
    return [=](Scene& scene) { scene.channel().alarms.bitrate = config::RateRange{min, max}; };
  };
  add({"BitrateHalvedAsTheMapAllows", range(1'500'000, 5'000'000), half, Culprit::none, "",
       "Nothing has been wrong", "", ""});
  add({"BitrateBelowWhatTheMapNames", range(3'900'000, 5'000'000),
       [](Scene&, Snapshot& sample, int) { sample.inputs[0].bitrate_bps = 3'000'000; }, Culprit::source,
       "stream", "brings 3.00 Mb/s, below alarms.bitrate (3.90 Mb/s to 5.00 Mb/s)", "bitrate", "news"});
  add({"BitrateBelowForASecond", range(3'900'000, 5'000'000),
       [](Scene&, Snapshot& sample, int second) {
         if (second == kSceneEnd) sample.inputs[0].bitrate_bps = 0;
       },
       Culprit::none, "", "Nothing has been wrong", "", ""});
  add({"BitrateAboveWhatTheMapNames",
       range(1'000'000, 3'000'000),
       {},
       Culprit::source,
       "stream",
       "above alarms.bitrate",
       "bitrate",
       "news"});
  add({"BitrateHalvedByLosses",
       {},
       [half](Scene& scene, Snapshot& sample, int second) {
         half(scene, sample, second);
         for (const char* id : {"news", "sport", "film"}) Scene::cc_errors(sample, second, id);
       },
       Culprit::network,
       "stream",
       "the network loses packets",
       "cc_errors",
       "news"});
  // The choice of the input.
  add({"OnBackup", [](Scene& scene) { scene.add_backup(); }, backup_on_air(stop_news), Culprit::source,
       "arrival", "The source 10.1.1.7 stopped sending", "input_down", "news input 1"});
  add({"OnBackupForTables", [](Scene& scene) { scene.add_backup(); },
       backup_on_air([](Scene&, Snapshot& sample, int) { sample.inputs[0].troubles = 1U << 4; }),
       Culprit::source, "input", "Input 1 is unfit (pmt), so input 2 is on air", "input_down",
       "news input 1"});
  add({"OnBackupPreferredGoodAgain", [](Scene& scene) { scene.add_backup(); }, backup_on_air(), Culprit::none,
       "", "the preferred one is good again", "", ""});
  add({"Forced", [](Scene& scene) { scene.add_backup(); },
       backup_on_air([](Scene&, Snapshot& sample, int) { sample.channels[0].forced = 2; }), Culprit::map,
       "input", "forced by hand", "failover_active", "news"});
  add({"OnBackupForLink", [](Scene& scene) { scene.add_backup(); },
       backup_on_air([](Scene& scene, Snapshot& sample, int) {
         scene.stop_all(sample);
         sample.interfaces[0].link_up = false;
       }),
       Culprit::network, "link", "no link", "link_down", "cap0"});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Stream, Diagnoses, ::testing::ValuesIn(stream_situations()), name_of);

}  // namespace
}  // namespace headgate::control

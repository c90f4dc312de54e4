// Ring and bridge, pictures and sound, the host, outputs and players.
#include "diagnosis_situation.h"

namespace headgate::control {
namespace {

std::vector<Situation> output_situations() {
  std::vector<Situation> all;
  const auto add = [&](Situation situation) { all.push_back(std::move(situation)); };
  // Ring and bridge.
  const Scene::Trouble ring_full = [](Scene&, Snapshot& sample, int second) {
    Scene::drop(sample, DropReason::ring_full, second);
  };
  add({"RingFull", serve_hls, ring_full, Culprit::gateway, "ring", "The bridge does not keep up", "", ""});
  add({"RingFullForWantOfCpu",
       [](Scene& scene) {
         serve_hls(scene);
         starve(scene);
       },
       ring_full, Culprit::host, "ring", "short of CPU", "host_overload", ""});
  add({"BridgeSilent",
       [](Scene& scene) {
         serve_hls(scene);
         scene.view.processes[2].answers = false;
       },
       ring_full, Culprit::gateway, "bridge", "The bridge does not answer", "process_silent", "bridge"});
  add({"PlayersGetNothing",
       [](Scene& scene) {
         serve_hls(scene);
         scene.bridge_channel()["problem"] = "HLS has no segment: the service has no video";
       },
       {},
       Culprit::source,
       "bridge",
       "players get nothing",
       "players_get_nothing",
       "news"});
  add({"DiskFullUnderHls",
       [](Scene& scene) {
         serve_hls(scene);
         scene.bridge_channel()["problem"] = "HLS can't write its segments: No space left on device";
       },
       {},
       Culprit::host,
       "outputs",
       "No space left",
       "disk_full",
       "run_dir"});
  // Picture and sound.
  add({"Black",
       [](Scene& scene) { finding(scene, "black"); },
       {},
       Culprit::source,
       "picture",
       "black for 10 s",
       "picture_black",
       "news"});
  add({"Silence",
       [](Scene& scene) { finding(scene, "silent"); },
       {},
       Culprit::source,
       "sound",
       "silent for 10 s",
       "sound_silent",
       "news"});
  add({"TooLoud",
       [](Scene& scene) { finding(scene, "loud", 0x101); },
       {},
       Culprit::source,
       "sound",
       "loud 0x0101",
       "sound_loudness",
       "news pid 0x0101"});
  add({"PublishedBlack",
       [](Scene& scene) {
         scene.by_bridge(Kind::publish, "publish");
         finding(scene, "black");
         scene.source("receiving", "", "203.0.113.7:1935");
       },
       {},
       Culprit::encoder,
       "picture",
       "black",
       "picture_black",
       "news"});
  add({"WorkerInQuarantine",
       [](Scene& scene) {
         finding(scene, "unwatched_sound");
         scene.view.transcode_status =
             nlohmann::json::parse(R"({"jobs": [{"name": "sound.news", "kind": "sound",
           "channel": "news", "state": "quarantined", "last_error": "crashed", "deaths": {"crashed": 3}}]})");
       },
       {},
       Culprit::source,
       "sound",
       "what comes in breaks it (crashed)",
       "transcode_quarantined",
       "sound.news"});
  // The host.
  add({"Overloaded", starve, {}, Culprit::host, "host", "too much to do", "host_overload", ""});
  add({"DiskFull",
       [](Scene& scene) {
         scene.view.host.conditions = {
             {"disk_full", "data_dir", "data_dir (/var/lib/headgate) has 1 MB left", 0}};
       },
       {},
       Culprit::host,
       "host",
       "nearly full",
       "disk_full",
       "data_dir"});
  add({"ClockStepped",
       [](Scene& scene) {
         scene.view.host.conditions = {
             {"clock_stepped", "", "the system's clock was set ahead by 3600.0 s", 0}};
       },
       {},
       Culprit::none,
       "",
       "Nothing has been wrong",
       "",
       ""});
  add({"OverloadExplainsNoLossesUpstream", starve, damaged({"news"}), Culprit::source, "stream",
       "none on most of the 4 others", "cc_errors", "news"});
  // Outputs and players.
  add({"PushRefused",
       [](Scene& scene) { push_fails(scene, "NetStream.Publish.BadName: in use"); },
       {},
       Culprit::target,
       "outputs",
       "does not take the push: NetStream.Publish.BadName",
       "push_failing",
       "news rtmp://live.example.com/app"});
  const auto push_says = [&](const char* name, const char* error, Culprit culprit, const char* says) {
    add({name,
         [=](Scene& scene) { push_fails(scene, error); },
         {},
         culprit,
         "outputs",
         says,
         "push_failing",
         "news rtmp://live.example.com/app"});
  };
  push_says("PushNameUnknown", "can't resolve live.example.com: Host not found (authoritative)",
            Culprit::network, "rtmp://live.example.com/app can't be looked up: can't resolve");
  push_says("PushPortClosed", "can't connect to 10.9.9.9:1935: Connection refused", Culprit::target,
            "has nobody who listens there");
  push_says("PushSaysASentence", "the server refused: there is no publish..", Culprit::target,
            "there is no publish.");
  add({"AllPushesFail",
       [](Scene& scene) {
         for (const char* id : {"news", "sport", "film"}) push_fails(scene, "no answer", id);
       },
       {},
       Culprit::network,
       "outputs",
       "None of the 3 pushes",
       "push_failing",
       "news rtmp://live.example.com/app"});
  add({"PushClosed",
       [](Scene& scene) {
         push_fails(scene, "");
         scene.channel().push[0].key_file = "/etc/headgate/keys/live";
         scene.channel().push[0].stream.clear();
       },
       {},
       Culprit::map,
       "outputs",
       "can't be read",
       "key_unreadable",
       "news rtmp://live.example.com/app"});
  add({"PushFailsBelowSilentSource", [](Scene& scene) { push_fails(scene, "closed"); }, stop_news,
       Culprit::source, "arrival", "stopped sending", "channel_down", "news"});
  const auto output_drops = [](DropReason reason) -> Scene::Trouble {
    return [reason](Scene&, Snapshot& sample, int second) {
      sample.outputs[0].drops[static_cast<std::size_t>(reason)] =
          static_cast<std::uint64_t>(10 * (second - kSceneTrouble));
    };
  };
  const auto pushed = [](Scene& scene) { scene.channel().push = {multicast_push()}; };
  add({"OutputLinkDown", pushed, output_drops(DropReason::output_link_down), Culprit::network, "outputs",
       "can't leave: the port cap0 has no link", "link_down", "cap0"});
  add({"OutputQueueFull", pushed, output_drops(DropReason::output_queue_full), Culprit::network, "outputs",
       "slower than what is sent", "", ""});
  add({"OutputWithoutBuffer", pushed, output_drops(DropReason::output_no_buffer), Culprit::gateway, "outputs",
       "No buffer was left", "", ""});
  add({"RateExceeded",
       [pushed](Scene& scene) {
         pushed(scene);
         scene.channel().remux.bitrate = 3'000'000;
       },
       [](Scene&, Snapshot& sample, int second) {
         sample.channels[0].rate_dropped = static_cast<std::uint64_t>(second - kSceneTrouble);
       },
       Culprit::map, "outputs", "more than its remux.bitrate of 3.00 Mb/s", "rate_exceeded", "news"});
  add({"ClosedServer",
       [](Scene& scene) {
         scene.channel().srt = config::SrtOptions{"/etc/headgate/keys/srt", ""};
         scene.model.node.srt.resize(1);
       },
       {},
       Culprit::map,
       "outputs",
       "It is not served by srt",
       "passphrase_unreadable",
       "news"});
  add({"SlowPlayers", serve_hls,
       [](Scene& scene, Snapshot&, int second) {
         scene.bridge_channel()["drops"] = {
             {"slow_client", static_cast<std::uint64_t>(second - kSceneTrouble)}};
         scene.bridge_channel()["hls"] = {{"viewers", 3U}};
       },
       Culprit::player, "players", "slow players lost", "", ""});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Output, Diagnoses, ::testing::ValuesIn(output_situations()), name_of);

}  // namespace
}  // namespace headgate::control

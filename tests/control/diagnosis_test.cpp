#include "control/diagnosis/diagnosis.h"

#include <gtest/gtest.h>

#include <random>

#include "diagnosis_scene.h"

namespace headgate::control {
namespace {

using catalogue::Culprit;
using protocol::DropReason;

// Something goes wrong with news, and who is named for it.
struct Situation {
  const char* name;
  std::function<void(Scene&)> before;  // of the map and the machine; may be null
  Scene::Trouble trouble;              // may be null
  Culprit culprit;
  const char* stage;                       // where it shows; "" for none
  const char* says;                        // within the verdict
  const char* kind;                        // the alarm that it is; "" for none
  const char* subject;                     // of it
  std::function<void(Scene&)> after = {};  // of the view
};

void PrintTo(const Situation& situation, std::ostream* out) { *out << situation.name; }

void stop_news(Scene& scene, Snapshot& sample, int) { scene.stop(sample); }

config::Push multicast_push() {
  config::Push push;
  push.url = "udp://239.20.1.1:5000";
  push.interface = "cap0";
  push.group = "239.20.1.1";
  return push;
}

config::Push rtmp_push() {
  config::Push push;
  push.url = "rtmp://live.example.com/app";
  push.kind = config::PushKind::rtmp;
  push.stream = "key";
  return push;
}

void serve_hls(Scene& scene) {
  scene.channel().hls = config::HlsOptions{};
  scene.bridge_channel()["problem"] = "";
}

void finding(Scene& scene, const char* kind, std::uint64_t track = 0) {
  serve_hls(scene);
  scene.bridge_channel()["watch"] = {
      {"verdict", true},
      {"findings",
       {{{"kind", kind}, {"track", track}, {"since_unix_ns", scene_time(290)}, {"text", "seen"}}}}};
}

void push_fails(Scene& scene, const std::string& error, const std::string& channel = "news") {
  scene.channel(channel).push = {rtmp_push()};
  scene.view.bridge_status["channels"][channel]["pushes"] = {{{"url", "rtmp://live.example.com/app"},
                                                              {"state", "waiting"},
                                                              {"error", error},
                                                              {"since_unix_ns", scene_time(290)}}};
}

void starve(Scene& scene) {
  scene.view.host.cpu_short = true;
  scene.view.host.conditions = {{"host_overload", "", "fastpath waited for a CPU 30 % of the last 10 s", 0}};
}

Scene::Trouble dropping(DropReason reason) {
  return [reason](Scene& scene, Snapshot& sample, int second) {
    scene.stop(sample);
    Scene::drop(sample, reason, second);
  };
}

Scene::Trouble backup_on_air(Scene::Trouble with = {}) {
  return [with](Scene& scene, Snapshot& sample, int second) {
    if (with) with(scene, sample, second);
    sample.channels[0].on_air = sample.channels[0].wanted = 2;
    sample.channels[0].switches = 1;
    sample.channels[0].switched_unix_ns = static_cast<std::uint64_t>(scene_time(282));
  };
}

// The querier is heard every 20 s and was last at `second`.
void last_query(Snapshot& sample, int second) {
  sample.networks[0].queries = static_cast<std::uint64_t>(second / 20);
  sample.networks[0].last_query_unix_ns = static_cast<std::uint64_t>(scene_time(second));
}

std::vector<Situation> situations() {
  std::vector<Situation> all;
  const auto add = [&](Situation situation) { all.push_back(std::move(situation)); };
  // Nothing.
  add({"Well", {}, {}, Culprit::none, "", "Nothing has been wrong with it for 100 s", "", ""});
  add({"WellAfterTrouble",
       {},
       {},
       Culprit::none,
       "",
       "Last trouble 59 min ago: ok -> down",
       "",
       "",
       [](Scene& scene) {
         scene.view.events = {{1, scene_time(300 - 3599), "critical", "channel_state", "news", "ok -> down"},
                              {2, scene_time(300 - 3500), "info", "channel_state", "news", "down -> ok"}};
       }});
  // The map.
  add({"Disabled",
       [](Scene& scene) { scene.channel().enabled = false; },
       {},
       Culprit::map,
       "map",
       "disables it",
       "",
       ""});
  add({"ClosedInput",
       [](Scene& scene) {
         scene.by_bridge(config::InputKind::srt_caller, "srt://far:9000");
         scene.channel().inputs[0].passphrase_file = "/etc/headgate/keys/news";
       },
       [](Scene&, Snapshot& sample, int) { Scene::never_came(sample); }, Culprit::map, "map", "can't be read",
       "key_unreadable", "news input 1"});
  add({"EditedInput", [](Scene& scene) { scene.edit(281, {"inputs"}); }, stop_news, Culprit::map, "arrival",
       "Changed by apply 12 by alice (1000) 19 s ago: inputs", "channel_down", "news"});
  add({"EditedInputThatNeverCame", [](Scene& scene) { scene.edit(281, {"inputs"}); },
       [](Scene& scene, Snapshot& sample, int second) {
         if (second == 282) scene.channel().inputs[0].url = sample.inputs[0].url = "udp://239.10.1.99:5000";
         Scene::never_came(sample);
         sample.inputs[0].url = "udp://239.10.1.99:5000";
       },
       Culprit::map, "arrival", "Changed by apply 12", "channel_down", "news"});
  add({"EditedPushOnly", [](Scene& scene) { scene.edit(281, {"push"}); }, stop_news, Culprit::source,
       "arrival", "stopped sending", "channel_down", "news"});
  add({"EditedLongBefore", [](Scene& scene) { scene.edit(100, {"inputs"}); }, stop_news, Culprit::source,
       "arrival", "stopped sending", "channel_down", "news"});
  add({"EditedOtherChannel", [](Scene& scene) { scene.edit(281, {"inputs"}, "film"); }, stop_news,
       Culprit::source, "arrival", "stopped sending", "channel_down", "news"});
  add({"EditedInterface",
       [](Scene& scene) {
         scene.edit(281, {});
         scene.view.last_apply.node_keys = {"interfaces.cap0.address"};
       },
       [](Scene& scene, Snapshot& sample, int) { scene.stop_all(sample); }, Culprit::map, "arrival",
       "interfaces.cap0.address", "channel_down", "news"});
  // The gateway.
  add({"FastPathStands",
       {},
       [](Scene& scene, Snapshot& sample, int) {
         scene.stop_all(sample);
         sample.heartbeat_unix_ns = static_cast<std::uint64_t>(scene_time(280));
       },
       Culprit::gateway,
       "gateway",
       "has not moved for 20 s",
       "process_silent",
       "fastpath"});
  add({"FastPathStarved", starve,
       [](Scene& scene, Snapshot& sample, int) {
         scene.stop_all(sample);
         sample.heartbeat_unix_ns = static_cast<std::uint64_t>(scene_time(280));
       },
       Culprit::host, "gateway", "short of CPU", "host_overload", ""});
  add({"FastPathDiesAgainAndAgain", [](Scene& scene) { scene.view.processes[1].process.crash_loop = true; },
       [](Scene& scene, Snapshot& sample, int) { scene.stop_all(sample); }, Culprit::gateway, "gateway",
       "dies again and again", "crash_loop", "fastpath"});
  add({"NoFastPath",
       {},
       [](Scene&, Snapshot& sample, int) { sample = Snapshot{}; },
       Culprit::gateway,
       "gateway",
       "does not run",
       "process_silent",
       "fastpath"});
  add({"OtherMapRuns",
       [](Scene& scene) { scene.alarm("apply_pending", ""); },
       {},
       Culprit::gateway,
       "gateway",
       "another map",
       "apply_pending",
       ""});
  // Link and port.
  add({"LinkDown",
       {},
       [](Scene& scene, Snapshot& sample, int) {
         scene.stop_all(sample);
         sample.interfaces[0].link_up = false;
       },
       Culprit::network,
       "link",
       "cap0 has no link for 18 s",
       "link_down",
       "cap0"});
  add({"DamagedFrames",
       {},
       [](Scene&, Snapshot& sample, int second) {
         Scene::port_drop(sample, DropReason::nic_error, second);
         Scene::cc_errors(sample, second);
       },
       Culprit::nic,
       "link",
       "receives damaged frames",
       "",
       ""});
  add({"QueueRunsOver",
       {},
       [](Scene&, Snapshot& sample, int second) {
         Scene::port_drop(sample, DropReason::nic_missed, second);
         Scene::cc_errors(sample, second);
       },
       Culprit::nic,
       "link",
       "ran over",
       "",
       ""});
  add({"QueueRunsOverForWantOfCpu", starve,
       [](Scene&, Snapshot& sample, int second) {
         Scene::port_drop(sample, DropReason::nic_missed, second);
         Scene::cc_errors(sample, second);
       },
       Culprit::host, "link", "short of CPU", "host_overload", ""});
  // Membership.
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
  // Arrival.
  add({"SourceSilent",
       {},
       stop_news,
       Culprit::source,
       "arrival",
       "The source 10.1.1.7 stopped sending 20 s ago; 4 other inputs on cap0 still come",
       "channel_down",
       "news"});
  add({"AllSilent",
       {},
       [](Scene& scene, Snapshot& sample, int) { scene.stop_all(sample); },
       Culprit::network,
       "arrival",
       "All 5 inputs on cap0 stopped together 20 s ago",
       "channel_down",
       "news"});
  add({"AllOfOneSourceSilent", [](Scene& scene) { scene.channel("sport").inputs[0].source = "10.1.1.7"; },
       [](Scene& scene, Snapshot& sample, int) { scene.stop_all(sample); }, Culprit::unknown, "arrival",
       "all are sent by 10.1.1.7", "channel_down", "news"});
  add({"ThreeOfFiveSilent",
       {},
       [](Scene& scene, Snapshot& sample, int) {
         for (const char* id : {"news", "film", "kids"}) scene.stop(sample, id);
       },
       Culprit::unknown,
       "arrival",
       "3 inputs on cap0 stopped together",
       "channel_down",
       "news"});
  add({"OthersWereSilentBefore",
       {},
       [](Scene& scene, Snapshot& sample, int) {
         scene.stop(sample);
         for (const char* id : {"film", "kids", "docu"}) scene.stop(sample, id, 1, 210);
       },
       Culprit::source,
       "arrival",
       "1 other input on cap0 still comes",
       "channel_down",
       "news"});
  add({"AloneAndSilent", [](Scene& scene) { scene.model.channels.resize(1); }, stop_news, Culprit::unknown,
       "arrival", "It is alone on cap0", "channel_down", "news"});
  add({"OnAnotherVlanOthersAreNoEvidence", [](Scene& scene) { scene.channel().inputs[0].vlan = 120; },
       stop_news, Culprit::unknown, "arrival", "It is alone on cap0 VLAN 120", "channel_down", "news"});
  add({"NeverCame",
       {},
       [](Scene&, Snapshot& sample, int) { Scene::never_came(sample); },
       Culprit::unknown,
       "arrival",
       "has ever come",
       "channel_down",
       "news"});
  add({"NoFrameAtAll",
       {},
       [](Scene& scene, Snapshot& sample, int) {
         for (const config::Channel& channel : scene.model.channels) Scene::never_came(sample, channel.id);
         sample.interfaces[0].rx_packets = 5;
       },
       Culprit::unknown,
       "arrival",
       "Not one frame",
       "channel_down",
       "news"});
  add({"WrongSource",
       {},
       dropping(DropReason::wrong_source),
       Culprit::source,
       "arrival",
       "none from 10.1.1.7",
       "wrong_source",
       "news input 1"});
  add({"WrongSourceAfterEdit", [](Scene& scene) { scene.edit(280, {"inputs"}); },
       dropping(DropReason::wrong_source), Culprit::map, "arrival", "none from 10.1.1.7", "wrong_source",
       "news input 1"});
  add({"RtpWhereUdpIsWritten",
       {},
       dropping(DropReason::not_ts_size),
       Culprit::map,
       "arrival",
       "it is RTP, or no transport stream",
       "wrong_format",
       "news input 1"});
  add({"UdpWhereRtpIsWritten",
       [](Scene& scene) { scene.channel().inputs[0].protocol = config::DatagramProtocol::rtp; },
       dropping(DropReason::rtp_malformed), Culprit::map, "arrival", "without an RTP header", "wrong_format",
       "news input 1"});
  add({"PacketsOf204",
       {},
       dropping(DropReason::packet_size_204),
       Culprit::source,
       "arrival",
       "204 bytes",
       "wrong_format",
       "news input 1"});
  add({"NoSync",
       {},
       dropping(DropReason::no_sync),
       Culprit::source,
       "arrival",
       "no packet begins with 0x47",
       "wrong_format",
       "news input 1"});
  // Sources through the bridge.
  const auto bridged = [&](const char* name, config::InputKind kind, const char* state, const char* error,
                           Culprit culprit, const char* says) {
    add({name,
         [=](Scene& scene) {
           scene.by_bridge(kind, "srt://far:9000");
           scene.source(state, error);
         },
         stop_news, culprit, "arrival", says, "channel_down", "news"});
  };
  using Kind = config::InputKind;
  bridged("NobodyPublishes", Kind::publish, "waiting", "", Culprit::encoder, "Nobody publishes");
  bridged("EncoderLeft", Kind::publish, "waiting", "the encoder closed the connection", Culprit::encoder,
          "left with: the encoder closed");
  bridged("EncoderSendsNothing", Kind::publish, "receiving", "", Culprit::encoder, "sends nothing");
  bridged("ServerSendsNothing", Kind::rtmp, "receiving", "", Culprit::source, "sends nothing");
  bridged("CallerRefused", Kind::srt_caller, "connecting", "connection refused", Culprit::source,
          "nobody listens there");
  bridged("WrongPassphrase", Kind::srt_caller, "connecting", "the passphrase is wrong (10)", Culprit::map,
          "does not take our key");
  bridged("NoAnswer", Kind::srt_caller, "connecting", "no answer", Culprit::unknown, "it does not answer");
  bridged("NoWay", Kind::rtmp, "connecting", "can't connect to 10.9.9.9: Network is unreachable",
          Culprit::network, "no way there");
  bridged("NoSuchName", Kind::http_ts, "connecting", "can't resolve far: unknown", Culprit::unknown,
          "no address");
  bridged("ServerFails", Kind::hls, "connecting", "the server answers 503 Service Unavailable",
          Culprit::source, "the far end fails");
  bridged("NoSuchFile", Kind::file, "waiting", "can't open /srv/slate.ts: No such file or directory",
          Culprit::map, "can't be read");
  bridged("SenderDoesNotCall", Kind::srt_listener, "waiting", "", Culprit::source, "does not call us");
  add({"BridgeSilentUnderItsInput",
       [](Scene& scene) {
         scene.by_bridge(Kind::rtmp, "rtmp://far/app/x");
         scene.source("receiving", "");
         scene.view.processes[2].answers = false;
       },
       stop_news, Culprit::gateway, "bridge", "The bridge does not answer", "process_silent", "bridge"});
  // The stream.
  const auto damaged = [](std::vector<std::string> ids) -> Scene::Trouble {
    return [ids](Scene&, Snapshot& sample, int second) {
      for (const std::string& id : ids) Scene::cc_errors(sample, second, id);
    };
  };
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
       pid_stops, Culprit::source, "stream", "PID 0x0101 (ac3 eng) stopped", "pid_lost", "news pid 0x0101"});
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

class Diagnoses : public ::testing::TestWithParam<Situation> {};

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

INSTANTIATE_TEST_SUITE_P(Table, Diagnoses, ::testing::ValuesIn(situations()),
                         [](const auto& about) { return std::string(about.param.name); });

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

// --- which alarm explains another

Alarm alarm_of(const std::string& kind, const std::string& subject) {
  Alarm alarm;
  alarm.kind = kind;
  alarm.subject = subject;
  return alarm;
}

std::string root(const GatewayView& view, const Alarm& alarm, std::vector<Alarm> all) {
  all.push_back(alarm);
  const auto found = cause_of(view, alarm, all);
  return found ? found->first + "|" + found->second : "";
}

TEST(CauseOf, DeadPortIsTheRootOfAllItsChannels) {
  Scene scene;
  scene.add_backup();
  const GatewayView& view = scene.run([](Scene& of, Snapshot& sample, int) {
    of.stop_all(sample);
    sample.interfaces[0].link_up = false;
  });
  const std::vector<Alarm> all{alarm_of("link_down", "cap0"), alarm_of("channel_down", "film"),
                               alarm_of("no_querier", "cap0")};
  for (const char* id : {"sport", "film", "kids", "docu"})
    EXPECT_EQ(root(view, alarm_of("channel_down", id), all), "link_down|cap0") << id;
  EXPECT_EQ(root(view, alarm_of("input_down", "news input 1"), all), "link_down|cap0");
  EXPECT_EQ(root(view, alarm_of("no_querier", "cap0 vlan 120"), all), "link_down|cap0");
  EXPECT_EQ(root(view, alarm_of("link_down", "cap0"), {}), "");
}

TEST(CauseOf, SilentSourceStandsForItself) {
  Scene scene;
  const GatewayView& view = scene.run(stop_news);
  EXPECT_EQ(root(view, alarm_of("channel_down", "news"), {alarm_of("link_down", "cap1")}), "");
}

TEST(CauseOf, QuerierIsTheRootOfWhatStoppedAfterIt) {
  Scene scene;
  const GatewayView& view = scene.run([](Scene& of, Snapshot& sample, int) {
    of.stop_all(sample);
    last_query(sample, 240);
  });
  EXPECT_EQ(root(view, alarm_of("channel_down", "film"), {alarm_of("no_querier", "cap0")}),
            "no_querier|cap0");
  EXPECT_EQ(root(view, alarm_of("channel_down", "film"), {}), "");
}

TEST(CauseOf, WhatAChannelThatIsDownCannotDoIsNoNews) {
  Scene scene;
  push_fails(scene, "closed");
  const GatewayView& view = scene.run(stop_news);
  const auto push = alarm_of("push_failing", "news rtmp://live.example.com/app");
  EXPECT_EQ(root(view, push, {alarm_of("channel_down", "news")}), "channel_down|news");
  EXPECT_EQ(root(view, alarm_of("channel_down", "news"), {push}), "");
}

TEST(CauseOf, SilentFastPathIsTheRootOfAllChannels) {
  Scene scene;
  starve(scene);
  const GatewayView& view = scene.run([](Scene& of, Snapshot& sample, int) {
    of.stop_all(sample);
    sample.heartbeat_unix_ns = static_cast<std::uint64_t>(scene_time(280));
  });
  const std::vector<Alarm> all{alarm_of("process_silent", "fastpath"), alarm_of("host_overload", "")};
  EXPECT_EQ(root(view, alarm_of("channel_down", "film"), all), "process_silent|fastpath");
  EXPECT_EQ(root(view, alarm_of("process_silent", "fastpath"), all), "host_overload|");
  EXPECT_EQ(root(view, alarm_of("process_silent", "fastpath"),
                 {alarm_of("crash_loop", "fastpath"), alarm_of("host_overload", "")}),
            "crash_loop|fastpath");
}

TEST(CauseOf, FailoverIsExplainedByTheInputThatFailed) {
  Scene scene;
  scene.add_backup();
  const GatewayView& view = scene.run(backup_on_air(stop_news));
  EXPECT_EQ(root(view, alarm_of("failover_active", "news"), {alarm_of("input_down", "news input 1")}),
            "input_down|news input 1");
  EXPECT_EQ(root(view, alarm_of("input_down", "news input 1"), {alarm_of("failover_active", "news")}), "");
}

TEST(CauseOf, SilentBridgeIsTheRootOfWhatPassesIt) {
  Scene scene;
  scene.channel("film").hls = config::HlsOptions{};
  scene.view.processes[2].answers = false;
  const GatewayView& view = scene.run();
  const std::vector<Alarm> all{alarm_of("process_silent", "bridge")};
  EXPECT_EQ(root(view, alarm_of("players_get_nothing", "film"), all), "process_silent|bridge");
  EXPECT_EQ(root(view, alarm_of("channel_down", "news"), all), "");
}

TEST(CauseOf, NeverExplainsInACircle) {
  Scene scene;
  scene.add_backup();
  push_fails(scene, "refused", "sport");
  const std::vector<Alarm> all{
      alarm_of("link_down", "cap0"),       alarm_of("no_querier", "cap0"),
      alarm_of("channel_down", "news"),    alarm_of("input_down", "news input 1"),
      alarm_of("failover_active", "news"), alarm_of("cc_errors", "news"),
      alarm_of("host_overload", ""),       alarm_of("process_silent", "bridge"),
      alarm_of("channel_down", "sport"),   alarm_of("push_failing", "sport rtmp://live.example.com/app"),
      alarm_of("disk_full", "run_dir"),    alarm_of("process_silent", "fastpath"),
      alarm_of("crash_loop", "fastpath"),  alarm_of("apply_pending", "")};
  for (int kind = 0; kind < 4; ++kind) {
    Scene of = scene;
    const GatewayView& view = of.run([kind](Scene& in, Snapshot& sample, int second) {
      if (kind == 1) in.stop_all(sample);
      if (kind == 2) sample.interfaces[0].link_up = false;
      if (kind == 3) Scene::cc_errors(sample, second);
    });
    for (const Alarm& alarm : all) {
      Alarm at = alarm;
      for (int steps = 0;; ++steps) {
        ASSERT_LT(steps, 10) << alarm.kind << " " << alarm.subject;
        const auto next = cause_of(view, at, all);
        if (!next) break;
        at = alarm_of(next->first, next->second);
      }
    }
  }
}

}  // namespace
}  // namespace headgate::control

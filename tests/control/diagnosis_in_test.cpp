// The map, the gateway, the port, what arrives.
#include "diagnosis_situation.h"

namespace headgate::control {
namespace {

std::vector<Situation> arrival_situations() {
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
  add({"AllSilentWhileStarved", starve, [](Scene& scene, Snapshot& sample, int) { scene.stop_all(sample); },
       Culprit::host, "arrival", "This machine is short of CPU, and nothing on cap0 was taken in for 20 s",
       "host_overload", ""});
  add({"StarvedLongAfterAllWereSilent",
       [](Scene& scene) {
         starve(scene);
         scene.view.host.conditions[0].since_unix_ns = scene_time(298);
       },
       [](Scene& scene, Snapshot& sample, int) { scene.stop_all(sample); }, Culprit::network, "arrival",
       "All 5 inputs on cap0 stopped together", "channel_down", "news"});
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
  const Scene::Trouble other_port = [](Scene& scene, Snapshot& sample, int second) {
    scene.stop(sample);
    Scene::drop(sample, DropReason::wrong_port, second);
    sample.inputs[0].wrong_port = 5002;
  };
  add({"NeverCameToThisPort",
       {},
       [other_port](Scene& scene, Snapshot& sample, int second) {
         Scene::never_came(sample);
         other_port(scene, sample, second);
         sample.inputs[0].last_packet_unix_ns = 0;
       },
       Culprit::map,
       "arrival",
       "239.10.1.1 is sent to port 5002, and no channel takes that; the map names 5000",
       "channel_down",
       "news"});
  add({"EditedToAPortToWhichNothingComes", [](Scene& scene) { scene.edit(294, {"inputs"}); },
       [](Scene& scene, Snapshot& sample, int second) {
         if (second < 294) return;
         scene.channel().inputs[0].url = "udp://10.1.1.7@239.10.1.1:5001";
         Scene::never_came(sample);
         sample.inputs[0].url = scene.channel().inputs[0].url;
         Scene::drop(sample, DropReason::wrong_port, second);
         sample.inputs[0].wrong_port = 5000;
       },
       Culprit::map, "arrival", "239.10.1.1 is sent to port 5000", "channel_down", "news"});
  add({"SentToAnotherPortNow",
       {},
       other_port,
       Culprit::source,
       "arrival",
       "before, it came to 5000",
       "channel_down",
       "news"});
  add({"WrongPortBesideWhatFlows",
       {},
       [](Scene&, Snapshot& sample, int second) {
         Scene::drop(sample, DropReason::wrong_port, second);
         sample.inputs[0].wrong_port = 5002;
       },
       Culprit::none,
       "",
       "Nothing has been wrong",
       "",
       ""});
  const Scene::Trouble foreign = [](Scene& scene, Snapshot& sample, int second) {
    dropping(DropReason::wrong_source)(scene, sample, second);
    sample.inputs[0].wrong_source = 0x0A140009;
  };
  add({"WrongSource",
       {},
       foreign,
       Culprit::source,
       "arrival",
       "come from 10.20.0.9, but none from 10.1.1.7",
       "wrong_source",
       "news input 1"});
  add({"WrongSourceAfterAnEditThatWorked", [](Scene& scene) { scene.edit(273, {"inputs"}); }, foreign,
       Culprit::source, "arrival", "come from 10.20.0.9", "wrong_source", "news input 1"});
  add({"WrongSourceBeforeTheEditedInputIsMissed", [](Scene& scene) { scene.edit(298, {"inputs"}); },
       [](Scene& scene, Snapshot& sample, int second) {
         if (second < 300) return;
         scene.channel().inputs[0].url = sample.inputs[0].url = "udp://10.1.1.9@239.10.1.1:5000";
         Scene::never_came(sample);
         sample.inputs[0].wrong_source = 0x0A140009;
       },
       Culprit::map, "arrival", "Changed by apply 12", "channel_down", "news"});
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
  return all;
}

INSTANTIATE_TEST_SUITE_P(Arrival, Diagnoses, ::testing::ValuesIn(arrival_situations()), name_of);

}  // namespace
}  // namespace headgate::control

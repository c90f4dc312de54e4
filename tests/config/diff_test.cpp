#include "config/model/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Model sample() {
  Model model;
  model.node.node = "hg1";
  model.node.run_dir = "/run/headgate";
  model.node.interfaces = {
      {"cap0", "af_packet:eth1", {"10.20.0.5/24"}, true, 1500, Igmp::automatic, {{120, {}}}}};
  model.node.http = {{"[::]:8080"}};
  for (const char* id : {"news", "sport"}) {
    Channel channel;
    channel.id = channel.name = id;
    Input input;
    input.interface = "cap0";
    input.group = std::string(id) == "news" ? "239.10.1.1" : "239.10.1.2";
    input.port = 5000;
    channel.inputs = {input};
    Push push;
    push.group = "239.20.1.1";
    channel.push = {push};
    channel.hls = HlsOptions{};
    model.channels.push_back(channel);
  }
  return model;
}

ChannelChange change(const std::string& id, const std::vector<std::string>& keys, bool media, bool hls) {
  ChannelChange made;
  made.id = id;
  made.keys = keys;
  made.interrupts_media = media;
  made.interrupts_hls = hls;
  if (hls) made.interrupts_viewers = {"hls"};
  return made;
}

// Without the values, which have their own tests.
ChannelChange effect(ChannelChange made) {
  made.values.clear();
  return made;
}

TEST(Diff, OfEqualModelsIsEmptyAndLeavesAllUntouched) {
  const Plan plan = diff(sample(), sample());
  EXPECT_TRUE(plan.empty());
  EXPECT_THAT(plan.untouched, ElementsAre("news", "sport"));
  EXPECT_THAT(plan.restarts, IsEmpty());
}

TEST(Diff, ListsAddedAndRemovedChannels) {
  Model wanted = sample();
  wanted.channels[1].id = "film";
  const Plan plan = diff(sample(), wanted);
  EXPECT_THAT(plan.added, ElementsAre("film"));
  EXPECT_THAT(plan.removed, ElementsAre("sport"));
  EXPECT_THAT(plan.untouched, ElementsAre("news"));
}

TEST(Diff, NewNameInterruptsNobody) {
  Model wanted = sample();
  wanted.channels[0].name = "News HD";
  const Plan plan = diff(sample(), wanted);
  ASSERT_EQ(plan.changed.size(), 1U);
  EXPECT_EQ(effect(plan.changed[0]), change("news", {"name"}, false, false));
}

TEST(Diff, NewInputInterruptsMulticastAndHls) {
  Model wanted = sample();
  wanted.channels[0].inputs[0].group = "239.10.9.9";
  EXPECT_EQ(effect(diff(sample(), wanted).changed.at(0)), change("news", {"inputs"}, true, true));
}

TEST(Diff, NamesProgramWhereOnlyThatChanged) {
  Model wanted = sample();
  wanted.channels[0].inputs[0].program = Program(std::uint16_t{7});
  EXPECT_EQ(effect(diff(sample(), wanted).changed.at(0)), change("news", {"program"}, true, true));
}

TEST(Diff, NewPushInterruptsNobody) {
  Model wanted = sample();
  wanted.channels[0].push.emplace_back();
  EXPECT_EQ(effect(diff(sample(), wanted).changed.at(0)), change("news", {"push"}, false, false));
}

TEST(Diff, SegmentBreaksHlsButWindowDoesNot) {
  Model wanted = sample();
  wanted.channels[0].hls->segment = std::chrono::milliseconds(2000);
  wanted.channels[1].hls->window = 12;
  const Plan plan = diff(sample(), wanted);
  EXPECT_EQ(effect(plan.changed.at(0)), change("news", {"serve.hls"}, false, true));
  EXPECT_EQ(effect(plan.changed.at(1)), change("sport", {"serve.hls"}, false, false));
}

TEST(Diff, AnOutputThatComesOrGoesInterruptsOnlyItsOwnPlayers) {
  Model running = sample();
  Channel& news = running.channels[0];
  news.http_ts = news.rtmp = true;
  news.srt = SrtOptions{};
  const auto made = [&](void (*edit)(Channel&)) {
    Model wanted = running;
    edit(wanted.channels[0]);
    return diff(running, wanted).changed.at(0);
  };
  const auto rtmp = made([](Channel& channel) { channel.rtmp = false; });
  EXPECT_THAT(rtmp.keys, ElementsAre("serve.rtmp"));
  EXPECT_THAT(rtmp.interrupts_viewers, ElementsAre("rtmp"));
  EXPECT_FALSE(rtmp.interrupts_media || rtmp.interrupts_hls);
  EXPECT_THAT(rtmp.values, ElementsAre(ValueChange{"serve.rtmp", "on", "off"}));
  const auto http_ts = made([](Channel& channel) { channel.http_ts = false; });
  EXPECT_THAT(http_ts.keys, ElementsAre("serve.http-ts"));
  EXPECT_THAT(http_ts.interrupts_viewers, ElementsAre("http-ts"));
  const auto srt = made([](Channel& channel) { channel.srt.reset(); });
  EXPECT_THAT(srt.keys, ElementsAre("serve.srt"));
  EXPECT_THAT(srt.interrupts_viewers, ElementsAre("srt"));
  const auto hls = made([](Channel& channel) { channel.hls.reset(); });
  EXPECT_THAT(hls.interrupts_viewers, ElementsAre("hls"));
  EXPECT_TRUE(hls.interrupts_hls);
  const Model& more = running;
  const auto added = diff(sample(), more).changed.at(0);
  EXPECT_THAT(added.keys, ElementsAre("serve.http-ts", "serve.rtmp", "serve.srt"));
  EXPECT_THAT(added.interrupts_viewers, IsEmpty());
}

TEST(Diff, AnotherInputInterruptsThePlayersOfAllProtocols) {
  Model running = sample();
  running.channels[0].rtmp = running.channels[0].http_ts = true;
  running.channels[0].srt = SrtOptions{};
  Model wanted = running;
  wanted.channels[0].inputs[0].group = "239.10.9.9";
  EXPECT_THAT(diff(running, wanted).changed.at(0).interrupts_viewers,
              ElementsAre("hls", "http-ts", "rtmp", "srt"));
  running.channels[0].enabled = false;
  EXPECT_THAT(diff(running, wanted).changed.at(0).interrupts_viewers, IsEmpty());
}

TEST(Diff, AnotherPassphraseInterruptsSrtPlayersAndIsNotShown) {
  Model running = sample();
  running.channels[0].srt = SrtOptions{"/keys/news", "former secret"};
  Model wanted = running;
  wanted.channels[0].srt->passphrase = "latter secret";
  const auto other = diff(running, wanted).changed.at(0);
  EXPECT_THAT(other.keys, ElementsAre("serve.srt"));
  EXPECT_THAT(other.interrupts_viewers, ElementsAre("srt"));
  EXPECT_THAT(other.values, ElementsAre(ValueChange{"serve.srt", "on with the passphrase of /keys/news",
                                                    "another passphrase in that file"}));
  // The same passphrase out of another file.
  wanted.channels[0].srt = SrtOptions{"/keys/moved", "former secret"};
  EXPECT_THAT(diff(running, wanted).changed.at(0).interrupts_viewers, IsEmpty());
  // None of its own any more: the server's counts.
  wanted.channels[0].srt = SrtOptions{};
  EXPECT_THAT(diff(running, wanted).changed.at(0).interrupts_viewers, ElementsAre("srt"));
}

TEST(Diff, NamesWhoseAddressClosesAndWhatAsksForAnotherPassphrase) {
  using std::chrono::milliseconds;
  Model running = sample();
  running.node.rtmp = {{"[::]:1935"}, {"[::]:1936"}};
  running.node.srt = {{"[::]:9000", milliseconds(120), "/keys/srt", "former secret"},
                      {"[::]:9001", milliseconds(120), "", ""}};
  Model wanted = running;
  wanted.node.rtmp = {{"[::]:1936"}, {"[::]:1937"}};
  wanted.node.srt[0].passphrase = "latter secret";
  wanted.node.srt[1].latency = milliseconds(500);
  const Plan plan = diff(running, wanted);
  EXPECT_THAT(plan.node_keys, ElementsAre("servers.rtmp", "servers.srt"));
  EXPECT_THAT(plan.restarts, IsEmpty());
  const ListenerChange closed{"servers.rtmp", "[::]:1935", true, {"rtmp"}, {"[::]:1936", "[::]:1937"}};
  const ListenerChange other_secret{"servers.srt", "[::]:9000", false, {"srt"}, {"[::]:9000", "[::]:9001"}};
  EXPECT_THAT(plan.listeners, ElementsAre(closed, other_secret));
  for (const ValueChange& value : plan.node_values) {
    EXPECT_EQ((value.before + value.after).find("secret"), std::string::npos) << value.after;
  }
  wanted = running;
  wanted.node.srt[0].passphrase = "latter secret";
  EXPECT_EQ(diff(running, wanted).node_values.at(0).after, "other secrets");
}

TEST(Diff, EnablingADisabledChannelInterruptsNobody) {
  Model running = sample();
  running.channels[0].enabled = false;
  EXPECT_EQ(effect(diff(running, sample()).changed.at(0)), change("news", {"enabled"}, false, false));
  EXPECT_EQ(effect(diff(sample(), running).changed.at(0)), change("news", {"enabled"}, true, true));
}

TEST(Diff, InterfaceAndFastpathKeysRestartTheFastPathOnce) {
  Model wanted = sample();
  wanted.node.interfaces[0].mtu = 9000;
  wanted.node.interfaces[0].vlans = {{120, {"10.21.0.5/24"}}, {130, {}}};
  wanted.node.interfaces.push_back({"cap1", "af_packet:eth2", {}, false, 1500, Igmp::automatic, {}});
  wanted.node.fastpath.idle = Idle::poll;
  const Plan plan = diff(sample(), wanted);
  EXPECT_THAT(plan.node_keys, ElementsAre("interfaces.cap0.mtu", "interfaces.cap0.vlans.120.address",
                                          "interfaces.cap0.vlans.130", "interfaces.cap1", "fastpath.idle"));
  EXPECT_THAT(plan.restarts, ElementsAre("fastpath"));
}

TEST(Diff, ServersLogAndDefaultInterfaceRestartNothing) {
  Model wanted = sample();
  wanted.node.http.push_back({"127.0.0.1:8081"});
  wanted.node.admin = AdminServer{};
  wanted.node.log_level = LogLevel::debug;
  wanted.node.interfaces[0].is_default = false;
  const Plan plan = diff(sample(), wanted);
  EXPECT_THAT(plan.node_keys,
              ElementsAre("log.level", "interfaces.cap0.default", "servers.http", "servers.admin"));
  EXPECT_THAT(plan.restarts, IsEmpty());
  EXPECT_THAT(plan.refused, IsEmpty());
}

TEST(Diff, NamesTheAddressThatCloses) {
  Model wanted = sample();
  wanted.node.http.push_back({"127.0.0.1:8081"});
  EXPECT_THAT(diff(sample(), wanted).listeners, IsEmpty());
  wanted.node.http = {{"[::]:9090"}};
  const ListenerChange closed{"servers.http", "[::]:8080", true, {"hls", "http-ts"}, {"[::]:9090"}};
  EXPECT_THAT(diff(sample(), wanted).listeners, ElementsAre(closed));
}

TEST(Diff, RefusesWhatCannotChangeAtRunTime) {
  Model wanted = sample();
  wanted.node.node = "hg2";
  wanted.node.run_dir = "/run/other";
  wanted.node.data_dir = "/srv";
  EXPECT_THAT(diff(sample(), wanted).refused, ElementsAre("node", "run_dir", "data_dir"));
}

TEST(Diff, ShowsOldAndNewValues) {
  Model wanted = sample();
  wanted.channels[0].name = "News HD";
  wanted.channels[0].number = 7;
  wanted.channels[0].hls->segment = std::chrono::milliseconds(2000);
  wanted.channels[0].inputs[0].url = "udp://239.10.9.9:5000";
  wanted.channels[0].push[0].ttl = 5;
  wanted.channels[1].hls.reset();
  const Plan plan = diff(sample(), wanted);
  EXPECT_THAT(plan.changed.at(0).values,
              ElementsAre(ValueChange{"name", "news", "News HD"}, ValueChange{"number", "", "7"},
                          ValueChange{"inputs", "", "udp://239.10.9.9:5000"},
                          ValueChange{"push  ttl", "16", "5"}, ValueChange{"serve.hls.segment", "4s", "2s"}));
  EXPECT_THAT(plan.changed.at(1).values, ElementsAre(ValueChange{"serve.hls", "segment 4s, window 8", ""}));
}

TEST(Diff, ShowsValuesOfNodeKeysAndOfSecretsOnlyTheirNumber) {
  Model running = sample(), wanted = sample();
  running.node.admin = AdminServer{"127.0.0.1:9470", "keys/admin", {{"admin", "first-secret"}}};
  wanted.node.admin = AdminServer{"127.0.0.1:9470", "keys/admin", {{"admin", "other-secret"}}};
  wanted.node.interfaces[0].mtu = 9000;
  EXPECT_THAT(
      diff(running, wanted).node_values,
      ElementsAre(ValueChange{"interfaces.cap0.mtu", "1500", "9000"},
                  ValueChange{"servers.admin", "127.0.0.1:9470, keys/admin with 1 token", "other secrets"}));
}

TEST(Diff, NamesPushesThatEndAndNoUdpPushWithAnotherTtl) {
  Model running = sample();
  running.channels[0].push[0].url = "udp://239.20.1.1:5000";
  Push rtp = running.channels[0].push[0];
  rtp.protocol = DatagramProtocol::rtp;
  rtp.url = "rtp://239.20.1.2:5000";
  rtp.group = "239.20.1.2";
  running.channels[0].push.push_back(rtp);
  Model wanted = running;
  for (Push& push : wanted.channels[0].push) push.ttl = 5;
  EXPECT_THAT(diff(running, wanted).changed.at(0).interrupts_pushes, ElementsAre("rtp://239.20.1.2:5000"));
  wanted = running;
  wanted.channels[0].push.erase(wanted.channels[0].push.begin());
  EXPECT_THAT(diff(running, wanted).changed.at(0).interrupts_pushes, ElementsAre("udp://239.20.1.1:5000"));
}

Model with_backup() {
  Model model = sample();
  Input backup;
  backup.number = 2;
  backup.kind = InputKind::srt_caller;
  backup.url = "srt://far:9000";
  backup.address = "far:9000";
  backup.passphrase_file = "/keys/srt";
  backup.passphrase = "hush hush hush";
  model.channels[0].inputs.push_back(backup);
  Push push;
  push.kind = PushKind::rtmp;
  push.url = push.address = "rtmp://far/app";
  push.key_file = "/keys/far";
  push.stream = "hush";
  model.channels[0].push.push_back(push);
  return model;
}

std::string all_words(const Plan& plan) {
  std::string out;
  for (const ChannelChange& change : plan.changed) {
    for (const ValueChange& value : change.values) out += value.key + value.before + value.after;
    for (const std::string& push : change.interrupts_pushes) out += push;
  }
  for (const ValueChange& value : plan.node_values) out += value.key + value.before + value.after;
  return out;
}

TEST(Diff, AnotherBackupBehindTheOthersInterruptsNobody) {
  Model wanted = with_backup();
  wanted.channels[0].inputs.push_back(wanted.channels[0].inputs[1]);
  wanted.channels[0].inputs[2].number = 3;
  wanted.channels[0].inputs[2].url = "srt://far:9001";
  const ChannelChange made = diff(with_backup(), wanted).changed.at(0);
  EXPECT_THAT(made.keys, ElementsAre("inputs"));
  EXPECT_FALSE(made.interrupts_media || made.interrupts_hls);
  EXPECT_THAT(made.values, ElementsAre(ValueChange{"inputs.3", "", "srt://far:9001"}));
}

TEST(Diff, TheFirstBackupInterruptsNobody) {
  Model running = with_backup();
  running.channels[0].inputs.pop_back();
  const ChannelChange made = diff(running, with_backup()).changed.at(0);
  EXPECT_THAT(made.keys, ElementsAre("inputs"));
  EXPECT_FALSE(made.interrupts_media || made.interrupts_hls);
  EXPECT_THAT(made.interrupts_pushes, IsEmpty());
}

TEST(Diff, WhatIsOnAirGoesOnWhateverBecomesOfTheOtherInputs) {
  const auto interrupts = [](void (*edit)(std::vector<Input>&), const OnAir& on_air) {
    Model wanted = with_backup();
    edit(wanted.channels[0].inputs);
    const ChannelChange made = diff(with_backup(), wanted, on_air).changed.at(0);
    EXPECT_EQ(made.interrupts_media, made.interrupts_hls);
    EXPECT_EQ(made.interrupts_media, !made.interrupts_pushes.empty());
    return made.interrupts_media;
  };
  const auto last_goes = [](std::vector<Input>& inputs) { inputs.pop_back(); };
  EXPECT_FALSE(interrupts(last_goes, {{"news", 1}}));
  EXPECT_TRUE(interrupts(last_goes, {{"news", 2}}));
  EXPECT_TRUE(interrupts(last_goes, {{"sport", 1}})) << "nobody knows";
  const auto other_secret = [](std::vector<Input>& inputs) { inputs[1].passphrase = "hush another hush"; };
  EXPECT_FALSE(interrupts(other_secret, {{"news", 1}}));
  EXPECT_TRUE(interrupts(other_secret, {{"news", 2}}));
  const auto first_goes = [](std::vector<Input>& inputs) {
    inputs.erase(inputs.begin());
    inputs[0].number = 1;
  };
  EXPECT_TRUE(interrupts(first_goes, {{"news", 1}}));
  EXPECT_TRUE(interrupts(first_goes, {{"news", 2}})) << "it begins anew under its new number";
}

TEST(Diff, RemuxInterruptsWhoeverGetsAnotherBufferOrService) {
  using std::chrono::milliseconds;
  Model running = with_backup();
  running.channels[0].inputs.pop_back();
  running.channels[0].remux.buffer = milliseconds(0);
  const auto made = [&](void (*edit)(Remux&)) {
    Model wanted = running;
    edit(wanted.channels[0].remux);
    return diff(running, wanted).changed.at(0);
  };
  const auto rewritten = made([](Remux& remux) { remux.provider = "Example"; });
  EXPECT_TRUE(rewritten.interrupts_media && rewritten.interrupts_hls)
      << "from here on one service is cut out";
  running.channels[0].remux.provider = "Example";
  const auto named = made([](Remux& remux) { remux.provider = "Another"; });
  EXPECT_FALSE(named.interrupts_media || named.interrupts_hls) << "a version of the SDT";
  const auto number = made([](Remux& remux) { remux.service_id = 8; });
  EXPECT_TRUE(number.interrupts_media && number.interrupts_hls);
  const auto keys = made([](Remux& remux) { remux.ca = CaHandling::keep; });
  EXPECT_TRUE(keys.interrupts_media && keys.interrupts_hls);
  EXPECT_THAT(keys.values, ElementsAre(ValueChange{"remux.ca", "", "keep"}));
  const auto moved = made([](Remux& remux) {
    remux.pids = {{"video", 0, std::uint16_t{256}}, {"", 0x1FF0, std::nullopt}};
  });
  EXPECT_TRUE(moved.interrupts_media && moved.interrupts_hls);
  EXPECT_THAT(moved.values, ElementsAre(ValueChange{"remux.pids", "", "video: 256, 8176: drop"}));
  running.channels[0].remux.provider.clear();
  const auto same = made([](Remux& remux) { remux.buffer.reset(); });
  EXPECT_FALSE(same.interrupts_media || same.interrupts_hls) << "0 is what udp has without a word";
  const auto rate = made([](Remux& remux) { remux.bitrate = 6'000'000; });
  EXPECT_TRUE(rate.interrupts_media) << "null packets on another grid";
  EXPECT_FALSE(rate.interrupts_hls) << "which players never see";
  const auto later = made([](Remux& remux) { remux.buffer = milliseconds(500); });
  EXPECT_TRUE(later.interrupts_media);
  EXPECT_FALSE(later.interrupts_hls)
      << "there was no buffer whose content is lost, and players bear half a second";
  const auto much_later = made([](Remux& remux) { remux.buffer = milliseconds(5000); });
  EXPECT_TRUE(much_later.interrupts_media && much_later.interrupts_hls);
  running.channels[0].remux.buffer = milliseconds(700);
  const auto other = made([](Remux& remux) { remux.buffer = milliseconds(500); });
  EXPECT_TRUE(other.interrupts_media && other.interrupts_hls);
  running.channels[0].inputs[0].kind = InputKind::publish;
  const auto service = made([](Remux& remux) { remux.service_id = 7; });
  EXPECT_TRUE(service.interrupts_media && service.interrupts_hls);
}

TEST(Diff, FailoverInterruptsNobodyAndRateWhatLeavesAtIt) {
  Model wanted = with_backup();
  wanted.channels[0].failover.after = std::chrono::milliseconds(500);
  wanted.channels[0].failover.when = {Trouble::no_data, Trouble::pid};
  ChannelChange made = diff(with_backup(), wanted).changed.at(0);
  EXPECT_THAT(made.keys, ElementsAre("failover"));
  EXPECT_FALSE(made.interrupts_media || made.interrupts_hls);
  EXPECT_THAT(made.values, ElementsAre(ValueChange{"failover.after", "2s", "500ms"},
                                       ValueChange{"failover.when", "no_data, sync, pat, pmt, pcr, scrambled",
                                                   "no_data, pid"}));
  wanted = with_backup();
  wanted.channels[0].remux.bitrate = 6'500'000;
  made = diff(with_backup(), wanted).changed.at(0);
  EXPECT_THAT(made.keys, ElementsAre("remux"));
  EXPECT_TRUE(made.interrupts_media);
  EXPECT_FALSE(made.interrupts_hls);
  EXPECT_THAT(made.interrupts_pushes, IsEmpty());
  EXPECT_THAT(made.values, ElementsAre(ValueChange{"remux.bitrate", "", "6.5Mbps"}));
}

TEST(Diff, AnotherWebhookRestartsNothingAndShowsNoSecret) {
  Model wanted = with_backup();
  wanted.node.webhook =
      Webhook{"https://noc.example.net/hook/part-of-the-secret", "/etc/headgate/hook", "key"};
  const Plan plan = diff(with_backup(), wanted);
  EXPECT_THAT(plan.node_keys, ElementsAre("alarms.webhook"));
  EXPECT_THAT(plan.restarts, IsEmpty());
  EXPECT_THAT(
      plan.node_values,
      ElementsAre(ValueChange{"alarms.webhook", "", "https://noc.example.net signed by /etc/headgate/hook"}));
}

TEST(Diff, AnotherWatchOrThresholdInterruptsNobody) {
  Model wanted = with_backup();
  Channel& channel = wanted.channels[0];
  channel.watch = {std::chrono::milliseconds(1000), Watching::always, Watching::never};
  channel.alarms.black = std::chrono::milliseconds(0);
  channel.alarms.loudness = LoudnessRange{-315, -150};
  channel.alarms.cc_errors = ErrorRate{3, std::chrono::hours(1)};
  channel.alarms.bitrate = RateRange{3'000'000, 7'500'000};
  ChannelChange made = diff(with_backup(), wanted).changed.at(0);
  EXPECT_THAT(made.keys, ElementsAre("watch", "alarms"));
  EXPECT_FALSE(made.interrupts_media);
  EXPECT_THAT(made.interrupts_viewers, IsEmpty());
  EXPECT_THAT(made.interrupts_pushes, IsEmpty());
  EXPECT_THAT(
      made.values,
      ElementsAre(ValueChange{"watch.every", "5s", "1s"}, ValueChange{"watch.pictures", "auto", "always"},
                  ValueChange{"watch.sound", "auto", "never"}, ValueChange{"alarms.black", "3s", "never"},
                  ValueChange{"alarms.loudness", "-40LUFS..-8LUFS", "-31.5LUFS..-15LUFS"},
                  ValueChange{"alarms.cc_errors", "10/min", "3/h"},
                  ValueChange{"alarms.bitrate", "never", "3Mbps..7.5Mbps"}));
}

TEST(Diff, AnotherTranscodingInterruptsThoseWhoHaveAacThatComesOrGoes) {
  using Words = std::pair<AudioTranscode, AudioTranscode>;
  const auto interrupted = [](Words words, const SoundSeen& seen) {
    Model running = sample(), wanted = sample();
    running.channels[0].rtmp = wanted.channels[0].rtmp = true;
    running.channels[0].audio.transcode = words.first;
    wanted.channels[0].audio.transcode = words.second;
    const ChannelChange made = diff(running, wanted, {}, seen).changed.at(0);
    EXPECT_THAT(made.keys, ElementsAre("audio"));
    EXPECT_FALSE(made.interrupts_media);
    return made.interrupts_viewers;
  };
  constexpr auto kAuto = AudioTranscode::automatic, kNever = AudioTranscode::never,
                 kAlways = AudioTranscode::always;
  const auto of = [](Sound sound) { return SoundSeen{{"news", {Sound::aac, sound}}}; };
  const SoundSeen mp2 = of(Sound::other), dolby = of(Sound::dolby), latm = of(Sound::latm);
  EXPECT_THAT(interrupted({kAuto, kNever}, mp2), ElementsAre("hls", "rtmp"));
  EXPECT_THAT(interrupted({kNever, kAuto}, mp2), ElementsAre("hls")) << "RTMP players get sound beside";
  EXPECT_THAT(interrupted({kAuto, kAlways}, mp2), IsEmpty());
  EXPECT_THAT(interrupted({kAuto, kNever}, dolby), ElementsAre("hls", "rtmp"));
  EXPECT_THAT(interrupted({kNever, kAuto}, dolby), ElementsAre("hls", "rtmp")) << "AAC takes its place";
  EXPECT_THAT(interrupted({kAuto, kNever}, latm), ElementsAre("hls")) << "RTMP gets it as it is";
  EXPECT_THAT(interrupted({kAuto, kNever}, of(Sound::aac)), IsEmpty());
  EXPECT_THAT(interrupted({kNever, kAlways}, of(Sound::aac)), IsEmpty());
  EXPECT_THAT(interrupted({kAuto, kNever}, of(Sound::other_aac)), IsEmpty());
  EXPECT_THAT(interrupted({kAuto, kAlways}, of(Sound::mp3)), ElementsAre("hls", "rtmp"));
  EXPECT_THAT(interrupted({kAuto, kNever}, {{"sport", {}}}), ElementsAre("hls", "rtmp")) << "nobody knows";
}

TEST(Diff, NamesRenditionsAndWhoLosesAMember) {
  Model running = sample(), wanted = sample();
  const RenditionMember news{"news", false, 0, 0, 0}, sport{"sport", false, 0, 0, 0},
      small{"news", true, 0, 360, 800'000}, sized{"news", true, 640, 360, 800'000};
  running.renditions = {{"gone", {news, sport}}, {"wider", {news, sport}}, {"other", {news, small}}};
  wanted.renditions = {{"new", {news, sport}}, {"wider", {news, sport, small}}, {"other", {news, sized}}};
  const Plan plan = diff(running, wanted);
  EXPECT_FALSE(plan.empty());
  EXPECT_THAT(plan.untouched, ElementsAre("news", "sport"));
  EXPECT_THAT(
      plan.renditions,
      ElementsAre(RenditionChange{"new", "", "news, sport", false},
                  RenditionChange{"wider", "news, sport", "news, sport, news in 360 lines at 800kbps", false},
                  RenditionChange{"other", "news, news in 360 lines at 800kbps",
                                  "news, news in 640x360 at 800kbps", true},
                  RenditionChange{"gone", "news, sport", "", true}));
  EXPECT_TRUE(diff(running, running).empty());
}

TEST(Diff, NamesMultiplexesAndWhatBeginsAnew) {
  Model running = sample(), wanted = sample();
  Push push;
  push.url = "udp://239.30.1.1:5000";
  const Multiplex one{"one", 1, 2, 3, 12'000'000, false, {"news"}, {push}};
  Multiplex gone = one, faster = one;
  gone.id = "gone";
  faster.id = "rate";
  running.multiplexes = {one, gone, faster};
  wanted.multiplexes = {one, faster};
  wanted.multiplexes[0].channels = {"news", "sport"};
  wanted.multiplexes[1].bitrate = 13'000'000;
  const Plan plan = diff(running, wanted);
  EXPECT_FALSE(plan.empty());
  EXPECT_THAT(plan.untouched, ElementsAre("news", "sport"));
  ASSERT_EQ(plan.multiplexes.size(), 3U);
  EXPECT_EQ(plan.multiplexes[0].before, "news at 12Mbps to udp://239.30.1.1:5000 as 1/3 of network 2");
  EXPECT_EQ(plan.multiplexes[0].after, "news, sport at 12Mbps to udp://239.30.1.1:5000 as 1/3 of network 2");
  EXPECT_FALSE(plan.multiplexes[0].interrupts_media);
  EXPECT_TRUE(plan.multiplexes[1].interrupts_media) << "another rate";
  EXPECT_EQ(plan.multiplexes[2].id, "gone");
  EXPECT_TRUE(plan.multiplexes[2].interrupts_media);
  wanted = running;
  wanted.multiplexes[0].push.clear();
  EXPECT_TRUE(diff(running, wanted).multiplexes.at(0).interrupts_media) << "its push goes";
  EXPECT_TRUE(diff(running, running).empty());
}

TEST(Diff, ShowsThatASecretIsAnotherAndNeverTheSecret) {
  Model wanted = with_backup();
  wanted.channels[0].inputs[1].passphrase = "hush another hush";
  wanted.channels[0].push[1].stream = "hush too";
  wanted.node.rtmps = {{"[::]:1936", "/tls/cert", "/tls/key", "hush", "hush"}};
  Model running = with_backup();
  running.node.rtmps = {{"[::]:1936", "/tls/cert", "/tls/key", "hush", "hush now"}};
  const Plan plan = diff(running, wanted);
  EXPECT_EQ(all_words(plan).find("hush"), std::string::npos) << all_words(plan);
  EXPECT_THAT(plan.changed.at(0).interrupts_pushes, ElementsAre("rtmp://far/app"));
  EXPECT_TRUE(plan.changed[0].interrupts_media) << "its source connects again";
  EXPECT_THAT(plan.node_values,
              ElementsAre(ValueChange{"servers.rtmps", "[::]:1936 certificate /tls/cert key /tls/key",
                                      "other secrets"}));
  EXPECT_THAT(plan.listeners, IsEmpty()) << "a renewed certificate costs nobody the connection";
}

}  // namespace
}  // namespace headgate::config

#include "config/load/load.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace headgate::config {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kNode = R"(
node: hg1
interfaces:
  cap0:
    device: af_packet:eth1
    address: 10.20.0.5/24
    default: true
    vlans: { 120: { address: 10.21.0.5/24 } }
  cap1: { device: "af_packet:eth2", address: 10.20.1.5/24 }
servers: { http: { listen: "[::]:8080" } }
channels: channels.yaml
)";

LoadResult load_map(const std::string& channels, const std::string& node = kNode) {
  return load_texts({{"/etc/headgate/headgate.yaml", node}, {"/etc/headgate/channels.yaml", channels}},
                    Secrets::none);
}

// Of a map that must be right.
Model model_of(const std::string& channels, const std::string& node = kNode) {
  const LoadResult result = load_map(channels, node);
  for (const Diagnostic& diagnostic : result.diagnostics) ADD_FAILURE() << to_string(diagnostic);
  return result.ok() ? *result.model : Model{};
}

TEST(Load, TakesDefaultsOfTheNodeFile) {
  const Node node = model_of("channels: {}", "channels: channels.yaml").node;
  char host[65] = {};
  ASSERT_EQ(gethostname(host, sizeof host - 1), 0);
  EXPECT_EQ(node.node, host);
  EXPECT_EQ(node.run_dir, "/run/headgate");
  EXPECT_EQ(node.data_dir, "/var/lib/headgate");
  EXPECT_EQ(node.log_level, LogLevel::info);
  EXPECT_FALSE(node.admin);
}

TEST(Load, ReadsInterfacesWithVlans) {
  const Node node = model_of("channels: {}").node;
  ASSERT_EQ(node.interfaces.size(), 2U);
  const Interface expected{"cap0", "af_packet:eth1", {"10.20.0.5/24"},         true,
                           1500,   Igmp::automatic,  {{120, {"10.21.0.5/24"}}}};
  EXPECT_EQ(node.interfaces[0], expected);
}

TEST(Load, ResolvesInputsToInterfacesAndCanonicalUrls) {
  const Model model = model_of(R"(
channels:
  a: { inputs: [ "udp://10.1.1.7@239.10.1.1:5000" ] }
  b: { inputs: [ "rtp://@239.10.1.2:5000?interface=cap1" ], program: { name: "Sport 24" } }
  c: { inputs: [ { url: "udp://:5000", vlan: 120, program: 0x10 } ], program: 7 }
)");
  ASSERT_EQ(model.channels.size(), 3U);
  const Input& a = model.channels[0].inputs.at(0);
  EXPECT_EQ(a.url, "udp://10.1.1.7@239.10.1.1:5000");
  EXPECT_EQ(a.interface, "cap0");
  EXPECT_EQ(a.source, "10.1.1.7");
  EXPECT_EQ(a.number, 1U);
  const Input& b = model.channels[1].inputs.at(0);
  EXPECT_EQ(b.url, "rtp://239.10.1.2:5000?interface=cap1");
  EXPECT_EQ(b.protocol, DatagramProtocol::rtp);
  EXPECT_EQ(b.program, Program(std::string("Sport 24")));
  const Input& c = model.channels[2].inputs.at(0);
  EXPECT_EQ(c.url, "udp://:5000?vlan=120");
  EXPECT_EQ(c.group, "10.21.0.5");
  EXPECT_EQ(c.program, Program(std::uint16_t{16}));
}

constexpr const char* kWays = R"(
servers: { rtmp: { listen: "[::]:1935" }, srt: { listen: "[::]:9000" } }
channels: channels.yaml
)";

TEST(Load, TakesInputsOfAllKindsAndKeepsSecretsOutOfTheirUrls) {
  const auto inputs = model_of(R"(
channels:
  a:
    inputs:
      - { url: "srt://far:9000?latency=200ms&streamid=%23!::r=x%3Fkey=hush", program: 7 }
      - srt://:9100
      - rtmp://far/app/stream?token=hush
      - https://user:hush@far:8443/live/a.M3U8?token=hush&program=9
      - http://far/a.ts
      - "file:///srv/my%20slate.ts"
      - publish: { grace: 10s }
      - "srt://far:9000?streamid=other"
)",
                               kWays)
                          .channels.at(0)
                          .inputs;
  ASSERT_EQ(inputs.size(), 8U);
  const auto is = [&](std::size_t i, InputKind kind, const char* url, const char* address) {
    EXPECT_EQ(inputs[i].number, i + 1);
    EXPECT_EQ(inputs[i].kind, kind) << url;
    EXPECT_EQ(inputs[i].url, url);
    EXPECT_EQ(inputs[i].address, address);
    EXPECT_EQ(inputs[i].url.find("hush"), std::string::npos);
  };
  is(0, InputKind::srt_caller, "srt://far:9000", "far:9000");
  EXPECT_EQ(inputs[0].latency, milliseconds(200));
  EXPECT_EQ(inputs[0].stream_id, "#!::r=x?key=hush");
  EXPECT_EQ(inputs[0].program, Program(std::uint16_t{7}));
  is(1, InputKind::srt_listener, "srt://:9100", "[::]:9100");
  EXPECT_EQ(inputs[1].latency, milliseconds(120));
  is(2, InputKind::rtmp, "rtmp://far/app/stream", "rtmp://far/app/stream?token=hush");
  is(3, InputKind::hls, "https://far:8443/live/a.M3U8", "https://user:hush@far:8443/live/a.M3U8?token=hush");
  EXPECT_EQ(inputs[3].program, Program(std::uint16_t{9}));
  is(4, InputKind::http_ts, "http://far/a.ts", "http://far/a.ts");
  is(5, InputKind::file, "file:///srv/my slate.ts", "/srv/my slate.ts");
  is(6, InputKind::publish, "publish", "");
  EXPECT_EQ(inputs[6].grace, milliseconds(10'000));
  is(7, InputKind::srt_caller, "srt://far:9000#2", "far:9000");
}

TEST(Load, SplitsAnRtmpPushIntoApplicationAndStreamName) {
  const auto pushes = model_of(R"(
channels:
  a:
    inputs: [ publish: ]
    push:
      - rtmp://far/app/instance/stream?key=abc
      - { url: "srt://far:9000", latency: 1s, streamid: "publish:x", enabled: false }
)",
                               kWays)
                          .channels.at(0)
                          .push;
  ASSERT_EQ(pushes.size(), 2U);
  EXPECT_EQ(pushes[0].kind, PushKind::rtmp);
  EXPECT_EQ(pushes[0].address, "rtmp://far/app/instance");
  EXPECT_EQ(pushes[0].stream, "stream?key=abc");
  EXPECT_EQ(pushes[0].url, "rtmp://far/app/instance/stream");
  EXPECT_EQ(pushes[1].kind, PushKind::srt);
  EXPECT_EQ(pushes[1].address, "far:9000");
  EXPECT_EQ(pushes[1].stream_id, "publish:x");
  EXPECT_EQ(pushes[1].latency, milliseconds(1000));
  EXPECT_FALSE(pushes[1].enabled);
}

TEST(Load, GivesFailoverItsDefaultsAndMergesIt) {
  const Model model = model_of(R"(
defaults: { failover: { after: 500ms, back: manual } }
channels:
  a: { inputs: [ publish: ], failover: { hold: 0s, when: [pcr, no_data] } }
  b: { inputs: [ publish: ] }
)",
                               kWays);
  EXPECT_EQ(model.channels[0].failover,
            (Failover{milliseconds(500), false, milliseconds(0), {Trouble::pcr, Trouble::no_data}}));
  EXPECT_EQ(model.channels[1].failover.hold, milliseconds(10'000));
  EXPECT_EQ(model.channels[1].failover.when, Failover{}.when);
}

TEST(Load, GivesEachKindOfInputItsBuffer) {
  const Model model = model_of(R"(
channels:
  plain: { inputs: [ { publish: {} }, "srt://far:9000", "http://far/x.ts", "http://far/x.m3u8", "rtmp://far/a/s" ] }
  rate: { inputs: [ { publish: {} }, "srt://far:9000" ], remux: { bitrate: 6.5Mbps } }
  told: { inputs: [ { publish: {} }, "srt://far:9000" ], remux: { bitrate: 800kbps, buffer: 300ms } }
)",
                               kWays);
  const auto buffers = [&](std::size_t i) {
    std::vector<std::int64_t> out;
    for (const Input& input : model.channels.at(i).inputs)
      out.push_back(buffer_of(model.channels[i], input).count());
    return out;
  };
  EXPECT_THAT(buffers(0), ElementsAre(1000, 0, 1000, 1000, 1000));
  EXPECT_THAT(buffers(1), ElementsAre(1000, 200));
  EXPECT_THAT(buffers(2), ElementsAre(300, 300));
  EXPECT_EQ(model.channels[1].remux.bitrate, 6'500'000U);
}

TEST(Load, GivesPushesTheirDefaultsAndOptions) {
  const Model model = model_of(R"(
channels:
  a:
    inputs: [ "udp://239.10.1.1:5000" ]
    push: [ "udp://239.20.1.1:5000", { url: "rtp://239.20.1.2:5000?ttl=8&dscp=34", vlan: 120, enabled: false } ]
)");
  const auto& push = model.channels.at(0).push;
  ASSERT_EQ(push.size(), 2U);
  EXPECT_EQ(push[0].ttl, 16);
  EXPECT_EQ(push[0].dscp, 0);
  EXPECT_TRUE(push[0].enabled);
  EXPECT_EQ(push[1].ttl, 8);
  EXPECT_EQ(push[1].dscp, 34);
  EXPECT_EQ(push[1].vlan, 120);
  EXPECT_FALSE(push[1].enabled);
  EXPECT_EQ(push[1].url, "rtp://239.20.1.2:5000?vlan=120");
}

TEST(Load, MergesDefaultsKeyByKeyAndServesExactlyWhatAChannelNames) {
  const Model model = model_of(R"(
defaults: { tags: [hd], serve: { hls: { segment: 2s, window: 10 } } }
channels:
  a: { inputs: [ "udp://239.10.1.1:5000" ] }
  b: { inputs: [ "udp://239.10.1.2:5000" ], tags: [sd, old], serve: { hls: { window: 12 } } }
  c: { inputs: [ "udp://239.10.1.3:5000" ], serve: [hls] }
  d: { inputs: [ "udp://239.10.1.4:5000" ], serve: [] }
)");
  EXPECT_EQ(model.channels[0].hls, (HlsOptions{milliseconds(2000), 10}));
  EXPECT_THAT(model.channels[0].tags, ElementsAre("hd"));
  EXPECT_EQ(model.channels[1].hls, (HlsOptions{milliseconds(2000), 12}));
  EXPECT_THAT(model.channels[1].tags, ElementsAre("sd", "old"));
  EXPECT_EQ(model.channels[2].hls, (HlsOptions{milliseconds(2000), 10}));
  EXPECT_FALSE(model.channels[3].hls);
}

constexpr const char* kServers = R"(
servers:
  http: { listen: "[::]:8080" }
  rtmp: { listen: "[::]:1935" }
  srt: [ { listen: "[::]:9000" }, { listen: "[::]:9001", latency: 2s } ]
channels: channels.yaml
interfaces: { cap0: { device: "af_packet:eth1" } }
)";

TEST(Load, TakesAServerAsOneMapOrAList) {
  const Node node = model_of("channels: {}", kServers).node;
  EXPECT_THAT(node.rtmp, ElementsAre(RtmpServer{"[::]:1935"}));
  EXPECT_THAT(node.srt, ElementsAre(SrtServer{"[::]:9000", milliseconds(120), "", ""},
                                    SrtServer{"[::]:9001", milliseconds(2000), "", ""}));
}

TEST(Load, ServesAListAndAMapOfProtocolsAlike) {
  for (const char* serve : {"[hls, rtmp, srt, http-ts]", "{ hls: {}, rtmp: {}, srt: {}, http-ts: {} }"}) {
    const Model model = model_of(
        fmt::format("channels: {{ a: {{ inputs: [ 'udp://239.10.1.1:5000' ], serve: {} }} }}", serve),
        kServers);
    ASSERT_EQ(model.channels.size(), 1U);
    EXPECT_THAT(served(model.channels[0]), ElementsAre("hls", "http-ts", "rtmp", "srt"));
  }
}

TEST(Load, ServesByOwnProtocolsAndNotByThoseOfTheDefaults) {
  const Model model = model_of(R"(
defaults: { serve: [hls, srt, rtmp] }
channels:
  a: { inputs: [ "udp://239.10.1.1:5000" ] }
  b: { inputs: [ "udp://239.10.1.2:5000" ], serve: [http-ts] }
  c: { inputs: [ "udp://239.10.1.3:5000" ], serve: { rtmp: {} } }
  d: { inputs: [ "udp://239.10.1.4:5000" ], serve: [] }
)",
                               kServers);
  ASSERT_EQ(model.channels.size(), 4U);
  EXPECT_THAT(served(model.channels[0]), ElementsAre("hls", "rtmp", "srt"));
  EXPECT_THAT(served(model.channels[1]), ElementsAre("http-ts"));
  EXPECT_THAT(served(model.channels[2]), ElementsAre("rtmp"));
  EXPECT_THAT(served(model.channels[3]), ElementsAre());
}

TEST(Load, NamesAChannelByItsIdWithoutName) {
  EXPECT_EQ(model_of("channels: { 24h: { inputs: [ 'udp://239.10.1.1:5000' ] } }").channels.at(0).name,
            "24h");
}

TEST(Load, GivesRunAndDataDirOutOfABrokenFile) {
  const LoadResult syntax = load_map("channels: {}", "run_dir: /run/hg\ndata_dir: /srv/hg\nnode: [a\n");
  EXPECT_FALSE(syntax.ok());
  EXPECT_EQ(syntax.run_dir, "/run/hg");
  EXPECT_EQ(syntax.data_dir, "/srv/hg");
  const LoadResult unknown =
      load_map("channels: {}", "run_dir: /run/hg\nbogus: 1\nchannels: channels.yaml\n");
  EXPECT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.run_dir, "/run/hg");
  EXPECT_EQ(unknown.data_dir, "/var/lib/headgate");
  EXPECT_EQ(load_map("", "run_dir: [x]\n").run_dir, "");
}

TEST(Load, SaysWhyTheNodeFileIsUnreadable) {
  const LoadResult result = load("/nonexistent/headgate.yaml");
  ASSERT_EQ(result.diagnostics.size(), 1U);
  EXPECT_EQ(
      to_string(result.diagnostics[0]),
      "/nonexistent/headgate.yaml:1:1: error: there is no such file: write the node file there, or name "
      "another with --config");
  EXPECT_EQ(result.run_dir, "");
}

TEST(Load, RefusesADirectoryAndADeviceAsFile) {
  EXPECT_THAT(load("/tmp").diagnostics.at(0).message, HasSubstr("it is a directory"));
  EXPECT_THAT(load("/dev/zero").diagnostics.at(0).message, HasSubstr("no regular file"));
}

TEST(Load, RefusesAFileBeyond4MiB) {
  const LoadResult result = load_map("channels: {}\n#" + std::string(5 << 20, 'x'));
  EXPECT_FALSE(result.ok());
  EXPECT_THAT(result.diagnostics.at(0).message, HasSubstr("4 MiB"));
  const std::string path = testing::TempDir() + "/headgate-large-" + std::to_string(::getpid()) + ".yaml";
  std::ofstream(path) << "#" << std::string((std::size_t{30} << 20) - 1, 'x');
  EXPECT_EQ(load(path).diagnostics.at(0).message, "the file has 30.0 MiB, and 4 MiB is the most: split it");
  std::remove(path.c_str());
}

std::string many_channels(int count, int pushes) {
  std::string text = "defaults: { serve: [hls] }\nchannels:\n";
  for (int i = 0; i < count; ++i) {
    text += fmt::format("  ch{}:\n    name: Channel {}\n    number: {}\n    tags: [hd]\n", i, i, i + 1);
    text += fmt::format("    inputs: [ \"udp://10.1.1.7@239.10.{}.{}:5000\" ]\n    push:\n", i / 250,
                        i % 250 + 1);
    for (int p = 0; p < pushes; ++p) {
      text += fmt::format("      - {{ url: \"udp://239.{}.{}.{}:5000?ttl=8\", dscp: 34 }}\n", 20 + p, i / 250,
                          i % 250 + 1);
    }
  }
  return text;
}

TEST(Load, Takes2000ChannelsAndNotOneMore) {
  EXPECT_EQ(model_of(many_channels(2000, 1)).channels.size(), 2000U);
  const LoadResult result = load_map(many_channels(2001, 1));
  ASSERT_EQ(result.diagnostics.size(), 1U);
  EXPECT_THAT(result.diagnostics[0].message, HasSubstr("more than 2000 channels"));
}

TEST(Load, RefusesMorePushesThanTheFastPathHolds) {
  const LoadResult result = load_map(many_channels(1400, 3));
  ASSERT_EQ(result.diagnostics.size(), 1U);
  EXPECT_THAT(result.diagnostics[0].message, HasSubstr("more than 4096 pushes"));
}

TEST(Load, KeepsTheTextsOfBothFilesAsRead) {
  const LoadResult result = load_map("channels: {}");
  ASSERT_EQ(result.sources.size(), 2U);
  EXPECT_EQ(result.sources[0].text, kNode);
  EXPECT_EQ(result.sources[1].path, "/etc/headgate/channels.yaml");
  // What was applied loads again to the same model.
  EXPECT_EQ(*load_texts(result.sources).model, *result.model);
}

class TokensFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "headgate-tokens-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    write("headgate.yaml",
          "servers: { admin: { listen: '[::]:9470', tokens_file: tokens } }\nchannels: c.yaml\n");
    write("c.yaml", "channels: {}\n");
    write("tokens", "admin 0123456789abcdef\nviewer fedcba9876543210\n");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }
  LoadResult result(mode_t mode) {
    EXPECT_EQ(chmod((folder_ / "tokens").c_str(), mode), 0);
    return load((folder_ / "headgate.yaml").string());
  }
  std::filesystem::path folder_;
};

TEST_F(TokensFile, IsReadRelativeToTheNodeFile) {
  const LoadResult loaded = result(0640);
  ASSERT_TRUE(loaded.ok());
  EXPECT_TRUE(loaded.diagnostics.empty());
  EXPECT_THAT(loaded.model->node.admin->tokens,
              ElementsAre(AdminToken{"admin", "0123456789abcdef"}, AdminToken{"viewer", "fedcba9876543210"}));
  EXPECT_EQ(loaded.sources.size(), 2U) << "secrets are not among the sources";
}

TEST_F(TokensFile, OfWiderPermissionsIsWarnedOf) {
  const LoadResult loaded = result(0644);
  ASSERT_TRUE(loaded.ok());
  ASSERT_EQ(loaded.diagnostics.size(), 1U);
  EXPECT_EQ(loaded.diagnostics[0].severity, Severity::warning);
  EXPECT_THAT(loaded.diagnostics[0].message, HasSubstr("chmod 640"));
}

class PassphraseFile : public TokensFile {
 protected:
  void SetUp() override {
    TokensFile::SetUp();
    std::filesystem::create_directories(folder_ / "maps/keys");
    write("headgate.yaml",
          "servers: { srt: { listen: '[::]:9000', passphrase_file: server } }\nchannels: maps/c.yaml\n"
          "interfaces: { cap0: { device: 'af_packet:eth1' } }\n");
    write("maps/c.yaml",
          "defaults: { serve: { srt: { passphrase_file: keys/default } } }\nchannels:\n"
          "  a: { inputs: [ 'udp://239.1.1.1:5000' ], serve: { srt: { passphrase_file: keys/own } } }\n"
          "  b: { inputs: [ 'udp://239.1.1.2:5000' ], serve: [srt] }\n");
    write("server", "of the server\n");
    write("maps/keys/own", "of one channel");
    write("maps/keys/default", "of the defaults\r\n");
    for (const char* name : {"server", "maps/keys/own", "maps/keys/default"}) mode(name, 0640);
  }
  void mode(const char* name, mode_t mode) { ASSERT_EQ(chmod((folder_ / name).c_str(), mode), 0); }
  LoadResult loaded() { return load((folder_ / "headgate.yaml").string()); }
};

TEST_F(PassphraseFile, IsReadRelativeToTheFileThatNamesIt) {
  const LoadResult result = loaded();
  for (const Diagnostic& diagnostic : result.diagnostics) ADD_FAILURE() << to_string(diagnostic);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.model->node.srt.at(0).passphrase, "of the server");
  EXPECT_EQ(result.model->channels.at(0).srt->passphrase, "of one channel");
  EXPECT_EQ(result.model->channels.at(1).srt->passphrase, "of the defaults");
  EXPECT_EQ(result.model->channels[1].srt->passphrase_file, (folder_ / "maps/keys/default").string());
  Model kept = *result.model;
  kept.channels[0].srt->passphrase.clear();
  kept.channels[1].srt->passphrase.clear();
  kept.node.srt[0].passphrase.clear();
  read_secrets(kept);
  EXPECT_EQ(kept, *result.model);
  EXPECT_EQ(result.sources.size(), 2U) << "secrets are not among the sources";
}

TEST_F(PassphraseFile, MayHaveALongPath) {
  const std::string deep(140, 'd');
  std::filesystem::create_directories(folder_ / "maps" / deep);
  write("maps/" + deep + "/own", "deep down in here");
  mode(("maps/" + deep + "/own").c_str(), 0640);
  write("maps/c.yaml",
        "channels: { a: { inputs: [ 'udp://239.1.1.1:5000' ], serve: { srt: { passphrase_file: " + deep +
            "/own } } } }\n");
  const LoadResult result = loaded();
  ASSERT_TRUE(result.ok()) << to_string(result.diagnostics.at(0));
  EXPECT_EQ(result.model->channels.at(0).srt->passphrase, "deep down in here");
}

TEST_F(PassphraseFile, OfWiderPermissionsIsWarnedOfAndNeverShown) {
  for (const char* name : {"server", "maps/keys/own", "maps/keys/default"}) mode(name, 0644);
  const LoadResult result = loaded();
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(result.diagnostics.size(), 3U);
  for (const Diagnostic& diagnostic : result.diagnostics) {
    EXPECT_EQ(diagnostic.severity, Severity::warning);
    EXPECT_THAT(diagnostic.message, HasSubstr("chmod 640"));
    EXPECT_THAT(diagnostic.message, testing::Not(HasSubstr("of one")));
  }
}

}  // namespace
}  // namespace headgate::config

#include "control/protocol/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace headgate::protocol {
namespace {

using nlohmann::json;

FastpathState full_fastpath() {
  FastpathState s;
  s.generation = 12;
  s.node = "edge1";
  s.hugepages = HugepageMode::never;
  s.idle = IdleMode::poll;
  s.cores = {1, 3};
  s.log_level = "debug";
  s.log_format = "json";
  s.interfaces = {{"cap0", "af_packet:eth1", 9000, IgmpMode::v2, {"10.0.0.5/24"}, {{21, {"10.21.0.5/24"}}}}};
  FastpathChannel channel;
  channel.id = "news";
  channel.handle = 7;
  channel.to_bridge = true;
  channel.failover = {500, 3000, false, {Trouble::no_data, Trouble::bitrate}};
  channel.forced_input = 2;
  channel.bitrate_bps = 6'000'000;
  channel.watch_standby = true;
  channel.remux =
      RemuxState{101, CaHandling::keep, {{"audio.eng", 0, 257}, {"", 0x1FF0, 0}}, "Example", "News"};
  InputState input;
  input.number = 2;
  input.url = "rtp://10.1.1.1@239.1.1.1:5000";
  input.program = Program(std::uint16_t{101});
  input.buffer_ms = 200;
  input.protocol = DatagramProtocol::rtp;
  input.interface = "cap0";
  input.vlan = 21;
  input.group = "239.1.1.1";
  input.source = "10.1.1.1";
  input.port = 5000;
  InputState encoder;
  encoder.number = 3;
  encoder.url = "publish";
  encoder.way = InputWay::bridge;
  encoder.buffer_ms = 1000;
  channel.inputs = {input, encoder};
  channel.outputs = {{"udp://239.2.2.2:5002", DatagramProtocol::udp, "cap0", 0, "239.2.2.2", 5002, 4, 34}};
  s.channels = {channel, channel};
  s.channels[1].inputs[0].program = Program(std::string("Das Erste"));
  FastpathMultiplex multiplex{"mux1", 1, 0x3001, 0x20FA, 12'000'000, true, {}, channel.outputs};
  multiplex.members = {{"news", 101, 3, "News HD", "Example", 7, 4'000'000}};
  s.multiplexes = {multiplex};
  return s;
}

BridgeState full_bridge() {
  BridgeState s;
  s.generation = 3;
  s.node = "edge1";
  s.http_listen = {"[::]:8080", "127.0.0.1:0"};
  s.channels.resize(2);
  BridgeChannel& news = s.channels[0];
  news.id = "news";
  news.handle = 7;
  news.name = "News \xC3\xBC";
  news.program = Program(std::string("A"));
  news.hls = HlsState{2000, 5};
  news.http_ts = true;
  news.srt = SrtServeState{"of the channel"};
  BridgeChannel& other = s.channels[1];
  other.id = other.name = "x";
  other.handle = 8;
  other.rtmp = true;
  other.srt = SrtServeState{};
  BridgeInput caller;
  caller.number = 2;
  caller.url = "srt://far:9000";
  caller.kind = SourceKind::srt_caller;
  caller.address = "far:9000";
  caller.passphrase = "of the far end";
  caller.stream_id = "#!::r=x";
  caller.latency_ms = 300;
  BridgeInput encoder;
  encoder.url = "publish";
  encoder.key = "secret";
  encoder.grace_ms = 7000;
  s.channels[0].inputs = {encoder, caller};
  BridgePush push;
  push.url = "rtmp://far/app";
  push.address = "rtmp://far/app";
  push.stream = "secret";
  s.channels[0].pushes = {push};
  s.channels[0].service_id = 101;
  s.channels[0].provider = "Example";
  s.channels[0].transcode = AudioTranscode::always;
  s.channels[0].watch = {false, true, 1000, 0, 1, 2, 3, 4, 5, 6, -310, 0};
  s.channels[1].transcode = AudioTranscode::never;
  s.renditions = {{"abr", {{"news", false, 0, 0, 0, 0}, {"news", true, 9, 640, 360, 800'000}}}};
  s.rtmps_servers = {{"[::]:1936", "CERTIFICATE", "KEY"}};
  s.rtmp_listen = {"[::]:1935"};
  s.srt_servers = {{"[::]:9000", 200, "of the server"}, {"[::]:9001", 120, ""}};
  return s;
}

TEST(State, FastpathStateSurvivesItsJson) {
  const auto parsed = parse_fastpath_state(to_json(full_fastpath()));
  ASSERT_TRUE(parsed) << parsed.error();
  EXPECT_EQ(*parsed, full_fastpath());
}

TEST(State, BridgeStateSurvivesItsJson) {
  const auto parsed = parse_bridge_state(to_json(full_bridge()));
  ASSERT_TRUE(parsed) << parsed.error();
  EXPECT_EQ(*parsed, full_bridge());
}

TEST(State, EmptyStatesSurviveTheirJson) {
  EXPECT_EQ(*parse_fastpath_state(to_json(FastpathState{})), FastpathState{});
  EXPECT_EQ(*parse_bridge_state(to_json(BridgeState{})), BridgeState{});
}

TEST(State, NameOfBrokenUtf8IsWrittenWithReplacements) {
  BridgeState s = full_bridge();
  s.channels[0].name = "bad\xFF";
  const auto parsed = parse_bridge_state(to_json(s));
  ASSERT_TRUE(parsed) << parsed.error();
  EXPECT_EQ(parsed->channels[0].name, "bad\xEF\xBF\xBD");
}

struct BadMember {
  const char* pointer;  // JSON pointer to set
  const char* value;    // JSON text; nullptr removes
  const char* error;
};

TEST(State, ErrorsNameTheMember) {
  const BadMember cases[] = {
      {"/version", "1", "version: is 1, this program reads 2"},
      {"/version", nullptr, "version: missing"},
      {"/generation", "-1", "generation: must be a whole number from 0 to 18446744073709551615"},
      {"/node", "7", "node: must be a string"},
      {"/hugepages", "\"maybe\"", "hugepages: must be one of automatic, required, never"},
      {"/cores/1", "\"x\"", "cores[1]: must be a whole number from 0 to 4294967295"},
      {"/extra", "1", "extra: unknown member"},
      {"/channels", "{}", "channels: must be an array"},
      {"/interfaces/0/vlans/0/id", "4095",
       "interfaces[0].vlans[0].id: must be a whole number from 0 to 4094"},
      {"/interfaces/0/igmp", "\"v4\"", "interfaces[0].igmp: must be one of automatic, v1, v2, v3"},
      {"/channels/1/inputs/0/port", "65536",
       "channels[1].inputs[0].port: must be a whole number from 0 to 65535"},
      {"/channels/1/inputs/0/source", nullptr, "channels[1].inputs[0].source: missing"},
      {"/channels/0/outputs/0/dscp", "64",
       "channels[0].outputs[0].dscp: must be a whole number from 0 to 63"},
      {"/channels/0/inputs/0/program", "1.5",
       "channels[0].inputs[0].program: must be a whole number from 0 to 65535"},
      {"/channels/0/inputs/0/program", "[]",
       "channels[0].inputs[0].program: must be a service's number, its name, or null"},
      {"/channels/0/inputs/0/way", "\"air\"", "channels[0].inputs[0].way: must be one of datagrams, bridge"},
      {"/channels/0/failover/when/1", "\"rain\"", "channels[0].failover.when[1]: names no trouble"},
      {"/channels/0/to_bridge", "1", "channels[0].to_bridge: must be true or false"},
      {"/channels/0/inputs/1/buffer_ms", "60001",
       "channels[0].inputs[1].buffer_ms: must be a whole number from 0 to 60000"},
      {"/channels/0/forced_input", "null",
       "channels[0].forced_input: must be a whole number from 0 to 4294967295"},
      {"/channels/0/bitrate_bps", nullptr, "channels[0].bitrate_bps: missing"},
  };
  for (const BadMember& bad : cases) {
    json state = json::parse(to_json(full_fastpath()));
    const json::json_pointer pointer(bad.pointer);
    if (bad.value != nullptr) {
      state[pointer] = json::parse(bad.value);
    } else {
      state[pointer.parent_pointer()].erase(pointer.back());
    }
    const auto parsed = parse_fastpath_state(state.dump());
    ASSERT_FALSE(parsed) << bad.pointer;
    EXPECT_EQ(parsed.error(), bad.error);
  }
}

TEST(State, ErrorsOfServersAndOutputsNameTheMember) {
  const BadMember cases[] = {
      {"/rtmp_listen", nullptr, "rtmp_listen: missing"},
      {"/rtmp_listen/0", "1935", "rtmp_listen[0]: must be a string"},
      {"/srt_servers/1/latency_ms", "65536",
       "srt_servers[1].latency_ms: must be a whole number from 0 to 65535"},
      {"/srt_servers/0/passphrase", "\"too short\"",
       "srt_servers[0].passphrase: must have 10 to 79 bytes, or none"},
      {"/srt_servers/0/mode", "1", "srt_servers[0].mode: unknown member"},
      {"/channels/0/http_ts", "null", "channels[0].http_ts: must be true or false"},
      {"/channels/1/rtmp", "{}", "channels[1].rtmp: must be true or false"},
      {"/channels/1/rtmp", nullptr, "channels[1].rtmp: missing"},
      {"/channels/0/srt", "true", "channels[0].srt: must be an object"},
      {"/channels/0/srt/passphrase", "null", "channels[0].srt.passphrase: must be a string"},
      {"/channels/0/inputs/0/kind", "\"tape\"",
       "channels[0].inputs[0].kind: must be one of publish, srt_caller, srt_listener, rtmp, http_ts, hls, "
       "file"},
      {"/channels/0/inputs/1/passphrase", "\"too short\"",
       "channels[0].inputs[1].passphrase: must have 10 to 79 bytes, or none"},
      {"/channels/0/pushes/0/kind", "\"udp\"", "channels[0].pushes[0].kind: must be one of rtmp, srt"},
      {"/channels/0/service_id", "65536", "channels[0].service_id: must be a whole number from 0 to 65535"},
      {"/rtmps_servers/0/key", nullptr, "rtmps_servers[0].key: missing"},
  };
  for (const BadMember& bad : cases) {
    json state = json::parse(to_json(full_bridge()));
    const json::json_pointer pointer(bad.pointer);
    if (bad.value != nullptr) {
      state[pointer] = json::parse(bad.value);
    } else {
      state[pointer.parent_pointer()].erase(pointer.back());
    }
    const auto parsed = parse_bridge_state(state.dump());
    ASSERT_FALSE(parsed) << bad.pointer;
    EXPECT_EQ(parsed.error(), bad.error);
  }
  BridgeState s = full_bridge();
  s.channels[0].srt->passphrase = std::string(80, 'x');
  EXPECT_EQ(parse_bridge_state(to_json(s)).error(),
            "channels[0].srt.passphrase: must have 10 to 79 bytes, or none");
}

TEST(State, TextThatIsNotJsonIsRefused) {
  EXPECT_THAT(parse_bridge_state("{\"version\":1,").error().substr(0, 9), "not JSON:");
  EXPECT_EQ(parse_bridge_state("[]").error(), "state: must be an object");
}

TEST(State, DeepNestingIsRefusedInsteadOfExhaustingTheStack) {
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  EXPECT_EQ(parse_bridge_state("{\"version\":" + deep + "}").error(), "state: nested deeper than 64");
  EXPECT_EQ(parse_fastpath_state(deep).error(), "state: nested deeper than 64");
}

TEST(State, AnIdThatLeadsOutOfItsFolderIsRefused) {
  for (const char* id : {"", ".", "..", "../etc", "a/b", "/"}) {
    BridgeState s = full_bridge();
    s.channels[0].id = id;
    EXPECT_EQ(parse_bridge_state(to_json(s)).error(), "channels[0].id: can't name a folder") << id;
  }
  FastpathState s = full_fastpath();
  s.channels[1].id = std::string(256, 'a');
  EXPECT_EQ(parse_fastpath_state(to_json(s)).error(), "channels[1].id: can't name a folder");
}

TEST(State, WatchAndRenditionsThatNoBridgeCouldServeAreRefused) {
  const auto error_of = [](const json::json_pointer& at, const json& value) {
    json state = json::parse(to_json(full_bridge()));
    state[at] = value;
    const auto parsed = parse_bridge_state(state.dump());
    return parsed ? std::string() : parsed.error();
  };
  const auto watch = [](const char* name) { return json::json_pointer("/channels/0/watch") / name; };
  EXPECT_THAT(error_of(watch("every_ms"), 0), testing::StartsWith("channels[0].watch.every_ms"));
  EXPECT_THAT(error_of(watch("black_ms"), 90'000'000), testing::StartsWith("channels[0].watch.black_ms"));
  EXPECT_THAT(error_of(watch("loudness_min"), -1001), testing::StartsWith("channels[0].watch.loudness_min"));
  EXPECT_THAT(error_of(watch("loudness_max"), 1), testing::StartsWith("channels[0].watch.loudness_max"));
  EXPECT_THAT(error_of(watch("loudness_max"), -1.5), testing::StartsWith("channels[0].watch.loudness_max"));
  EXPECT_THAT(error_of(watch("every"), 1), testing::StartsWith("channels[0].watch.every"));
  EXPECT_THAT(error_of(json::json_pointer("/channels/0/transcode"), "auto"),
              testing::StartsWith("channels[0].transcode"));
  const auto member = [](const char* name) { return json::json_pointer("/renditions/0/members/1") / name; };
  EXPECT_THAT(error_of(member("height"), 361), testing::StartsWith("renditions[0].members[1]"));
  EXPECT_THAT(error_of(member("height"), 0), testing::StartsWith("renditions[0].members[1]"));
  EXPECT_THAT(error_of(member("width"), 9000), testing::StartsWith("renditions[0].members[1].width"));
  EXPECT_THAT(error_of(member("bitrate_bps"), 0),
              testing::StartsWith("renditions[0].members[1].bitrate_bps"));
  EXPECT_THAT(error_of(json::json_pointer("/renditions/0/id"), "../x"),
              testing::StartsWith("renditions[0].id"));
}

TEST(State, SegmentsAndWindowsThatNoBridgeCouldServeAreRefused) {
  BridgeState s = full_bridge();
  s.channels[0].hls = HlsState{0, 5};
  EXPECT_EQ(parse_bridge_state(to_json(s)).error(), "channels[0].hls.segment_ms: must not be 0");
  s.channels[0].hls = HlsState{2000, 0xFFFFFFFF};
  EXPECT_FALSE(parse_bridge_state(to_json(s)));
}

class ReadFile : public testing::Test {
 protected:
  ReadFile() {
    char name[] = "/tmp/hg-file-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~ReadFile() override { std::filesystem::remove_all(directory_); }
  std::string directory_;
};

TEST_F(ReadFile, GivesBackWhatWasWritten) {
  const std::string path = directory_ + "/f";
  const std::string content(200'000, 'x');
  ASSERT_TRUE(write_file_atomically(path, content));
  EXPECT_EQ(read_file(path).value(), content);
  EXPECT_THAT(read_file(directory_ + "/none").error(), testing::HasSubstr("No such file"));
  EXPECT_FALSE(read_file(directory_));
}

TEST_F(ReadFile, GivesAFileWithSecretsToItsOwnerAloneWhateverStoodThere) {
  const std::string path = directory_ + "/f";
  const auto mode = [&] { return std::filesystem::status(path).permissions(); };
  ASSERT_TRUE(write_file_atomically(path, "x"));
  // Left behind by a writer that was killed, and open to the group.
  ASSERT_TRUE(write_file_atomically(path + ".new", "x"));
  ASSERT_TRUE(write_file_atomically(path, "secret", Readers::bridge));
  EXPECT_EQ(mode(), std::filesystem::perms(0600));
  EXPECT_EQ(read_file(path).value(), "secret");
}

// What the launcher does where the bridge has a user of its own.
TEST_F(ReadFile, GivesAFileWithSecretsToTheGroupThatTheFolderWasGivenFor) {
  constexpr gid_t kBridge = 54321;
  if (::chown(directory_.c_str(), ::geteuid(), kBridge) != 0) GTEST_SKIP() << "needs root";
  ASSERT_EQ(::chmod(directory_.c_str(), 02750), 0);
  const std::string path = directory_ + "/f";
  ASSERT_TRUE(write_file_atomically(path, "secret", Readers::bridge));
  struct stat about {};
  ASSERT_EQ(::stat(path.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0640U);
  EXPECT_EQ(about.st_gid, kBridge);
}

TEST_F(ReadFile, RefusesWhatIsTooLongAndDoesNotWaitForAFifo) {
  const std::string path = directory_ + "/f";
  ASSERT_TRUE(write_file_atomically(path, "x"));
  std::filesystem::resize_file(path, kMaxFile + 1);
  EXPECT_THAT(read_file(path).error(), testing::HasSubstr("too large"));
  ASSERT_EQ(::mkfifo((directory_ + "/fifo").c_str(), 0600), 0);
  EXPECT_EQ(read_file(directory_ + "/fifo").value(), "");
}

}  // namespace
}  // namespace headgate::protocol

#include "control/protocol/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  channel.program = Program(std::uint16_t{101});
  channel.to_bridge = true;
  channel.inputs = {
      {2, "rtp://10.1.1.1@239.1.1.1:5000", DatagramProtocol::rtp, "cap0", 21, "239.1.1.1", "10.1.1.1", 5000}};
  channel.outputs = {{"udp://239.2.2.2:5002", DatagramProtocol::udp, "cap0", 0, "239.2.2.2", 5002, 4, 34}};
  s.channels = {channel, channel};
  s.channels[1].program = Program(std::string("Das Erste"));
  return s;
}

BridgeState full_bridge() {
  BridgeState s;
  s.generation = 3;
  s.node = "edge1";
  s.http_listen = {"[::]:8080", "127.0.0.1:0"};
  s.channels = {{"news", 7, "News \xC3\xBC", Program(std::string("A")), HlsState{2000, 5}},
                {"x", 8, "x", {}, {}}};
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
      {"/version", "2", "version: is 2, this program reads 1"},
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
      {"/channels/0/program", "1.5", "channels[0].program: must be a whole number from 0 to 65535"},
      {"/channels/0/program", "[]", "channels[0].program: must be a service's number, its name, or null"},
      {"/channels/0/to_bridge", "1", "channels[0].to_bridge: must be true or false"},
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

TEST(State, TextThatIsNotJsonIsRefused) {
  EXPECT_THAT(parse_bridge_state("{\"version\":1,").error().substr(0, 9), "not JSON:");
  EXPECT_EQ(parse_bridge_state("[]").error(), "state: must be an object");
}

}  // namespace
}  // namespace headgate::protocol

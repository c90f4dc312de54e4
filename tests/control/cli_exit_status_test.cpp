#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "temp_dir.h"

namespace headgate::control {
namespace {

struct Outcome {
  int status = -1;
  std::string text;
};

Outcome headgate(const std::string& arguments, bool with_stderr = true) {
  Outcome outcome;
  FILE* pipe = ::popen(
      (std::string(HEADGATE) + " " + arguments + (with_stderr ? " 2>&1" : " 2>/dev/null")).c_str(), "r");
  std::array<char, 4096> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe))
    outcome.text.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

TEST(ExitStatus, IsTwoForWrongUsage) {
  EXPECT_EQ(headgate("").status, 2);
  EXPECT_EQ(headgate("nonsense").status, 2);
  EXPECT_EQ(headgate("check").status, 2);
  EXPECT_EQ(headgate("status --bogus").status, 2);
  EXPECT_EQ(headgate("probe x --time 10").status, 2);
  EXPECT_EQ(headgate("probe http://example.net/").status, 2);
  EXPECT_EQ(headgate("send /dev/null tcp://x").status, 2);
}

TEST(ExitStatus, IsTwoForAnUnknownCommandAndNamesTheOneMeant) {
  const auto near = headgate("stat");
  EXPECT_EQ(near.status, 2);
  EXPECT_EQ(near.text, "headgate: unknown command 'stat'; did you mean status?\n");
  EXPECT_EQ(headgate("aply").text, "headgate: unknown command 'aply'; did you mean apply?\n");
  EXPECT_EQ(headgate("nonsense").text,
            "headgate: unknown command 'nonsense'; headgate --help lists the commands\n");
  EXPECT_EQ(headgate("apply --rollback x").status, 2);
  EXPECT_EQ(headgate("apply --to x").status, 2);
  EXPECT_EQ(headgate("apply --rollback 3 --to 3").status, 2);
}

// An unset variable of a script must not mean "one map back" or "all channels".
TEST(ExitStatus, IsTwoForEmptyValues) {
  TempDir dir;
  const std::string socket = " --socket " + dir.path + "/none.sock";
  for (const char* words : {"apply --rollback=", "apply --rollback ''", "apply --to=", "apply --to ''",
                            "status ''", "status --socket=", "check --config ''"}) {
    const bool names_socket = std::string(words).find("--socket") != std::string::npos;
    const auto outcome = headgate(words + (names_socket ? "" : socket));
    EXPECT_EQ(outcome.status, 2) << words << ": " << outcome.text;
  }
  EXPECT_EQ(headgate("apply --rollback=" + socket).text,
            "headgate: --rollback has an empty value: write one, or leave --rollback out\n");
  EXPECT_EQ(headgate("apply --rollback" + socket).status, 1);
}

TEST(ExitStatus, IsTwoForAnUnknownOptionAndNamesTheOneMeant) {
  const auto near = headgate("check --cofig x");
  EXPECT_EQ(near.status, 2);
  EXPECT_EQ(near.text, "headgate: unknown option --cofig; did you mean --config?\n");
  EXPECT_EQ(headgate("status --jsn").text, "headgate: unknown option --jsn; did you mean --json?\n");
  EXPECT_EQ(headgate("status --nonsense=1").text,
            "headgate: unknown option --nonsense; headgate COMMAND --help lists the options\n");
}

TEST(Socket, IsThatOfTheFlagBeforeThatOfTheEnvironment) {
  TempDir dir;
  const std::string named = dir.path + "/named.sock";
  const std::string inherited = dir.path + "/inherited.sock";
  ::setenv("HEADGATE_SOCKET", inherited.c_str(), 1);
  for (const std::string name : {"status", "plan", "apply", "history", "events", "events --follow"}) {
    const auto by_flag = headgate(name + " --socket " + named);
    EXPECT_NE(by_flag.text.find("at " + named), std::string::npos) << by_flag.text;
    EXPECT_EQ(by_flag.text.find(inherited), std::string::npos) << by_flag.text;
    const auto by_environment = headgate(name);
    EXPECT_NE(by_environment.text.find("at " + inherited), std::string::npos) << by_environment.text;
  }
  ::unsetenv("HEADGATE_SOCKET");
}

TEST(ExitStatus, IsTwoForASwitchWithoutAnInput) {
  for (const char* words : {"switch", "switch news", "switch news 0", "switch news two", "switch news 2 3"}) {
    EXPECT_EQ(headgate(words).status, 2) << words;
  }
  EXPECT_NE(headgate("switch news two").text.find("1 is the primary, or auto"), std::string::npos);
}

TEST(ExitStatus, IsTwoForCommandsNotSupportedYet) {
  for (const char* name : {"capture", "explain"}) {
    const auto outcome = headgate(std::string(name) + " x");
    EXPECT_EQ(outcome.status, 2) << name;
    EXPECT_EQ(outcome.text, std::string("headgate: '") + name + "' is not supported yet\n");
  }
}

// A monitoring system takes the status for the state: a gateway that is gone is critical, not unknown.
TEST(ExitStatus, OfHealthIsNagios) {
  const auto outcome = headgate("health --socket /nonexistent/headgate.sock");
  EXPECT_EQ(outcome.status, 2);
  EXPECT_TRUE(outcome.text.starts_with("HEADGATE CRITICAL - the gateway is not running")) << outcome.text;
}

TEST(ExitStatus, IsTwoForWrongWordsOfTheNoc) {
  for (const char* words :
       {"alarms ack", "alarms ack seventeen", "alarms acknowledge 17", "maintenance news",
        "maintenance news 2", "maintenance news soon", "status --state dwon", "status news --state down",
        "kick", "kick ''", "sessions --last none", "top --sort colour", "top --every 10ms",
        "events --severity loud", "events --last 0"}) {
    EXPECT_EQ(headgate(words).status, 2) << words;
  }
}

TEST(ExitStatus, IsZeroForHelpAndVersion) {
  EXPECT_EQ(headgate("--version").text.substr(0, 9), "headgate ");
  EXPECT_EQ(headgate("--version").status, 0);
  for (const char* name :
       {"", "run ", "check ", "plan ", "apply ", "history ", "status ", "switch ", "events ", "why ", "top ",
        "alarms ", "maintenance ", "health ", "probe ", "send "}) {
    const auto outcome = headgate(std::string(name) + "--help");
    EXPECT_EQ(outcome.status, 0) << name;
    EXPECT_NE(outcome.text.find("Example"), std::string::npos) << name;
  }
}

TEST(ExitStatus, IsOneWithAClearWordWhereNoGatewayRuns) {
  TempDir dir;
  for (const char* name : {"status", "plan", "apply", "history", "events", "events --follow"}) {
    const auto outcome = headgate(std::string(name) + " --socket " + dir.path + "/none.sock");
    EXPECT_EQ(outcome.status, 1) << name;
    EXPECT_NE(outcome.text.find("the gateway is not running"), std::string::npos) << outcome.text;
  }
  const auto json = headgate("status --json --socket " + dir.path + "/none.sock", false);
  EXPECT_EQ(nlohmann::json::parse(json.text, nullptr, false).value("ok", true), false) << json.text;
}

TEST(ExitStatus, OfCheckTellsWhetherTheFilesAreValid) {
  TempDir dir;
  std::ofstream(dir.path + "/channels.yaml")
      << "channels:\n  news: { inputs: [ \"udp://239.10.1.1:5000\" ] }\n";
  std::ofstream(dir.path + "/good.yaml")
      << "interfaces:\n  cap0: { device: \"af_packet:eth1\", address: 10.20.0.5/24 }\n"
         "channels: channels.yaml\n";
  std::ofstream(dir.path + "/bad.yaml") << "bogus: 1\n";
  const auto good = headgate("check --config " + dir.path + "/good.yaml");
  EXPECT_EQ(good.status, 0) << good.text;
  EXPECT_TRUE(good.text.ends_with("ok: 1 channel\n")) << good.text;
  const auto bad = headgate("check --config " + dir.path + "/bad.yaml");
  EXPECT_EQ(bad.status, 1);
  EXPECT_NE(bad.text.find("/bad.yaml:1:1: error: "), std::string::npos) << bad.text;
  const auto json =
      nlohmann::json::parse(headgate("check --json --config " + dir.path + "/bad.yaml").text, nullptr, false);
  EXPECT_EQ(json.value("ok", true), false);
}

TEST(ExitStatus, OfProbeIsOneForAFileWithoutPackets) {
  TempDir dir;
  std::ofstream(dir.path + "/text.ts") << "not a transport stream";
  EXPECT_EQ(headgate("probe " + dir.path + "/text.ts").status, 1);
  EXPECT_EQ(headgate("probe " + dir.path + "/none.ts").status, 1);
}

// What `headgate probe` says of a stream of this datagram on loopback.
std::string probe_of(const std::string& datagram) {
  // Bound too, so that nobody else gets the port; the kernel gives the datagrams to who bound last.
  const int keeper = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(keeper, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(keeper, reinterpret_cast<const sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(keeper, reinterpret_cast<sockaddr*>(&address), &size), 0);
  std::atomic<bool> stop{false};
  std::thread sender([&] {
    while (!stop) {
      ::sendto(keeper, datagram.data(), datagram.size(), 0, reinterpret_cast<const sockaddr*>(&address),
               size);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  const auto outcome = headgate("probe udp://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) +
                                " --time 500ms --socket /nonexistent");
  stop = true;
  sender.join();
  ::close(keeper);
  return outcome.text;
}

TEST(Probe, TellsWhichDatagramsTheGatewayWouldDrop) {
  std::string packet(188, '\xff');
  packet[0] = 0x47;
  packet[1] = 0x1f;
  packet[3] = 0x10;
  std::string with_parity, eight;
  for (int i = 0; i < 7; ++i) with_parity += packet + std::string(16, '\0');
  for (int i = 0; i < 8; ++i) eight += packet;
  const std::string first = probe_of(with_parity);
  EXPECT_NE(first.find("all of 204-byte packets: the gateway drops such (packet_size_204)"),
            std::string::npos)
      << first;
  const std::string second = probe_of(eight);
  EXPECT_NE(second.find("datagrams of more than 7 packets: the gateway drops them (not_ts_size)"),
            std::string::npos)
      << second;
}

}  // namespace
}  // namespace headgate::control

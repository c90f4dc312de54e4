// headgate: the one program that a person types.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string_view>

#include "control/cli/commands.h"
#include "control/launcher/run.h"

namespace {

using namespace headgate::control;

constexpr const char* kNotYet[] = {"why",      "top",  "alarms",  "maintenance", "switch",
                                   "sessions", "kick", "capture", "explain",     "health"};

constexpr const char* kFooter =
    "Examples:\n"
    "  headgate check --config /etc/headgate/headgate.yaml\n"
    "  headgate run --config /etc/headgate/headgate.yaml\n"
    "  headgate plan && headgate apply\n"
    "  headgate status news\n"
    "  headgate probe udp://239.10.1.1:5000 --interface eth1\n"
    "Exit status: 0 done, 1 failed or not valid, 2 wrong usage.\n";

struct Arguments {
  CommonOptions common;
  RunOptions run;
  std::string channel;
  bool rollback = false;
  bool follow = false;
  ProbeOptions probe;
  SendOptions send;
  std::string time = "10s";
};

std::string own_path() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "headgate" : path.string();
}

// "10s", "500ms", "2m"
bool parse_time(const std::string& text, std::chrono::milliseconds& time) {
  std::size_t used = 0;
  long long value = 0;
  try {
    value = std::stoll(text, &used);
  } catch (const std::exception&) {
    return false;
  }
  const std::string unit = text.substr(used);
  const long long factor = unit == "ms"  ? 1
                           : unit == "s" ? 1000
                           : unit == "m" ? 60'000
                           : unit == "h" ? 3'600'000
                                         : 0;
  if (factor == 0 || value <= 0 || value > 1'000'000) return false;
  time = std::chrono::milliseconds(value * factor);
  return true;
}

CLI::App* online(CLI::App& app, Arguments& arguments, const char* name, const char* description,
                 const char* example) {
  CLI::App* command = app.add_subcommand(name, description);
  command->add_option("--socket", arguments.common.socket, "control socket of the gateway")
      ->envname("HEADGATE_SOCKET");
  command->add_flag("--json", arguments.common.json, "machine output");
  command->footer(std::string("Example: ") + example);
  return command;
}

void add_offline(CLI::App& app, Arguments& a, std::function<int()>& action) {
  CLI::App* run = app.add_subcommand("run", "start the gateway in the foreground");
  run->add_option("--config", a.run.config, "node file")->required();
  run->add_option("--socket", a.run.socket, "control socket to make (default: run_dir/control.sock)");
  run->footer(
      "SIGHUP applies both files; SIGTERM stops everything in order.\n"
      "Example: headgate run --config /etc/headgate/headgate.yaml");
  run->callback([&] {
    action = [&] {
      a.run.program = own_path();
      return run_gateway(a.run);
    };
  });
  CLI::App* check = app.add_subcommand("check", "validate both files, without a gateway");
  check->add_option("--config", a.run.config, "node file")->required();
  check->add_flag("--json", a.common.json, "machine output");
  check->footer("Example: headgate check --config /etc/headgate/headgate.yaml");
  check->callback([&] { action = [&] { return check_command(a.run.config, a.common.json); }; });
}

void add_online(CLI::App& app, Arguments& a, std::function<int()>& action) {
  online(app, a, "plan", "what apply would change, and whom that interrupts", "headgate plan")->callback([&] {
    action = [&] { return plan_command(a.common); };
  });
  CLI::App* apply = online(app, a, "apply", "make the gateway match both files, all or nothing",
                           "headgate apply --rollback");
  apply->add_flag("--rollback", a.rollback, "return to the map applied before");
  apply->callback([&] { action = [&] { return apply_command(a.common, a.rollback); }; });
  online(app, a, "history", "the maps applied so far", "headgate history --json")->callback([&] {
    action = [&] { return history_command(a.common); };
  });
  CLI::App* status = online(app, a, "status", "one line a channel, worst first; or everything about one",
                            "headgate status news");
  status->add_option("channel", a.channel, "id of a channel");
  status->callback([&] { action = [&] { return status_command(a.common, a.channel); }; });
  CLI::App* events = online(app, a, "events", "the log of state changes", "headgate events --follow");
  events->add_flag("--follow,-f", a.follow, "go on with new ones");
  events->callback([&] { action = [&] { return events_command(a.common, a.follow); }; });
}

void add_tools(CLI::App& app, Arguments& a, std::function<int()>& action) {
  CLI::App* probe = online(app, a, "probe", "analyse a transport stream: udp://, rtp:// or a file",
                           "headgate probe udp://239.10.1.1:5000 --interface eth1 --time 20s");
  probe->add_option("source", a.probe.source, "udp://[SOURCE@]GROUP:PORT, rtp://..., or a file")->required();
  probe->add_option("--time", a.time, "how long to listen (default 10s); a file is read to its end");
  probe->add_option("--interface", a.probe.interface, "kernel interface to join on");
  probe->add_flag("--all", a.probe.all, "list PIDs, too, that came hardly at all and no table names");
  probe->callback([&] {
    if (!parse_time(a.time, a.probe.time))
      throw CLI::ValidationError("--time", "write a time with its unit, as 10s or 500ms");
    action = [&] { return probe_command(a.common, a.probe); };
  });
  CLI::App* send =
      app.add_subcommand("send", "play a transport stream file to a group, paced by its PCR, looped");
  send->add_option("file", a.send.file, "transport stream file")->required();
  send->add_option("url", a.send.url, "udp://GROUP:PORT or rtp://GROUP:PORT, with ?interface=NAME&ttl=N")
      ->required();
  send->add_flag("--raw", a.send.raw, "leave the bytes alone across the loop");
  send->add_flag("--once", a.send.once, "stop at the end of the file");
  send->add_flag("--json", a.common.json, "machine output");
  send->footer("Example: headgate send news.ts 'udp://239.10.1.1:5000?interface=eth1&ttl=4'");
  send->callback([&] { action = [&] { return send_command(a.common, a.send); }; });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    for (const char* name : kNotYet) {
      if (std::string_view(argv[1]) == name) {
        fmt::print(stderr, "headgate: '{}' is not supported yet\n", name);
        return 2;
      }
    }
  }
  CLI::App app("Headgate: multicast television in, multicast and HLS out", "headgate");
  app.set_version_flag("--version", "headgate " HEADGATE_VERSION);
  app.footer(kFooter);
  app.require_subcommand(1);
  Arguments arguments;
  std::function<int()> action;
  add_offline(app, arguments, action);
  add_online(app, arguments, action);
  add_tools(app, arguments, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return action();
}

// headgate: the one program that a person types.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "control/cli/commands.h"
#include "control/cli/did_you_mean.h"
#include "control/cli/filter.h"
#include "control/cli/top_screen.h"
#include "control/launcher/run.h"

namespace {

using namespace headgate::control;

constexpr const char* kNotYet[] = {"capture", "explain"};

constexpr const char* kFooter =
    "Examples:\n"
    "  headgate check --config /etc/headgate/headgate.yaml\n"
    "  headgate run --config /etc/headgate/headgate.yaml\n"
    "  headgate plan && headgate apply\n"
    "  headgate status news\n"
    "  headgate why news\n"
    "  headgate top --state down,degraded\n"
    "  headgate alarms\n"
    "  headgate sessions news\n"
    "  headgate switch news 2\n"
    "  headgate probe udp://239.10.1.1:5000 --interface eth1\n"
    "Exit status: 0 done, 1 failed or not valid, 2 wrong usage.\n";

struct Arguments {
  CommonOptions common;
  RunOptions run;
  std::string channel;
  std::string input;
  ApplyOptions apply;
  std::string rollback_to;
  EventsOptions events;
  std::string limit;
  std::optional<std::uint32_t> most;
  ChannelFilter filter;
  TopOptions top;
  std::string every = "1s";
  std::string word;    // of alarms: ack
  std::string target;  // of an acknowledgement, of maintenance
  std::string duration;
  ProbeOptions probe;
  SendOptions send;
  std::string schema;
  std::string time = "10s";
};

std::string own_path() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "headgate" : path.string();
}

// Read here, not by the option parser: that sets the one variable once more for each command that was not
// named, after --socket.
void take_environment(Arguments& arguments) {
  if (const char* socket = std::getenv("HEADGATE_SOCKET"); socket != nullptr && *socket != '\0')
    arguments.common.socket = socket;
}

// "10s", "500ms", "2m", "1h", "7d"
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
                           : unit == "d" ? 86'400'000
                                         : 0;
  if (factor == 0 || value <= 0 || value > 1'000'000) return false;
  time = std::chrono::milliseconds(value * factor);
  return true;
}

bool parse_count(const std::string& text, std::optional<std::uint32_t>& number) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  number = value;
  return true;
}

// 0 where the first word is a command or an option, else the exit status.
int refuse_unknown_command(const CLI::App& app, const std::string& word) {
  if (word.empty() || word.front() == '-') return 0;
  std::vector<std::string> known;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    if (command->get_name() == word) return 0;
    known.push_back(command->get_name());
  }
  fmt::print(stderr, "headgate: unknown command '{}'{}\n", word,
             headgate::control::did_you_mean(word, known));
  return 2;
}

// As CLI::IsMember, without the list of values in --help, where the option's own words have it.
CLI::Validator one_of(const std::vector<std::string>& words) {
  return CLI::Validator(
      [words](const std::string& typed) -> std::string {
        if (std::find(words.begin(), words.end(), typed) != words.end()) return "";
        std::string list;
        for (const std::string& word : words) list += (list.empty() ? "" : ", ") + word;
        return "'" + typed + "'" + headgate::control::did_you_mean(typed, words, "write " + list);
      },
      "");
}

CLI::App* online(CLI::App& app, Arguments& arguments, const char* name, const char* description,
                 const char* example) {
  CLI::App* command = app.add_subcommand(name, description);
  command
      ->add_option(
          "--socket", arguments.common.socket,
          "control socket of the gateway (default:\n$HEADGATE_SOCKET, else /run/headgate/control.sock)")
      ->type_name("PATH");
  command->add_flag("--json", arguments.common.json, "machine output");
  command->footer(std::string("Example: ") + example);
  return command;
}

void add_offline(CLI::App& app, Arguments& a, std::function<int()>& action) {
  CLI::App* run = app.add_subcommand("run", "start the gateway in the foreground");
  run->add_option("--config", a.run.config, "node file")->required()->type_name("FILE");
  run->add_option("--socket", a.run.socket, "control socket to make (default: run_dir/control.sock)")
      ->type_name("PATH");
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
  CLI::Option* files = check->add_option("--config", a.run.config, "node file")->type_name("FILE");
  check->add_flag("--json", a.common.json, "machine output");
  CLI::Option* schema =
      check->add_option("--schema", a.schema, "print the JSON Schema of a file instead, for an editor")
          ->check(one_of({"node", "channels"}))
          ->type_name("node|channels")
          ->excludes(files);
  check->footer("Example: headgate check --config /etc/headgate/headgate.yaml");
  check->callback([&a, &action, files, schema] {
    if (files->count() == 0 && schema->count() == 0) throw CLI::RequiredError("--config");
    if (schema->count() != 0)
      action = [&a] { return schema_command(a.schema); };
    else
      action = [&a] { return check_command(a.run.config, a.common.json); };
  });
}

void add_filter(CLI::App& command, ChannelFilter& filter) {
  command.add_option("--state", filter.states, "only channels in these states, as down,degraded")
      ->delimiter(',')
      ->type_name("STATE,...")
      ->expected(1);
  command.add_option("--tag", filter.tags, "only channels with one of these tags")
      ->delimiter(',')
      ->type_name("TAG,...")
      ->expected(1);
  command.add_option("--match", filter.pattern, "only channels whose id or name matches, as 'sport*'")
      ->type_name("PATTERN");
}

void throw_unless_possible(const ChannelFilter& filter) {
  if (const auto possible = check(filter); !possible) throw CLI::ValidationError("--state", possible.error());
}

void add_online(CLI::App& app, Arguments& a, std::function<int()>& action) {
  online(app, a, "plan", "what apply would change, and whom that interrupts", "headgate plan")->callback([&] {
    action = [&] { return plan_command(a.common); };
  });
  CLI::App* apply = online(app, a, "apply", "make the gateway match both files, all or nothing",
                           "headgate apply --rollback");
  CLI::Option* rollback =
      apply->add_option("--rollback", a.rollback_to, "return to the map applied before, or to this one")
          ->expected(0, 1)
          ->type_name("[MAP]");
  CLI::Option* to = apply->add_option("--to", a.apply.to, "the same as --rollback MAP (headgate history)")
                        ->type_name("MAP")
                        ->excludes(rollback);
  apply->callback([&a, &action, rollback, to] {
    a.apply.rollback = rollback->count() != 0 || to->count() != 0;
    if (rollback->count() != 0 && !a.rollback_to.empty() && !parse_count(a.rollback_to, a.apply.to))
      throw CLI::ValidationError("--rollback", "write the number of a map, as headgate history lists it");
    action = [&a] { return apply_command(a.common, a.apply); };
  });
  CLI::App* history =
      online(app, a, "history", "the maps applied so far, or what one of them changed", "headgate history 7");
  history->add_option("map", a.word, "number of a map: what it changed")->type_name("MAP");
  history->callback([&a, &action] {
    std::optional<std::uint32_t> map;
    if (!a.word.empty() && !parse_count(a.word, map))
      throw CLI::ValidationError("map", "write the number of a map, as headgate history lists it");
    action = [&a, map] { return history_command(a.common, map); };
  });
  CLI::App* status =
      online(app, a, "status", "one line a channel, worst first; or everything about one, or a multiplex",
             "headgate status news");
  const CLI::Option* channel = status->add_option("channel", a.channel, "id of a channel")->type_name("ID");
  add_filter(*status, a.filter);
  status->callback([&a, &action, channel] {
    if (channel->count() != 0 && a.channel.empty())
      throw CLI::ValidationError("channel", "is empty: write an id, or nothing for all channels");
    throw_unless_possible(a.filter);
    if (!a.channel.empty() && !a.filter.empty())
      throw CLI::ValidationError("channel", "is one already: leave the filters out");
    action = [&a] { return status_command(a.common, a.channel, a.filter); };
  });
  CLI::App* why = online(app, a, "why", "whose fault the state of a channel or multiplex is, and what to do",
                         "headgate why news");
  why->add_option("channel", a.channel, "id of a channel")->required()->type_name("ID");
  why->callback([&a, &action] {
    if (a.channel.empty()) throw CLI::ValidationError("channel", "is empty: write an id");
    action = [&a] { return why_command(a.common, a.channel); };
  });
  CLI::App* change =
      online(app, a, "switch", "force an input on air, or return to automatic", "headgate switch news 2");
  change->add_option("channel", a.channel, "id of a channel")->required()->type_name("ID");
  change->add_option("input", a.input, "number of an input (1 is the primary), or auto")
      ->required()
      ->type_name("N|auto");
  change->callback([&a, &action] {
    std::optional<std::uint32_t> number;
    if (a.channel.empty()) throw CLI::ValidationError("channel", "is empty: write an id");
    if (a.input != "auto" && (!parse_count(a.input, number) || *number == 0 || *number > 0xFFFF))
      throw CLI::ValidationError("input", "write the number of an input, 1 is the primary, or auto");
    action = [&a] { return switch_command(a.common, a.channel, a.input); };
  });
  CLI::App* events = online(app, a, "events", "the log of state changes", "headgate events --follow");
  events->add_flag("--follow,-f", a.events.follow, "go on with new ones");
  events->add_option("--channel", a.events.channel, "only those of this channel")->type_name("ID");
  events->add_option("--severity", a.events.severity, "these and worse: info, warning, critical")
      ->check(one_of({"info", "warning", "critical"}))
      ->type_name("SEVERITY");
  events->add_option("--last,-n", a.limit, "at most so many, the newest")->type_name("N");
  events->callback([&] {
    if (!a.limit.empty() && (!parse_count(a.limit, a.events.limit) || *a.events.limit == 0))
      throw CLI::ValidationError("--last", "write a number, 1 or more");
    action = [&] { return events_command(a.common, a.events); };
  });
}

void add_noc(CLI::App& app, Arguments& a, std::function<int()>& action) {
  CLI::App* top =
      online(app, a, "top", "status, live, full screen", "headgate top --tag premium --sort errors");
  top->remove_option(top->get_option("--json"));  // it is a screen: headgate status --json
  add_filter(*top, a.filter);
  top->add_option("--sort", a.top.sort, "state (worst first), id, bitrate, errors, viewers, since")
      ->check(one_of(TopScreen::orders()))
      ->type_name("ORDER");
  top->add_option("--every", a.every, "time between two looks (default 1s)")->type_name("TIME");
  top->callback([&] {
    throw_unless_possible(a.filter);
    if (!parse_time(a.every, a.top.every) || a.top.every < std::chrono::milliseconds(200))
      throw CLI::ValidationError("--every", "write a time with its unit, 200ms or more");
    action = [&] { return top_command(a.common, a.top, a.filter); };
  });
  CLI::App* alarms = online(app, a, "alarms", "what is wrong, since when, what to do; ack: seen to",
                            "headgate alarms ack 17");
  alarms->add_option("ack", a.word, "the word ack, to acknowledge")->check(one_of({"ack"}))->type_name("");
  alarms->add_option("id", a.target, "number of an alarm, or all")->type_name("ID|all");
  alarms->callback([&] {
    std::optional<std::uint32_t> number;
    if (!a.word.empty() && a.target != "all" && !parse_count(a.target, number))
      throw CLI::ValidationError("ack", "write the number of an alarm, as headgate alarms lists it, or all");
    action = [&] {
      return a.word.empty() ? alarms_command(a.common) : acknowledge_command(a.common, a.target);
    };
  });
  CLI::App* maintenance = online(app, a, "maintenance", "silence for planned work; alone: what is silenced",
                                 "headgate maintenance news 2h");
  maintenance->add_option("target", a.target, "id of a channel, or a tag")->type_name("CHANNEL|TAG");
  maintenance->add_option("duration", a.duration, "30m, 2h, 1d; off ends it")->type_name("DURATION|off");
  maintenance->callback([&] {
    std::chrono::milliseconds time{0};
    const bool ends = a.duration == "off";
    if (a.target.empty() != a.duration.empty())
      throw CLI::ValidationError("duration", "write for how long, as 30m, 2h or 1d, or off");
    if (!a.duration.empty() && !ends && (!parse_time(a.duration, time) || time < std::chrono::seconds(1)))
      throw CLI::ValidationError("duration", "write a time with its unit, as 30m, 2h or 1d, or off");
    action = [&a, time] {
      return maintenance_command(a.common, a.target, std::chrono::duration_cast<std::chrono::seconds>(time));
    };
  });
  CLI::App* sessions =
      online(app, a, "sessions", "who plays, publishes and is pushed to", "headgate sessions 'sport*'");
  sessions->add_option("channel", a.channel, "id of a channel, or a pattern as 'sport*'")
      ->type_name("ID|PATTERN");
  sessions->add_option("--last,-n", a.limit, "at most so many")->type_name("N");
  sessions->callback([&] {
    if (!a.limit.empty() && (!parse_count(a.limit, a.most) || *a.most == 0))
      throw CLI::ValidationError("--last", "write a number, 1 or more");
    action = [&] { return sessions_command(a.common, a.channel, a.most); };
  });
  CLI::App* kick =
      online(app, a, "kick", "end a session; a push or a pull connects anew", "headgate kick rtmp-17");
  kick->add_option("id", a.target, "id of a session, as headgate sessions lists it")
      ->required()
      ->type_name("ID");
  kick->callback([&] {
    if (a.target.empty()) throw CLI::ValidationError("id", "is empty: write the id of a session");
    action = [&] { return kick_command(a.common, a.target); };
  });
  online(app, a, "health", "one line and an exit status for Nagios and Icinga", "headgate health")
      ->callback([&] { action = [&] { return health_command(a.common); }; });
}

void add_tools(CLI::App& app, Arguments& a, std::function<int()>& action) {
  CLI::App* probe = online(app, a, "probe", "analyse a transport stream: udp://, rtp:// or a file",
                           "headgate probe udp://239.10.1.1:5000 --interface eth1 --time 20s");
  probe->add_option("source", a.probe.source, "udp://[SOURCE@]GROUP:PORT, rtp://..., or a file")
      ->required()
      ->type_name("URL|FILE");
  probe->add_option("--time", a.time, "how long to listen (default 10s); not of files")->type_name("TIME");
  probe->add_option("--interface", a.probe.interface, "kernel interface to join on")->type_name("NAME");
  probe->add_flag("--all", a.probe.all, "list rare PIDs, too, that no table names");
  probe->callback([&] {
    if (!parse_time(a.time, a.probe.time))
      throw CLI::ValidationError("--time", "write a time with its unit, as 10s or 500ms");
    action = [&] { return probe_command(a.common, a.probe); };
  });
  CLI::App* send = app.add_subcommand("send", "play a transport stream file to a group, looped");
  send->add_option("file", a.send.file, "transport stream file")->required()->type_name("FILE");
  send->add_option("url", a.send.url, "udp://GROUP:PORT or rtp://..., ?interface=NAME&ttl=N")
      ->required()
      ->type_name("URL");
  send->add_flag("--raw", a.send.raw, "leave the bytes alone across the loop");
  send->add_flag("--once", a.send.once, "stop at the end of the file");
  send->add_flag("--json", a.common.json, "machine output");
  send->footer("Example: headgate send news.ts 'udp://239.10.1.1:5000?interface=eth1&ttl=4'");
  send->callback([&] { action = [&] { return send_command(a.common, a.send); }; });
}

// An option written with an empty value, "" where there is none: to the option parser `--rollback=` is
// `--rollback`, which goes one map back, and a script with an unset variable must not.
std::string empty_option(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--") break;
    if (!word.starts_with("--")) continue;
    if (word.ends_with('=')) return word.substr(0, word.size() - 1);
    if (word.find('=') == std::string::npos && i + 1 < argc && *argv[i + 1] == '\0') return word;
  }
  return "";
}

// "--cofig" where no such option is, and the one that was meant.
int refuse_unknown_option(const CLI::App& app, const std::string& typed) {
  std::vector<std::string> known;
  for (const CLI::App* command : app.get_subcommands()) {
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    }
  }
  const std::string name = typed.substr(0, typed.find('='));
  fmt::print(stderr, "headgate: unknown option {}{}\n", name,
             headgate::control::did_you_mean(name, known, "headgate COMMAND --help lists the options"));
  return 2;
}

// The first word that begins as an option and belongs to none, "" where there is none.
std::string unknown_option(const CLI::App& app) {
  for (const std::string& word : app.remaining(true)) {
    if (word.size() > 1 && word.front() == '-') return word;
  }
  return "";
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
  CLI::App app("Headgate: television between multicast and the Internet, both ways", "headgate");
  app.set_version_flag("--version", "headgate " HEADGATE_VERSION, "print the version");
  app.set_help_flag("--help,-h", "what it does, with examples");
  app.get_formatter()->label("TEXT", "");
  app.get_formatter()->label("REQUIRED", "(required)");
  app.get_formatter()->label("Excludes", "not with");
  app.get_formatter()->label("SUBCOMMAND", "COMMAND");
  app.get_formatter()->label("Positionals", "Arguments");
  app.get_formatter()->column_width(24);
  app.footer(kFooter);
  app.require_subcommand(1);
  Arguments arguments;
  take_environment(arguments);
  std::function<int()> action;
  add_offline(app, arguments, action);
  add_online(app, arguments, action);
  add_noc(app, arguments, action);
  add_tools(app, arguments, action);
  if (argc > 1) {
    if (const int status = refuse_unknown_command(app, argv[1]); status != 0) return status;
  }
  if (const std::string option = empty_option(argc, argv); !option.empty()) {
    fmt::print(stderr, "headgate: {} has an empty value: write one, or leave {} out\n", option, option);
    return 2;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const auto code = static_cast<CLI::ExitCodes>(error.get_exit_code());
    const bool help = code == CLI::ExitCodes::Success;
    if (const std::string option = unknown_option(app); !help && !option.empty())
      return refuse_unknown_option(app, option);
    return app.exit(error) == 0 ? 0 : 2;
  }
  return action();
}

#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>
#include <utility>

#include "config/load/load.h"
#include "control/cli/client.h"
#include "control/cli/commands.h"
#include "control/cli/filter.h"
#include "control/cli/render.h"
#include "control/cli/render_multiplex.h"
#include "control/cli/why.h"
#include "control/protocol/message.h"

namespace headgate::control {
namespace {

using nlohmann::json;

void print_diagnostics(const json& answer) {
  if (!answer.contains("diagnostics")) return;
  for (const json& entry : answer["diagnostics"])
    fmt::print(stderr, "{}\n", entry.at("text").get<std::string>());
}

// The first of each kind with what the catalogue says of it.
class EventLines {
 public:
  explicit EventLines(const CommonOptions& common) : common_(common) {}

  void show(const json& event) {
    const bool first =
        explained_.emplace(event.value("kind", ""), event.value("alarm", std::uint64_t{0}) != 0).second;
    if (common_.json)
      fmt::print("{}\n", event.dump());
    else
      fmt::print("{}", render_event(event, colour(), columns_of_terminal(), first));
    std::fflush(stdout);
  }

 private:
  const CommonOptions& common_;
  std::set<std::pair<std::string, bool>> explained_;  // kind, of an alarm
};

// One JSON object a line: the answer first, then an event a line.
int follow_events(const CommonOptions& common, json params) {
  const UniqueFd fd = connect_to(common.socket);
  if (!fd) return fail(common, not_running(common));
  protocol::Request request;
  request.id = 1;
  request.method = "events";
  params["follow"] = true;
  request.params = std::move(params);
  const std::string line = protocol::format_request(request) + "\n";
  if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) < 0) return fail(common, std::strerror(errno));
  std::string input;
  EventLines lines(common);
  char buffer[16384];
  for (;;) {
    const ssize_t n = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(common, "the gateway's control ended; media goes on, try again");
    input.append(buffer, static_cast<std::size_t>(n));
    if (input.size() > protocol::kMaxLine) return fail(common, "answer too long");
    for (auto end = input.find('\n'); end != std::string::npos; end = input.find('\n')) {
      const json message = json::parse(input.substr(0, end), nullptr, false);
      input.erase(0, end + 1);
      if (!message.is_object()) return fail(common, "answer is not JSON");
      if (message.contains("error")) return fail(common, message["error"].value("message", "refused"));
      if (message.contains("event"))
        lines.show(message["event"]);
      else if (message.contains("result"))
        for (const json& event : message["result"].at("events")) lines.show(event);
    }
  }
}

}  // namespace

int check_command(const std::string& config, bool as_json) {
  const auto result = config::load(config);
  std::size_t errors = 0, warnings = 0;
  json list = json::array();
  for (const auto& entry : result.diagnostics) {
    const bool error = entry.severity == config::Severity::error;
    ++(error ? errors : warnings);
    if (as_json)
      list.push_back({{"file", entry.file},
                      {"line", entry.line},
                      {"column", entry.column},
                      {"severity", error ? "error" : "warning"},
                      {"message", entry.message}});
    else
      fmt::print("{}\n", config::to_string(entry));
  }
  const std::size_t channels = result.model ? result.model->channels.size() : 0;
  if (as_json) {
    print({{"ok", result.ok()},
           {"errors", errors},
           {"warnings", warnings},
           {"channels", channels},
           {"diagnostics", list}});
  } else if (result.ok()) {
    fmt::print("ok: {} channel{}{}\n", channels, channels == 1 ? "" : "s",
               warnings == 0 ? "" : fmt::format(", {} warning{}", warnings, warnings == 1 ? "" : "s"));
  } else {
    fmt::print("not valid: {} error{}, {} warning{}\n", errors, errors == 1 ? "" : "s", warnings,
               warnings == 1 ? "" : "s");
  }
  return result.ok() ? 0 : 1;
}

int schema_command(const std::string& file) {
  fmt::print("{}", file == "node" ? config::node_json_schema() : config::channels_json_schema());
  return 0;
}

int plan_command(const CommonOptions& common) {
  const auto answer = ask(common, "plan", json::object(), kShort);
  if (!answer) return fail(common, answer.error());
  const bool ok = answer->value("ok", false);
  if (common.json) {
    print(*answer);
    return ok ? 0 : 1;
  }
  print_diagnostics(*answer);
  if (!ok) return fail(common, answer->value("error", "refused"));
  fmt::print("{}", render_plan(*answer, false));
  return 0;
}

int apply_command(const CommonOptions& common, const ApplyOptions& options) {
  json params = {{"rollback", options.rollback}};
  if (options.to) params["to"] = *options.to;
  const auto answer = ask(common, "apply", params, kApply);
  if (!answer) return fail(common, answer.error());
  const bool ok = answer->value("ok", false);
  if (common.json) {
    print(*answer);
    return ok ? 0 : 1;
  }
  print_diagnostics(*answer);
  if (!ok) return fail(common, answer->value("error", "refused"));
  fmt::print("{}", render_plan(*answer, true));
  if (answer->contains("warning") && (*answer)["warning"].is_string())
    fmt::print(stderr, "headgate: {}\n", (*answer)["warning"].get<std::string>());
  fmt::print("{}", render_applied(*answer));
  return 0;
}

int history_command(const CommonOptions& common, std::optional<std::uint32_t> map) {
  json params = json::object();
  if (map) params["map"] = *map;
  const auto answer = ask(common, "history", params, kShort);
  if (!answer) return fail(common, answer.error());
  if (common.json)
    print(*answer);
  else
    fmt::print("{}", map ? render_history_change(*answer) : render_history(*answer, columns_of_terminal()));
  return 0;
}

int status_command(const CommonOptions& common, const std::string& channel, const ChannelFilter& filter) {
  json params = json::object();
  if (!channel.empty()) params["channel"] = channel;
  auto answer = ask(common, "status", params);
  if (!answer) return fail_unknown(common, answer.error(), channel, true);
  if (channel.empty() && !filter.empty()) keep_matching((*answer)["channels"], filter);
  if (common.json)
    print(*answer);
  else
    fmt::print("{}", channel.empty()               ? render_status(*answer, colour())
                     : answer->contains("members") ? render_multiplex(*answer, colour())
                                                   : render_channel(*answer, colour()));
  return 0;
}

int why_command(const CommonOptions& common, const std::string& channel) {
  const auto answer = ask(common, "why", {{"channel", channel}}, kShort);
  if (!answer) return fail_unknown(common, answer.error(), channel, true);
  if (common.json) {
    print(*answer);
    return 0;
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  fmt::print(
      "{}", render_why(*answer, std::chrono::duration_cast<std::chrono::nanoseconds>(now).count(), colour()));
  return 0;
}

int switch_command(const CommonOptions& common, const std::string& channel, const std::string& input) {
  json params = {{"channel", channel}, {"input", input}};
  if (input != "auto") params["input"] = std::stoul(input);
  const auto answer = ask(common, "switch", params, kApply);
  if (!answer) return fail_unknown(common, answer.error(), channel);
  if (common.json)
    print(*answer);
  else
    fmt::print("{}", render_switch(*answer));
  return 0;
}

int events_command(const CommonOptions& common, const EventsOptions& options) {
  json params = json::object();
  if (!options.channel.empty()) params["channel"] = options.channel;
  if (!options.severity.empty()) params["severity"] = options.severity;
  if (options.limit) params["limit"] = *options.limit;
  if (options.follow) return follow_events(common, params);
  const auto answer = ask(common, "events", params);
  if (!answer) return fail(common, answer.error());
  if (common.json) {
    print(*answer);
    return 0;
  }
  EventLines lines(common);
  for (const json& event : answer->at("events")) lines.show(event);
  // The log may tell of a channel that is gone; one that never was is a slip.
  if (answer->at("events").empty() && !options.channel.empty()) {
    const auto known = known_channels(common);
    if (std::find(known.begin(), known.end(), options.channel) == known.end())
      return fail_unknown(common, "no channel " + options.channel + " in the running map", options.channel);
  }
  return 0;
}

}  // namespace headgate::control

// `headgate alarms`, `maintenance` and `health`.
#include <fmt/core.h>

#include <cerrno>
#include <string>

#include "control/cli/client.h"
#include "control/cli/commands.h"
#include "control/cli/render_alarms.h"

namespace headgate::control {

using nlohmann::json;

int alarms_command(const CommonOptions& common) {
  const auto answer = ask(common, "alarms", json::object());
  if (!answer) return fail(common, answer.error());
  if (common.json)
    print(*answer);
  else
    fmt::print("{}", render_alarms(*answer, colour()));
  return 0;
}

int acknowledge_command(const CommonOptions& common, const std::string& id) {
  json params = json::object();
  if (id == "all")
    params["all"] = true;
  else
    params["id"] = std::stoull(id);
  const auto answer = ask(common, "acknowledge", params);
  if (!answer) return fail(common, answer.error());
  if (common.json)
    print(*answer);
  else
    fmt::print("{} acknowledged\n", answer->value("acknowledged", 0U));
  return 0;
}

int maintenance_command(const CommonOptions& common, const std::string& target, std::chrono::seconds time) {
  if (target.empty()) {
    const auto answer = ask(common, "alarms", json::object());
    if (!answer) return fail(common, answer.error());
    if (common.json)
      print({{"maintenance", answer->value("maintenance", json::array())}});
    else
      fmt::print("{}", render_maintenance(*answer));
    return 0;
  }
  const auto answer = ask(common, "maintenance", {{"target", target}, {"seconds", time.count()}});
  if (!answer) return fail_unknown(common, answer.error(), target);
  if (common.json)
    print(*answer);
  else if (time.count() == 0)
    fmt::print("{}: maintenance is over\n", target);
  else
    fmt::print(
        "{}: under maintenance for {} s; its alarms are shown, not sent nor counted.\n"
        "headgate maintenance {} off ends it\n",
        target, time.count(), target);
  return 0;
}

// Who asks is a monitoring system: every way out is one line and one of the four statuses.
int health_command(const CommonOptions& common) {
  const auto tell = [&](const Health& health) {
    if (common.json)
      print({{"status", health.status}, {"line", health.line}, {"figures", health.figures}});
    else
      fmt::print("{}\n", health.line);
    return health.status;
  };
  if (!connect_to(common.socket)) {
    const bool forbidden = errno == EACCES;
    return tell({forbidden ? 3 : 2,
                 fmt::format("HEADGATE {} - {}", forbidden ? "UNKNOWN" : "CRITICAL", not_running(common)),
                 json::object()});
  }
  const auto status = ask(common, "status", json::object());
  const auto alarms = ask(common, "alarms", json::object());
  if (!status || !alarms)
    return tell({3, "HEADGATE UNKNOWN - " + (!status ? status.error() : alarms.error()), json::object()});
  try {
    return tell(judge_health(*status, *alarms));
  } catch (const json::exception& error) {
    return tell(
        {3, std::string("HEADGATE UNKNOWN - answer not understood: ") + error.what(), json::object()});
  }
}

}  // namespace headgate::control

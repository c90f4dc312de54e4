// `headgate sessions` and `kick`.
#include <fmt/core.h>

#include "control/cli/client.h"
#include "control/cli/commands.h"
#include "control/cli/render_sessions.h"

namespace headgate::control {

using nlohmann::json;

int sessions_command(const CommonOptions& common, const std::string& channel,
                     std::optional<std::uint32_t> limit) {
  json params = json::object();
  if (!channel.empty()) params["channel"] = channel;
  if (limit) params["limit"] = *limit;
  const auto answer = ask(common, "sessions", params);
  if (!answer) return fail_unknown(common, answer.error(), channel);
  if (common.json)
    print(*answer);
  else
    fmt::print("{}", render_sessions(*answer, colour()));
  return 0;
}

int kick_command(const CommonOptions& common, const std::string& id) {
  const auto answer = ask(common, "kick", {{"id", id}});
  if (!answer) return fail(common, answer.error());
  if (common.json)
    print(*answer);
  else
    fmt::print("{}", render_kicked(*answer));
  return 0;
}

}  // namespace headgate::control

#include "dataplane/fastpath/control/remux_options.h"

#include <fmt/format.h>

namespace headgate::fastpath {

tl::expected<mpegts::RemuxOptions, std::string> remux_options(const protocol::RemuxState& from) {
  mpegts::RemuxOptions to;
  if (from.service_id != 0) to.service_id = from.service_id;
  if (from.ca == protocol::CaHandling::keep) to.ca = mpegts::CaHandling::keep;
  if (from.ca == protocol::CaHandling::drop) to.ca = mpegts::CaHandling::drop;
  to.provider = from.provider;
  to.name = from.name;
  const auto possible = [](std::uint16_t pid) {
    return mpegts::Pid{pid} >= mpegts::kFirstMapPid && mpegts::Pid{pid} <= mpegts::kLastMapPid;
  };
  for (const protocol::PidRule& rule : from.pids) {
    mpegts::PidRule made{mpegts::Pid{rule.pid}, std::nullopt};
    if (!rule.role.empty()) {
      auto role = mpegts::parse_role(rule.role);
      if (!role) return tl::unexpected<std::string>(fmt::format("there is no role {}", rule.role));
      made.from = std::move(*role);
    } else if (!possible(rule.pid)) {
      return tl::unexpected<std::string>(fmt::format("PID {} can't be mapped", rule.pid));
    }
    if (rule.to != 0 && !possible(rule.to))
      return tl::unexpected<std::string>(fmt::format("nothing may leave under PID {}", rule.to));
    if (rule.to != 0) made.to = mpegts::Pid{rule.to};
    to.pids.push_back(std::move(made));
  }
  return to;
}

}  // namespace headgate::fastpath

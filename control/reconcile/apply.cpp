#include "control/reconcile/apply.h"

#include <algorithm>

namespace headgate::control {
namespace {

constexpr std::chrono::milliseconds kRetry{50};
constexpr std::uint64_t kDeathsOfABadMap = 2;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// A restarted process loads its state file by itself: wait until it says so.
tl::expected<void, std::string> restart(DataPlane& plane, const std::string& process,
                                        std::uint64_t generation,
                                        std::chrono::steady_clock::time_point deadline) {
  const std::uint64_t deaths = plane.deaths(process).value_or(0);
  if (const auto asked = plane.restart(process); !asked)
    return tl::unexpected(process + ": " + asked.error());
  std::string last = "no answer";
  while (plane.now() < deadline) {
    const auto runs = plane.generation(process);
    if (runs && *runs == generation) return {};
    last = runs ? "it still runs the old map" : runs.error();
    // Once may be an accident. Twice is the map, and all channels are dark meanwhile.
    const auto now = runs ? tl::expected<std::uint64_t, std::string>(deaths) : plane.deaths(process);
    if (now && *now >= deaths + kDeathsOfABadMap)
      return tl::unexpected(process + " died at its start with the new map; its last log lines say why");
    plane.pause(kRetry);
  }
  return tl::unexpected(process + " did not come back with the new map: " + last);
}

tl::expected<void, std::string> apply(DataPlane& plane, const std::string& process,
                                      std::chrono::steady_clock::time_point deadline) {
  std::string last = "no answer";
  while (plane.now() < deadline) {
    if (const auto reachable = plane.generation(process); !reachable) {
      last = reachable.error();
      plane.pause(kRetry);
      continue;
    }
    const auto applied = plane.apply(process);
    if (applied) return {};
    last = applied.error();
    // Still there: it refused. Gone: it died meanwhile, and comes again.
    if (plane.generation(process)) return tl::unexpected(process + " refused the map: " + last);
    plane.pause(kRetry);
  }
  return tl::unexpected(process + " can't be reached: " + last);
}

}  // namespace

tl::expected<void, std::string> carry_out(DataPlane& plane, const DesiredStates& wanted,
                                          const std::vector<std::string>& restarts,
                                          std::chrono::milliseconds bound) {
  if (auto written = plane.write_state("fastpath", protocol::to_json(wanted.fastpath)); !written)
    return written;
  if (auto written = plane.write_state("bridge", protocol::to_json(wanted.bridge)); !written) return written;
  for (const std::string process : {"fastpath", "bridge"}) {
    const auto deadline = plane.now() + bound;
    auto done = contains(restarts, process) ? restart(plane, process, wanted.fastpath.generation, deadline)
                                            : apply(plane, process, deadline);
    if (!done) return done;
  }
  return {};
}

tl::expected<void, ApplyFailure> carry_out_or_roll_back(DataPlane& plane, const DesiredStates& before,
                                                        const DesiredStates& wanted,
                                                        const std::vector<std::string>& restarts,
                                                        std::chrono::milliseconds bound) {
  const auto done = carry_out(plane, wanted, restarts, bound);
  if (done) return {};
  ApplyFailure failure;
  failure.reason = done.error();
  DesiredStates again = before;
  again.fastpath.generation = again.bridge.generation = wanted.fastpath.generation + 1;
  const auto back = carry_out(plane, again, restarts, bound);
  failure.rolled_back = back.has_value();
  if (!back) failure.rollback_reason = back.error();
  return tl::unexpected(failure);
}

}  // namespace headgate::control

// Makes both data-plane processes take new states, all or nothing: where one refuses, everything is put back.
// Blocks (bounded); control runs it on a thread of its own. Threading: one call at a time per DataPlane.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "control/reconcile/build_states.h"

namespace headgate::control {

// The outside world of apply, so that tests need no processes. Process names: "fastpath", "bridge";
// and for write_state() and apply() "transcode", for which no map waits.
class DataPlane {
 public:
  virtual ~DataPlane() = default;
  virtual tl::expected<void, std::string> write_state(const std::string& process,
                                                      const std::string& json) = 0;
  // Of the state that the process runs; an error while it can't be reached.
  virtual tl::expected<std::uint64_t, std::string> generation(const std::string& process) = 0;
  // Loads the state file; an error is the process's refusal or its death.
  virtual tl::expected<void, std::string> apply(const std::string& process) = 0;
  virtual tl::expected<void, std::string> restart(const std::string& process) = 0;
  // So far, not counting restarts that were asked for.
  virtual tl::expected<std::uint64_t, std::string> deaths(const std::string& process) = 0;
  virtual std::chrono::steady_clock::time_point now() = 0;
  virtual void pause(std::chrono::milliseconds time) = 0;
};

inline constexpr std::chrono::seconds kApplyBound{20};

// Writes both states and makes each process run them. Error: names the process and its reason. Changes
// nothing back.
tl::expected<void, std::string> carry_out(DataPlane& plane, const DesiredStates& wanted,
                                          const std::vector<std::string>& restarts,
                                          std::chrono::milliseconds bound = kApplyBound);

struct ApplyFailure {
  std::string reason;
  bool rolled_back = false;
  std::string rollback_reason;  // where that failed too
};

// carry_out; on failure the content of `before` again, under the generation after `wanted`'s.
tl::expected<void, ApplyFailure> carry_out_or_roll_back(DataPlane& plane, const DesiredStates& before,
                                                        const DesiredStates& wanted,
                                                        const std::vector<std::string>& restarts,
                                                        std::chrono::milliseconds bound = kApplyBound);

}  // namespace headgate::control

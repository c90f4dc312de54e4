// The real fast path and bridge behind apply's DataPlane: state files, their control sockets, the launcher.
// Threading: one thread calls; cancel() from any.
#pragma once

#include <atomic>

#include "control/protocol/run_dir.h"
#include "control/reconcile/apply.h"

namespace headgate::control {

class LiveDataPlane : public DataPlane {
 public:
  explicit LiveDataPlane(protocol::RunDir run_dir) : run_dir_(std::move(run_dir)) {}
  // Ends waiting at once: control stops.
  void cancel() { cancelled_ = true; }

  tl::expected<void, std::string> write_state(const std::string& process, const std::string& json) override;
  tl::expected<std::uint64_t, std::string> generation(const std::string& process) override;
  tl::expected<void, std::string> apply(const std::string& process) override;
  tl::expected<void, std::string> restart(const std::string& process) override;
  tl::expected<std::uint64_t, std::string> deaths(const std::string& process) override;
  std::chrono::steady_clock::time_point now() override;
  void pause(std::chrono::milliseconds time) override;

 private:
  std::string socket(const std::string& process) const;
  protocol::RunDir run_dir_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace headgate::control

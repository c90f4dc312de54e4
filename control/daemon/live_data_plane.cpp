#include "control/daemon/live_data_plane.h"

#include <thread>

#include "control/launcher/launcher_client.h"
#include "control/protocol/message.h"

namespace headgate::control {
namespace {

constexpr std::chrono::seconds kHelloBound{1};
constexpr std::chrono::seconds kApplyCallBound{15};

}  // namespace

std::string LiveDataPlane::socket(const std::string& process) const {
  if (process == "fastpath") return run_dir_.fastpath_socket();
  return process == "transcode" ? run_dir_.transcode_socket() : run_dir_.bridge_socket();
}

tl::expected<void, std::string> LiveDataPlane::write_state(const std::string& process,
                                                           const std::string& json) {
  if (process == "transcode") return protocol::write_file_atomically(run_dir_.transcode_state(), json);
  // The bridge's holds passphrases.
  if (process == "fastpath") return protocol::write_file_atomically(run_dir_.fastpath_state(), json);
  return protocol::write_file_atomically(run_dir_.bridge_state(), json, protocol::Readers::bridge);
}

tl::expected<std::uint64_t, std::string> LiveDataPlane::generation(const std::string& process) {
  const auto hello = protocol::call(socket(process), "hello", nlohmann::json::object(), kHelloBound);
  if (!hello) return tl::unexpected(hello.error());
  if (!hello->is_object() || !hello->contains("generation") || !(*hello)["generation"].is_number_unsigned())
    return tl::unexpected(process + " answers hello without a generation");
  return (*hello)["generation"].get<std::uint64_t>();
}

tl::expected<void, std::string> LiveDataPlane::apply(const std::string& process) {
  const auto done = protocol::call(socket(process), "apply", nlohmann::json::object(), kApplyCallBound);
  if (!done) return tl::unexpected(done.error());
  return {};
}

tl::expected<void, std::string> LiveDataPlane::restart(const std::string& process) {
  const auto done = launcher_call(run_dir_.launcher_socket(), "restart " + process);
  if (!done) return tl::unexpected(done.error());
  return {};
}

tl::expected<std::uint64_t, std::string> LiveDataPlane::deaths(const std::string& process) {
  const auto status = launcher_call(run_dir_.launcher_socket(), "status");
  if (!status) return tl::unexpected(status.error());
  for (const ProcessStatus& entry : parse_launcher_status(*status)) {
    if (entry.name == process) return entry.deaths;
  }
  return tl::unexpected("the launcher knows no " + process);
}

std::chrono::steady_clock::time_point LiveDataPlane::now() {
  return cancelled_ ? std::chrono::steady_clock::time_point::max() : std::chrono::steady_clock::now();
}

void LiveDataPlane::pause(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }

}  // namespace headgate::control

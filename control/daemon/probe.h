// `headgate probe` of a group that the running gateway takes in: what its own input saw over a time, read
// from the fast path's counters and the bridge's tracks, so that no second membership and no second copy is
// needed. The members are named as those of a probe by a kernel socket; tables and TR 101 290 counts, which
// the fast path doesn't keep, are absent. Threading: one owner; values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

#include "control/daemon/view.h"

namespace headgate::control {

struct ProbeWish {
  std::string group;
  std::uint16_t port = 0;
  std::string source;     // "" = any
  std::string interface;  // of the node file, or the kernel interface that its device names; "" = any
  std::chrono::milliseconds time{10'000};
};

// {"group":"239.10.1.1","port":5000,"source":"","interface":"","seconds":10}
tl::expected<ProbeWish, std::string> parse_probe_wish(const nlohmann::json& params);

struct ProbeTarget {
  std::string channel;
  std::uint32_t input = 0;
  std::string url;
  std::string interface;
  std::string device;
  std::uint16_t vlan = 0;
};

// The first input of an enabled channel that takes exactly this in.
std::optional<ProbeTarget> find_probe_target(const config::Model& model, const ProbeWish& wish);

nlohmann::json probe_failure(const ProbeTarget& target, const std::string& error);

class ProbeReading {
 public:
  explicit ProbeReading(ProbeTarget target) : target_(std::move(target)) {}
  void add(const Snapshot& snapshot, std::int64_t now_unix_ns);
  // {"taken":true,"gateway":{...}} with "report", or with "error" where nothing came.
  nlohmann::json report(const GatewayView& view) const;

 private:
  ProbeTarget target_;
  std::uint64_t epoch_ = 0;
  std::int64_t began_ = 0;
  std::int64_t ended_ = 0;
  std::uint64_t pcr_interval_max_ns_ = 0;
  bool broken_ = false;  // the counters began again
  std::optional<InputSnapshot> first_;
  std::optional<InputSnapshot> last_;
};

}  // namespace headgate::control

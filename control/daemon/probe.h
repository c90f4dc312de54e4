// `headgate probe` of a group that the running gateway takes in, so that no second membership is needed. Two
// halves: `tap` lets the fast path copy the input's packets into a ring, which the CLI reads and analyses
// (media never passes through control); `probe` tells what the input's counters say of the same time:
// datagrams, RTP, drops, the link. Alone, where the ring can't be had, the latter is a page without tables
// and TR 101 290. Threading: one owner; values.
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

// What the fast path is asked for, and the answer to the CLI made of its own: {"taken":true,"gateway":{...}}
// with "ring", or with "error".
nlohmann::json tap_request(const ProbeTarget& target, std::chrono::milliseconds time);
nlohmann::json tap_answer(const ProbeTarget& target, const tl::expected<nlohmann::json, std::string>& tapped);

nlohmann::json probe_failure(const ProbeTarget& target, const std::string& error);

class ProbeReading {
 public:
  explicit ProbeReading(ProbeTarget target) : target_(std::move(target)) {}
  void add(const Snapshot& snapshot, std::int64_t now_unix_ns);
  // {"taken":true,"gateway":{...},"drops":[...]} with "report", or with "error" where nothing usable came.
  nlohmann::json report(const GatewayView& view) const;

 private:
  std::string nothing_came(double seconds, const nlohmann::json& drops) const;
  ProbeTarget target_;
  bool link_down_ = false;  // at the end
  std::uint64_t epoch_ = 0;
  std::int64_t began_ = 0;
  std::int64_t ended_ = 0;
  std::uint64_t pcr_interval_max_ns_ = 0;
  bool broken_ = false;  // the counters began again
  std::optional<InputSnapshot> first_;
  std::optional<InputSnapshot> last_;
};

}  // namespace headgate::control

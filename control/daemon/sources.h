// What the bridge says of a channel's inputs that enter there and of its pushes, and the alarms made of that
// and of the fast path's counters. Threading: pure but for Rising, which is owned by one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "config/model/model.h"
#include "control/daemon/outputs.h"
#include "control/daemon/snapshot_index.h"

namespace headgate::control {

// What the bridge says of either.
struct WayView {
  std::string state;  // waiting | connecting | receiving, of a push sending
  std::string error;
  std::int64_t since_unix_ns = 0;
  std::uint64_t connections = 0, bytes = 0;
  std::vector<LeftOut> left_out;
};

struct SourceView : WayView {
  std::uint32_t number = 0;
  std::string kind;
  std::string peer;
  std::uint64_t packets = 0;
  std::map<std::string, std::uint64_t> drops;
  std::map<std::string, std::string> details;
};

struct PushView : WayView {
  std::string url;
  std::uint64_t failures = 0, skipped = 0;
};

// `bridge_channel` is the bridge's status of the channel, or null. Texts are one line each, bounded.
std::vector<SourceView> sources_of(const nlohmann::json& bridge_channel);
std::vector<PushView> pushes_of(const nlohmann::json& bridge_channel);
const SourceView* find_source(const std::vector<SourceView>& sources, std::uint32_t input);

// By channel.
using Sources = std::map<std::string, std::vector<SourceView>>;
Sources all_sources(const nlohmann::json& bridge_status);

// Alarms, by subject: "news input 2", "news rtmps://live.example.com/app", "news".
std::map<std::string, std::string> inputs_down(const config::Model& model, const SnapshotIndex& seen,
                                               const Sources& sources);
std::map<std::string, std::string> failovers(const config::Model& model, const SnapshotIndex& seen,
                                             const Sources& sources);
// Several services come into a channel of which one leaves, and the map does not say which.
std::map<std::string, std::string> unset_services(const config::Model& model, const SnapshotIndex& seen);
std::map<std::string, std::string> pushes_failing(const config::Model& model,
                                                  const nlohmann::json& bridge_status);

// Why the preferred input is not on air, for people.
std::string why_not_preferred(const config::Channel& channel, const SnapshotIndex& seen,
                              const Sources& sources);

// Counters that mean trouble while they rise.
class Rising {
 public:
  static constexpr std::chrono::seconds kRemembered{60};
  struct Counter {
    std::string subject;
    std::string text;
    std::uint64_t value = 0;
  };
  // Those that rose within kRemembered, by subject. What is not given any more is forgotten.
  std::map<std::string, std::string> update(const std::vector<Counter>& counters, std::int64_t now_ns);

 private:
  struct Known {
    std::uint64_t value = 0;
    std::int64_t rose_ns = 0;
  };
  std::map<std::string, Known> known_;
};

std::vector<Rising::Counter> underflows(const config::Model& model, const SnapshotIndex& seen);
std::vector<Rising::Counter> overflows(const config::Model& model, const SnapshotIndex& seen);
std::vector<Rising::Counter> rates_exceeded(const config::Model& model, const SnapshotIndex& seen);
// Of members of multiplexes.
std::vector<Rising::Counter> shares_exceeded(const config::Model& model, const SnapshotIndex& seen);

}  // namespace headgate::control

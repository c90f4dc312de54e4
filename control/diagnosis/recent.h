// What the counter page tells only over time: what rose in the last ten seconds, what stopped, what is usual.
// Trends makes a Recent of the samples; diagnose() reads it. Threading: Trends has one owner, a Recent is a
// value that nobody changes.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "config/model/model.h"
#include "control/daemon/snapshot.h"

namespace headgate::control {

using InputKey = std::pair<std::string, std::uint32_t>;    // channel, number
using NetworkKey = std::pair<std::string, std::uint32_t>;  // interface, VLAN
using OutputKey = std::pair<std::string, std::string>;     // channel, URL

// A PID that came steadily and does not any more, while others do.
struct GonePid {
  std::uint16_t pid = 0;
  std::int64_t last_unix_ns = 0;  // when it was last seen to come
};

// Of one input, over `Recent::window_ns` unless another time is told.
struct InputRecent {
  bool flows = false;  // a packet within the last 2 s
  std::uint64_t datagrams = 0, packets = 0, cc_errors = 0, transport_errors = 0, sync_errors = 0,
                scrambled = 0, rtp_lost = 0, pcrs = 0, nulls = 0;
  DropCounts drops{};
  std::uint32_t wrong_source = 0;  // who sent the last of drops' wrong_source; 0: nobody ever
  std::uint64_t bitrate_bps = 0;
  std::uint64_t usual_bps = 0;  // over some minutes; 0: too early to say
  bool had_service = false;     // the wanted program was there once
  bool had_pcr = false;         // a PCR came once
  std::vector<GonePid> gone;
  // The PID with the most CC errors, and how many they are.
  std::uint16_t worst_pid = 0;
  std::uint64_t worst_pid_cc_errors = 0;
  // Of TR 101 290 in the last minute, or since it has come without a pause: what counts when it is back from
  // one says nothing of the stream. None judged while that is too short to say.
  IndicatorSnapshot indicators;
};

struct PortRecent {
  std::uint64_t rx_packets = 0;
  DropCounts drops{};
  std::int64_t link_since_unix_ns = 0;  // its last change; 0: none was seen
};

// The datagram inputs of enabled channels on one interface and VLAN.
struct NetworkRecent {
  std::uint32_t inputs = 0;
  std::uint32_t flowing = 0;
  std::vector<std::uint64_t> damaged;    // of those, the CC errors of each that has any
  std::vector<std::int64_t> stopped_ns;  // last packets of the silent ones that ever brought one, in order
  std::int64_t query_late_ns = 0;        // a querier that is silent for longer is late
  // An input went on coming for longer than a switch remembers whom nobody asked again: this network does
  // without the querier.
  bool outlived_query = false;
};

struct Recent {
  std::int64_t window_ns = 0;  // 0: too early to say
  std::map<InputKey, InputRecent> inputs;
  std::map<std::string, PortRecent> ports;
  std::map<NetworkKey, NetworkRecent> networks;
  std::map<OutputKey, DropCounts> outputs;
  std::map<std::string, std::uint64_t> rate_dropped;  // by channel, beyond the constant rate
  std::map<std::string, std::uint64_t> players_lost;  // by channel: what slow players did not get
  double busy_ratio = 0;                              // of the fast path's worker
};

// All its times.
void shift(Recent& recent, std::int64_t nanoseconds);

class Trends {
 public:
  // An inner look each so often, so many of them.
  static constexpr std::int64_t kLookNs = 2'000'000'000;
  static constexpr std::size_t kLooks = 6;
  // Looks at the indicators of TR 101 290, likewise: the first is a minute old at least.
  static constexpr std::int64_t kIndicatorLookNs = 10'000'000'000;
  static constexpr std::size_t kIndicatorLooks = 7;

  // With each sample. `bridge_status` may be older.
  void update(const config::Model& model, const Snapshot& snapshot, std::int64_t now_unix_ns,
              const nlohmann::json& bridge_status = {});
  // As of the last update; never null.
  std::shared_ptr<const Recent> recent() const { return recent_; }

 private:
  struct Counts {
    std::uint64_t datagrams = 0, packets = 0, cc = 0, tei = 0, sync = 0, scrambled = 0, rtp_lost = 0,
                  pcrs = 0, nulls = 0;
    DropCounts drops{};
    std::vector<std::pair<std::uint16_t, std::uint64_t>> pid_cc;  // of those that ever had an error
  };
  struct Look {
    std::int64_t at = 0;
    std::map<InputKey, Counts> inputs;
    std::map<std::string, std::pair<std::uint64_t, DropCounts>> ports;
    std::map<OutputKey, DropCounts> outputs;
    std::map<std::string, std::uint64_t> rate_dropped, players_lost;
    std::uint64_t busy_cycles = 0, total_cycles = 0;
  };
  struct IndicatorLook {
    std::int64_t at = 0;
    std::map<InputKey, mpegts::IndicatorCounts> inputs;  // of those that have come for a while
  };
  struct PidKnown {
    std::uint64_t packets = 0;
    std::uint32_t came = 0;    // looks in a row
    std::uint32_t missed = 0;  // looks in a row in which others came
    bool steady = false;
    std::int64_t last_ns = 0;
  };
  struct InputKnown {
    std::string url;
    std::uint64_t packets = 0;
    std::uint64_t usual_bps = 0;
    std::uint32_t rates = 0;
    bool had_service = false, had_pcr = false;
    std::map<std::uint16_t, PidKnown> pids;
  };
  struct QuerierKnown {
    std::uint64_t queries = 0;
    std::int64_t last_ns = 0;
    std::int64_t longest_ns = 0;
    std::uint32_t intervals = 0;
    bool outlived = false;  // since the last query
  };
  // Since when an input has come without a pause.
  struct Run {
    std::string url;
    std::int64_t since_ns = 0;   // 0: it pauses
    std::int64_t paused_ns = 0;  // when it was last seen to pause, or first seen
    std::optional<config::Program> program = {};
    std::int64_t edited_ns = 0;  // when the map wanted another program
  };
  using Seen = std::map<InputKey, const InputSnapshot*>;
  static Look take(const Snapshot& snapshot, std::int64_t now, const nlohmann::json& bridge_status);
  void learn(const Snapshot& snapshot, std::int64_t now, std::int64_t look_ns);
  void learn_indicators(const Snapshot& snapshot, std::int64_t now);
  bool settled(const InputKey& input, std::int64_t now) const;
  void learn_pids(const InputSnapshot& input, bool flowed, std::int64_t now, InputKnown& known);
  void learn_queriers(const Snapshot& snapshot);
  void learn_runs(const config::Model& model, const Snapshot& snapshot, const Seen& seen, std::int64_t now);
  Recent judge(const config::Model& model, const Seen& seen, const Look& now) const;
  void add_input(const config::Input& input, const InputSnapshot& seen, const Look& now,
                 Recent& recent) const;
  std::int64_t query_late(const NetworkKey& network) const;

  std::uint64_t epoch_ = 0;
  std::deque<Look> looks_;
  std::deque<IndicatorLook> indicator_looks_;
  std::map<InputKey, InputKnown> inputs_;
  std::map<NetworkKey, QuerierKnown> queriers_;
  std::map<InputKey, Run> runs_;
  std::map<std::string, std::pair<bool, std::int64_t>> links_;  // up, since (0: as long as it is known)
  std::shared_ptr<const Recent> recent_ = std::make_shared<Recent>();
};

}  // namespace headgate::control

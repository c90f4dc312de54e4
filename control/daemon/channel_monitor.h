// The state of each channel from its counters, and since when:
//   ok        media flows and nothing went wrong in the last 10 s
//   degraded  media flows, but in the last 10 s there were CC errors, transport errors, packets without sync,
//   packets lost
//             towards the bridge or an output, or most packets were scrambled, or the wanted service is
//             missing, or the bridge has nothing to serve to players
//   down      no datagram for 2 s
//   disabled  by the map
// Pure: time and counters are arguments. Threading: one owner.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "config/model/model.h"
#include "control/daemon/snapshot.h"

namespace headgate::control {

enum class ChannelState { ok, degraded, down, disabled };
const char* to_string(ChannelState state) noexcept;

struct ChannelHealth {
  ChannelState state = ChannelState::down;
  std::string reason;  // "" when ok
  std::int64_t since_unix_ns = 0;
  std::uint32_t active_input = 0;  // number; 0 = none
  bool operator==(const ChannelHealth&) const = default;
};

class ChannelMonitor {
 public:
  static constexpr std::chrono::seconds kWindow{10};
  static constexpr std::chrono::seconds kSilence{2};
  using OnChange =
      std::function<void(const std::string& channel, const ChannelHealth& before, const ChannelHealth& now)>;

  // `problems`: by channel, what keeps the bridge from serving it although packets come.
  void update(const config::Model& model, const Snapshot& snapshot, std::int64_t now_unix_ns,
              const OnChange& on_change, const std::map<std::string, std::string>& problems = {});
  // Null for an unknown channel.
  const ChannelHealth* find(const std::string& channel) const;

 private:
  struct Sample {
    std::int64_t at = 0;
    std::uint64_t epoch = 0, packets = 0, cc = 0, tei = 0, sync = 0, scrambled = 0, lost = 0;
  };
  struct Entry {
    ChannelHealth health;
    std::int64_t last_packet_unix_ns = 0;
    std::deque<Sample> samples;
    bool known = false;
  };
  ChannelHealth judge(const config::Channel& channel, const Snapshot& snapshot, std::int64_t now,
                      Entry& entry);

  std::map<std::string, Entry> entries_;
};

}  // namespace headgate::control

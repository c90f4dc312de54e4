// The state of each channel from its counters, and since when:
//   ok        media flows and nothing went wrong in the last 10 s
//   degraded  media flows, but in the last 10 s there were CC errors (where the map has alarms.cc_errors: in
//   its time as many as it names), transport errors, packets without sync,
//   packets lost
//             towards the bridge or an output, or most packets were scrambled, or the wanted service is
//             missing, or a track that came steadily is gone, or the bridge has nothing to serve to players
//   backup    media flows from another input than the preferred one, by itself or because the operator forced
//             it; the reason says why, and what is wrong besides
//   waiting   for a publisher: the preferred input is `publish`, nobody publishes, and nothing else is on air
//   down      no datagram for 2 s, or none yet; a changed input has 2 s to send its first one. The reason
//   names
//             the fast path where that is what stands still
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
#include "control/daemon/rising_count.h"
#include "control/daemon/snapshot.h"
#include "control/daemon/sources.h"

namespace headgate::control {

enum class ChannelState { ok, degraded, backup, waiting, down, disabled };
inline constexpr ChannelState kChannelStates[] = {ChannelState::ok,     ChannelState::degraded,
                                                  ChannelState::backup, ChannelState::waiting,
                                                  ChannelState::down,   ChannelState::disabled};
const char* to_string(ChannelState state) noexcept;

// What makes a channel degraded.
struct Fault {
  std::string_view alarm;  // kind of the catalogue; "" where it is not yet one
  std::string text;        // "3 CC errors in the last 10 s"
  bool operator==(const Fault&) const = default;
};

struct ChannelHealth {
  ChannelState state = ChannelState::down;
  std::string reason;  // "" when ok
  std::int64_t since_unix_ns = 0;
  std::uint32_t active_input = 0;  // number; 0 = none
  bool nothing_came = false;       // of the input as it is now
  bool input_changed = false;      // while this control runs
  bool in_time = false;            // nothing came, and there is still time for it
  std::vector<Fault> faults = {};  // of the input on air
  bool operator==(const ChannelHealth&) const = default;
};

class ChannelMonitor {
 public:
  static constexpr std::chrono::seconds kWindow{10};
  static constexpr std::chrono::seconds kSilence{2};
  static constexpr std::chrono::seconds kStalled{3};  // the fast path's page was not written
  // `before` has the same state where the channel was down from its beginning: told once, after kSilence.
  using OnChange =
      std::function<void(const std::string& channel, const ChannelHealth& before, const ChannelHealth& now)>;

  // `problems`: by channel, what keeps the bridge from serving it although packets come. `sources`: what the
  // bridge says of inputs that enter there. `lost`: by channel, the tracks that stopped.
  void update(const config::Model& model, const Snapshot& snapshot, std::int64_t now_unix_ns,
              const OnChange& on_change, const std::map<std::string, std::string>& problems = {},
              const Sources& sources = {}, const std::map<std::string, std::string>& lost = {});
  // Since when a channel is in its state, kept over a restart of control: recall() before the first update().
  // Holds for the channels that this monitor finds in the same state; for one that was degraded also when it
  // becomes so again within kWindow, as its errors were seen by the one before.
  std::string remembered(std::int64_t steps_ns = 0) const;  // of the clock, to be added to its times
  void recall(const std::string& text);
  std::uint64_t changes() const noexcept { return changes_; }  // rises when remembered() does
  // The times that find() shows.
  void shift(std::int64_t nanoseconds);
  // Null for an unknown channel.
  const ChannelHealth* find(const std::string& channel) const;

 private:
  struct Recalled {
    std::string state;
    std::int64_t since = 0;
  };
  struct Sample {
    std::int64_t at = 0;
    std::uint64_t epoch = 0, packets = 0, cc = 0, tei = 0, sync = 0, scrambled = 0, nulls = 0, lost = 0;
  };
  struct Entry {
    ChannelHealth health;
    std::int64_t last_packet_unix_ns = 0;
    std::deque<Sample> samples;
    RisingCount cc_errors;
    std::uint32_t on_air = 0;  // whose counters the samples are
    bool known = false;
    bool told = false;  // that nothing came
    std::vector<config::Input> inputs;
    bool enabled = true;
    std::int64_t expected_since = 0;  // a datagram
    std::int64_t ignore_before = 0;   // datagrams of an input that was
    const char* why = "it was started";
  };
  std::int64_t since(const std::string& channel, const Entry& entry, ChannelState state, std::int64_t now);
  void notice_edits(const config::Channel& channel, std::int64_t now, Entry& entry) const;
  ChannelHealth judge(const config::Channel& channel, const SnapshotIndex& seen, std::int64_t now,
                      const Sources& sources, Entry& entry);
  static Sample take_sample(const config::Channel& channel, const SnapshotIndex& seen, std::int64_t now,
                            Entry& entry, bool& service_missing, bool& tables_missing);
  static std::vector<Fault> faults_of(const config::Channel& channel, const Sample& first, const Sample& last,
                                      std::uint64_t cc_errors);
  static void add_fault(std::string_view alarm, const std::map<std::string, std::string>& by_channel,
                        const std::string& channel, ChannelHealth& health);
  static Fault frequent_cc(const config::Channel& channel, std::uint64_t cc_errors);
  static ChannelHealth silent(const config::Channel& channel, const SnapshotIndex& seen, std::int64_t now,
                              const Sources& sources, const Entry& entry);

  std::map<std::string, Entry> entries_;
  std::map<std::string, Recalled> recalled_;
  std::int64_t recalled_until_ = 0;
  std::uint64_t changes_ = 0;
  bool first_look_ = true;
};

// The counters are those of an input that the channel has now: after an apply an old one may still be there.
bool is_input_of(const config::Channel& channel, const InputSnapshot& input);

}  // namespace headgate::control

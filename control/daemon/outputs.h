// What players may fetch of a channel, from the map and what the bridge says of it: addresses, sessions,
// bytes, tracks left out. Threading: pure but for OutputRates, which is owned by one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "config/model/diff.h"
#include "config/model/model.h"

namespace headgate::control {

struct LeftOut {
  std::uint64_t pid = 0;
  std::string kind;
  std::string reason;
};

// Out of the bridge's status of an output, an input or a push.
std::vector<LeftOut> left_out_of(const nlohmann::json& object);

struct ServedOutput {
  std::string protocol;                   // as `serve` names it
  std::vector<std::string> addresses;     // "rtmp://HOST:1935/live/news"; HOST stands for any of this machine
  std::string passphrase;                 // srt: "channel" or "server" where one is asked for
  std::string closed;                     // why nobody is let in, although the map serves it
  std::optional<std::uint64_t> sessions;  // while the bridge tells it
  std::optional<std::uint64_t> bytes;
  std::vector<LeftOut> left_out;
};

// In the order of config::served(). What the bridge counts, without addresses and locks.
std::vector<ServedOutput> counted_outputs(const config::Channel& channel,
                                          const nlohmann::json& bridge_channel);
// The same with them. `bridge_channel` is the bridge's status of the channel, or null.
std::vector<ServedOutput> served_outputs(const config::Node& node, const config::Channel& channel,
                                         const nlohmann::json& bridge_channel);

// By channel (or server, by its address), why something that is encrypted is not served: its passphrase file
// can't be read any more.
std::map<std::string, std::string> unreadable_passphrases(const config::Model& model);

// The same for what stands in key files: certificates of servers, keys of publishers and of pushes, and the
// passphrases of SRT inputs and pushes.
std::map<std::string, std::string> unreadable_keys(const config::Model& model);

// Of channels whose tracks the bridge tells.
config::SoundSeen sound_seen(const nlohmann::json& bridge_status);

// Rates of the bytes that the bridge counts by channel and protocol, or the URL of a push, over at least a
// second.
class OutputRates {
 public:
  using Key = std::pair<std::string, std::string>;  // channel, protocol or URL

  void update(const nlohmann::json& bridge_status, std::int64_t now_ns);
  const std::map<Key, std::uint64_t>& bits_per_second() const { return rates_; }

 private:
  struct Base {
    std::uint64_t bytes = 0;
    std::int64_t at_ns = 0;
  };
  void add(const Key& key, std::uint64_t bytes, std::int64_t now_ns, std::map<Key, Base>& bases,
           std::map<Key, std::uint64_t>& rates) const;
  std::map<Key, Base> bases_;
  std::map<Key, std::uint64_t> rates_;
};

}  // namespace headgate::control

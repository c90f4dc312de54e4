// A target that a channel is sent to: one object each, isolated from the others, that connects, sends, and
// after a failure tries again with growing pauses until it is destroyed. Threading: owned by the bridge's
// media thread. Ownership: the feed that it takes from outlives it, or ends it by on_end().
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "control/protocol/state.h"
#include "dataplane/bridge/hub/track.h"

namespace headgate::bridge::push {

enum class PushState : std::uint8_t { connecting, sending, waiting };  // waiting: for the next try

struct PushStatus {
  PushState state = PushState::connecting;
  std::string peer;           // "203.0.113.7:1935", "" while there is none
  std::string error;          // why the last connection ended; "" while all is well
  std::int64_t since_ns = 0;  // in this state, Unix time
  std::uint64_t connections = 0;
  std::uint64_t failures = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bitrate_bps = 0;
  std::uint64_t skipped = 0;  // frames, or packets, left out because the target was slow
  std::vector<hub::LeftOutTrack> left_out;
  std::map<std::string, std::string> details;  // of the protocol: "rtt_ms", …
};

class Push {
 public:
  virtual ~Push() = default;
  virtual const protocol::BridgePush& target() const = 0;
  virtual const PushStatus& status() = 0;
};

}  // namespace headgate::bridge::push

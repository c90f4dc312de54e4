// What an output of a channel tells of itself: `outputs` of the channel in the bridge's status, from which
// control makes `headgate status` and the metrics by output. Threading: values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/bridge/hub/track.h"

namespace headgate::bridge::hub {

struct OutputStatus {
  std::string protocol;                // as `serve` names it: "rtmp"
  std::uint64_t sessions = 0;          // players now
  std::uint64_t bytes = 0;             // sent to players of this channel since the bridge began
  std::vector<LeftOutTrack> left_out;  // tracks of the channel that this output does not carry
};

}  // namespace headgate::bridge::hub

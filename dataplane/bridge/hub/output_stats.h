// What the players of one output of one channel took. Threading: owned by the thread that runs the
// io_context; shared, so that a session may outlive its channel.
#pragma once

#include <cstdint>

namespace headgate::bridge::hub {

struct OutputStats {
  std::uint64_t sessions = 0;  // now
  std::uint64_t sessions_total = 0;
  std::uint64_t bytes = 0;     // sent to players
  std::uint64_t skips = 0;     // times a slow player jumped ahead
  std::uint64_t skipped = 0;   // what it lost so: transport packets, or frames
  std::uint64_t cut = 0;       // players cut off because they took nothing
  std::uint64_t unusable = 0;  // frames that came and that the output can't carry
};

}  // namespace headgate::bridge::hub

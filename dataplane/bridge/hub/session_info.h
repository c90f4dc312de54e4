// One connection with the world, of whatever protocol, for `headgate sessions`. Without secrets: no stream
// key, token or query goes in here. Threading: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace headgate::bridge::hub {

inline constexpr std::size_t kLongestUserAgent = 120;

struct SessionInfo {
  std::string id;  // "rtmp-17": never used again in the life of the process
  std::string channel;
  std::string protocol;  // rtmp | rtmps | srt | http-ts | hls
  std::string role;      // player | publisher | push | pull
  std::string address;   // of the other end; "" while there is none
  std::string url;       // of the map, for a push or a pull
  std::string user_agent;
  std::string state;  // playing | paused | publishing | sending | receiving | connecting | waiting
  std::string error;  // why its last connection ended, of a push or a pull
  std::int64_t since_unix_ns = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bitrate_bps = 0;
  std::uint64_t skipped = 0;  // frames, or packets, that it lost because it was too slow, or that never came
  std::optional<std::int64_t> rtt_ns;
};

// Of an operator's command, for whoever is asked why a connection ended.
inline constexpr const char* kKicked = "ended by the operator";

}  // namespace headgate::bridge::hub

// What the receiving thread tells the media thread, in the order in which it happened. Threading: values.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace headgate::bridge::srt {

using ConnectionId = std::uint64_t;  // never used twice
using InputId = std::uint64_t;       // of an input that calls or has a port of its own; 0: a publisher

// Bytes of a connection that the media thread has not taken yet.
using Backlog = std::atomic<std::size_t>;

struct Connected {
  ConnectionId connection = 0;
  InputId input = 0;
  std::string channel;  // of a publisher
  std::string peer;
};
struct Received {
  ConnectionId connection = 0;
  bool gap = false;  // something is missing before it
  std::vector<std::uint8_t> bytes;
  std::shared_ptr<Backlog> backlog;
};
// The other end is gone; what libsrt still holds is handed on, then comes Ended.
struct Ending {
  ConnectionId connection = 0;
};
struct Ended {
  ConnectionId connection = 0;
  std::string error;  // "": the other end closed it
};
struct Trying {
  InputId input = 0;
};
struct Listening {  // its own port is open
  InputId input = 0;
};
struct Failed {
  InputId input = 0;
  std::string error;
};
struct Measured {
  ConnectionId connection = 0;
  std::map<std::string, std::string> details;
  std::map<std::string, std::uint64_t> drops;  // since the last time
};
using Arrival = std::variant<Connected, Received, Ending, Ended, Trying, Listening, Failed, Measured>;

}  // namespace headgate::bridge::srt

// The RTMP server: listeners, connections, limits. Channels enter their frames through open(); a connection's
// own logic is in session.h. Limits: connections in all and per address, time for handshake, connect and
// play, channels asked for in vain per address and minute, bytes and age that a slow player may lag. Each
// refusal is counted. References: Adobe RTMP 1.0; Enhanced RTMP v2 (2026-01-31).
// Threading: owned by the thread that runs the io_context; no call is thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "dataplane/bridge/hub/frame.h"
#include "dataplane/bridge/rtmp/channel_stream.h"
#include "dataplane/bridge/rtmp/session.h"

namespace boost::asio {
class io_context;
}

namespace headgate::bridge::rtmp {

struct ServerLimits {
  std::size_t connections = 10'000;
  std::size_t connections_per_address = 1'000;
  std::size_t guesses_per_minute = 20;  // channels that are not there, asked for from one address
  // Frames that come within this time go out in one system call a player.
  std::chrono::milliseconds merge_time{20};
  // What the kernel may hold for a player unsent, so that a slow one can still be moved on.
  int unsent_bytes = 128 * 1024;
  SessionLimits session;
  StreamLimits stream;
};

struct ServerCounters {
  std::uint64_t accepted = 0;
  std::uint64_t plays = 0;
  std::uint64_t bytes = 0;
  std::array<std::uint64_t, kRefusals> refused{};  // by Refusal
};

class Server {
 public:
  explicit Server(boost::asio::io_context& context, const ServerLimits& limits = {});
  ~Server();

  // Makes exactly these addresses ("[::]:1935", "127.0.0.1:0") listen. Those that listen already are not
  // touched, nor are connections. All or nothing: on an error what listened before goes on.
  tl::expected<void, std::string> listen(const std::vector<std::string>& addresses);
  // Ports in the order of the addresses (for port 0).
  std::vector<std::uint16_t> ports() const;

  // From now on `id` can be played. The sink takes the channel's frames; it lives until close(id).
  hub::FrameSink& open(const std::string& id);
  // Its players are told, and leave.
  void close(const std::string& id);
  // Null: not open.
  const ChannelStream* channel(std::string_view id) const;
  std::size_t players(std::string_view id) const;

  std::size_t connections() const;
  const ServerCounters& counters() const;
  void stop();

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace headgate::bridge::rtmp

// The RTMP server, plain and over TLS: listeners, connections, limits. Channels enter their frames through
// open(); what encoders publish goes to the inputs that a look-up finds; a connection's own logic is in
// session.h. Limits: connections in all and per address, time for handshake, connect and play, channels and
// keys tried in vain per address and minute, bytes and age that a slow player may lag. Each refusal is
// counted. References: Adobe RTMP 1.0; Enhanced RTMP v2 (2026-01-31).
// Threading: owned by the thread that runs the io_context; no call is thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "control/protocol/state.h"
#include "dataplane/bridge/hub/frame.h"
#include "dataplane/bridge/hub/session_info.h"
#include "dataplane/bridge/ingest/entry.h"
#include "dataplane/bridge/rtmp/channel_stream.h"
#include "dataplane/bridge/rtmp/session.h"

namespace boost::asio {
class io_context;
}

namespace headgate::bridge::rtmp {

struct ServerLimits {
  std::size_t connections = 10'000;
  std::size_t connections_per_address = 1'000;
  // Channels that are not there, asked for from one address; and wrong keys, from one address for one
  // channel.
  std::size_t guesses_per_minute = 20;
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
  std::uint64_t publishes = 0;
  std::uint64_t bytes = 0;
  std::array<std::uint64_t, kRefusals> refused{};  // by Refusal
};

class Server {
 public:
  explicit Server(boost::asio::io_context& context, const ServerLimits& limits = {});
  ~Server();

  // Makes exactly these addresses ("[::]:1935", "127.0.0.1:0") listen. Those that listen already are not
  // touched, nor are connections; those of `tls` take a new certificate for connections to come. All or
  // nothing: on an error what listened before goes on.
  tl::expected<void, std::string> listen(const std::vector<std::string>& addresses,
                                         const std::vector<protocol::RtmpsServerState>& tls = {});
  // Ports in the order of the addresses, those of TLS last (for port 0).
  std::vector<std::uint16_t> ports() const;

  // From now on `id` can be played. The sink takes the channel's frames; it lives until close(id).
  hub::FrameSink& open(const std::string& id);
  // Its players are told, and leave.
  void close(const std::string& id);
  // Null: not open.
  const ChannelStream* channel(std::string_view id) const;
  std::size_t players(std::string_view id) const;

  // Finds the input of a channel that takes a publisher; null: there is none. Without this call nobody may
  // publish.
  void set_inputs(std::function<ingest::Entry*(std::string_view channel)> find);
  // The entry goes: its publisher, if one is here, is told and leaves. The entry is not touched.
  void drop(const ingest::Entry& entry);
  std::size_t publishers() const;

  // Who plays or publishes, in the order in which they came: from behind number `after` on, `most`
  // connections looked at. The last number looked at; 0: there are no more.
  std::uint64_t list(std::uint64_t after, std::size_t most, std::vector<hub::SessionInfo>& out) const;
  // Ends that session; nothing: there is none of that number. As it was.
  std::optional<hub::SessionInfo> kick(std::uint64_t number);

  std::size_t connections() const;
  const ServerCounters& counters() const;
  void stop();

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace headgate::bridge::rtmp

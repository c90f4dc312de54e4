// SRT listeners by which any channel that has `srt` under `serve` is played:
// srt://HOST:PORT?streamid=CHANNEL. libsrt does the protocol (draft-sharabayko-srt; handshake version 5, live
// mode, AES-CTR by passphrase); this decides who gets what, shares one queue of messages among a channel's
// receivers and bounds what libsrt keeps for each.
//
// Threading: constructed, called and destroyed on the hub's thread, which `post` must reach from any thread.
// Sending has a thread of its own, because calls into libsrt wait for its locks; libsrt has two a port and
// one besides. No thread is started before the first apply() that names a listener: call it after
// enter_sandbox().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "control/protocol/state.h"
#include "dataplane/bridge/srt/access.h"

namespace headgate::bridge::hub {
class TsFeed;
}

namespace headgate::bridge::srt {

struct Limits {
  std::size_t sessions = 1000;
  std::int64_t stall_us = 10'000'000;  // without an acknowledgement, while there is something to acknowledge
};

struct SessionStats {
  std::string channel;
  std::string address;   // of the receiver, HOST:PORT
  std::string listener;  // as in the map
  std::string stream_id;
  std::string user;
  std::int64_t since_unix_ns = 0;
  bool encrypted = false;
  std::uint32_t latency_ms = 0;        // agreed: the longer of both ends
  std::uint64_t messages = 0;          // taken by libsrt
  std::uint64_t bytes = 0;             // of transport stream
  std::uint64_t dropped_messages = 0;  // skipped by us, because libsrt took no more
  std::uint64_t jumps = 0;
  double rtt_ms = 0;
  std::uint64_t sent_packets = 0;  // retransmissions included
  std::uint64_t lost_packets = 0;  // as the receiver reports
  std::uint64_t retransmitted_packets = 0;
  std::uint64_t dropped_packets = 0;  // by libsrt: too late to be of use
  std::uint32_t buffer_ms = 0;        // sent, not acknowledged
  std::uint32_t buffer_bytes = 0;
  std::uint32_t buffer_limit = 0;
};

// What happened to sessions of one channel since the start, living ones included.
struct ChannelTotals {
  std::string channel;
  std::size_t sessions = 0;
  std::uint64_t sessions_total = 0;
  std::uint64_t bytes = 0;
  std::uint64_t dropped_messages = 0;  // slow receivers'
  std::uint64_t jumps = 0;
  std::uint64_t stalled = 0;  // sessions closed because they acknowledged nothing
};

struct Stats {
  std::vector<SessionStats> sessions;  // as of at most a second ago
  std::vector<ChannelTotals> channels;
  std::array<std::uint64_t, kRefusals> refused{};
  std::uint64_t accepted = 0;
  std::uint64_t stalled = 0;      // closed: nothing acknowledged for too long
  std::uint64_t revoked = 0;      // closed: channel or listener gone, passphrase changed
  std::uint64_t lost_chunks = 0;  // the sending thread did not keep up
};

class Server {
 public:
  using Find = std::function<hub::TsFeed*(std::string_view channel)>;
  // Runs a function on the hub's thread, later.
  using Post = std::function<void(std::function<void()>)>;

  Server(Find find, Post post, const Limits& limits = {});
  ~Server();

  // Makes exactly these addresses listen. Those that listen already are not touched: latency and passphrase
  // are those of the next session. Sessions whose channel or listener is gone or whose passphrase changed
  // end, all others go on. All or nothing: on an error what was goes on.
  tl::expected<void, std::string> apply(const std::vector<protocol::SrtServerState>& servers,
                                        const std::vector<protocol::BridgeChannel>& channels);
  // Before feeds go: forgets them all, until apply() finds them anew.
  void release_feeds();

  std::vector<std::uint16_t> ports() const;  // in the order of the listen addresses (for port 0)
  Stats stats() const;
  void stop();

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace headgate::bridge::srt

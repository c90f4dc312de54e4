// SRT, both ways: listeners by which any channel that has `srt` under `serve` is played
// (srt://HOST:PORT?streamid=CHANNEL) and to which encoders publish
// (streamid=#!::r=CHANNEL?key=SECRET,m=publish), inputs that call or have a port of their own, pushes to
// other servers. libsrt does the protocol (draft-sharabayko-srt; handshake version 5, live mode, AES-CTR by
// passphrase); this decides who gets what, shares one queue of messages among a channel's receivers and
// bounds what libsrt keeps for each.
//
// Threading: constructed, called and destroyed on the media thread, which `post` must reach from any thread;
// what it makes is that thread's, too, and may outlive it. Sending and receiving have a thread each, because
// calls into libsrt wait for its locks; libsrt has two a UDP port, one a connection that receives and one
// besides. No thread is started before the first listener, input or push: call enter_sandbox() before.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "control/protocol/state.h"
#include "dataplane/bridge/srt/access.h"

namespace headgate::bridge::hub {
class TsFeed;
}

namespace headgate::bridge::ingest {
class Entry;
class Source;
}  // namespace headgate::bridge::ingest

namespace headgate::bridge::push {
class Push;
}

namespace headgate::bridge::srt {

struct Limits {
  std::size_t sessions = 1000;
  std::size_t sessions_per_address = 500;  // IPv6: of one network of 64 bits
  std::int64_t stall_us = 10'000'000;  // without an acknowledgement, while there is something to acknowledge
};

struct SessionStats {
  std::uint64_t number = 0;  // never given twice
  bool publishing = false;   // else it plays
  std::string channel;
  std::string address;    // of the other end, HOST:PORT
  std::string listener;   // as in the map
  std::string stream_id;  // as without_query() shows it
  std::string user;
  std::int64_t since_unix_ns = 0;
  bool encrypted = false;
  std::uint32_t latency_ms = 0;        // agreed: the longer of both ends
  std::uint64_t messages = 0;          // taken by libsrt, or from it
  std::uint64_t bytes = 0;             // of transport stream
  std::uint64_t bits_per_second = 0;   // in the last second
  std::uint64_t dropped_messages = 0;  // skipped by us, because libsrt took no more
  std::uint64_t jumps = 0;
  double rtt_ms = 0;
  double bandwidth_mbps = 0;       // of the path, as libsrt estimates it
  std::uint64_t sent_packets = 0;  // retransmissions included
  std::uint64_t lost_packets = 0;  // on the path, at first; as the receiver reports
  std::uint64_t retransmitted_packets = 0;
  std::uint64_t dropped_packets = 0;      // by libsrt: too late to be of use
  std::uint64_t undecrypted_packets = 0;  // that a publisher sent
  std::uint64_t missing_packets = 0;      // between those that a publisher sent, by their numbers
  std::uint32_t buffer_ms = 0;            // sent and not acknowledged; received and not due
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
  std::uint64_t accepted = 0;     // players
  std::uint64_t publishers = 0;   // accepted since the start
  std::uint64_t stalled = 0;      // closed: nothing acknowledged for too long
  std::uint64_t revoked = 0;      // closed: channel or listener gone, passphrase changed
  std::uint64_t lost_chunks = 0;  // the sending thread did not keep up
};

class Server {
 public:
  using Find = std::function<hub::TsFeed*(std::string_view channel)>;
  // Runs a function on the hub's thread, later.
  using Post = std::function<void(std::function<void()>)>;
  // The entry for a channel's publisher; null: it has none.
  using FindEntry = std::function<ingest::Entry*(std::string_view channel)>;

  Server(Find find, Post post, FindEntry entries = {}, const Limits& limits = {});
  ~Server();

  // Makes exactly these addresses listen. Those that listen already are not touched: latency and passphrase
  // are those of the next session. Sessions whose channel or listener is gone or whose passphrase or key
  // changed end, all others go on. All or nothing: on an error what was goes on.
  tl::expected<void, std::string> apply(const std::vector<protocol::SrtServerState>& servers,
                                        const std::vector<protocol::BridgeChannel>& channels);

  // What fetches this input (srt_caller, srt_listener; null: it is neither). The entry outlives it.
  std::unique_ptr<ingest::Source> make_input(ingest::Entry& entry);
  // What sends this feed to that target (PushKind::srt). The feed outlives it, or ends it by on_end().
  std::unique_ptr<push::Push> make_push(hub::TsFeed& feed, const protocol::BridgePush& target);
  // Before a publish entry goes: sends its publisher away.
  void release(const ingest::Entry& entry);
  // Ends that player or publisher; nothing: there is none of that number. As it was at the last look.
  std::optional<SessionStats> kick(std::uint64_t number);
  // Ends the connection of an input that calls or has a port of its own; false: it has none.
  bool kick(const ingest::Entry& entry);
  // Every 250 ms or so: so that an encoder is told at once that another protocol's publisher has the channel.
  void on_tick();

  std::vector<std::uint16_t> ports() const;  // in the order of the listen addresses (for port 0)
  Stats stats() const;
  void stop();

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace headgate::bridge::srt

// One RTMP connection as the server sees it, without the socket: bytes in, bytes out through its Player, and
// deadlines. It plays a channel or publishes to an input. References: Adobe RTMP 1.0, 5 and 7.2.
// Threading: owned by the server's thread. Memory: SessionLimits.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "dataplane/bridge/hub/rate_meter.h"
#include "dataplane/bridge/hub/session_info.h"
#include "dataplane/bridge/rtmp/chunk.h"
#include "dataplane/bridge/rtmp/command.h"
#include "dataplane/bridge/rtmp/handshake.h"
#include "dataplane/bridge/rtmp/player.h"
#include "dataplane/bridge/rtmp/publication.h"

namespace headgate::bridge::rtmp {

// Why a connection was not served, or no longer; the names stand in control/protocol/bridge_drops.h in this
// order.
enum class Refusal : std::uint8_t {
  connections,
  per_address,
  accept_error,
  not_rtmp,
  handshake_timeout,
  connect_timeout,
  play_timeout,
  malformed,
  too_many_commands,
  unknown_application,
  unknown_channel,
  too_many_guesses,
  slow_client,
  tls,
  not_publishable,
  wrong_key,
  place_taken,
  replaced,
  silent_publisher,
  kicked,
};
inline constexpr std::size_t kRefusals = 20;

struct SessionLimits {
  std::chrono::milliseconds handshake_time{10'000};
  std::chrono::milliseconds connect_time{10'000};
  std::chrono::milliseconds play_time{30'000};  // connected, and nothing is played
  std::chrono::milliseconds ping_time{30'000};
  std::chrono::milliseconds progress_time{10'000};  // bytes wait, and none is taken
  std::chrono::milliseconds goodbye_time{2'000};    // to take a last message
  std::chrono::milliseconds media_time{30'000};     // a publisher sends nothing
  std::size_t commands = 1'000;                     // and other messages of the client, a minute
  std::size_t media = 60'000;                       // messages of a publisher, a minute
  std::uint32_t streams = 16;
  std::uint32_t window = 2'500'000;
  // Of commands: thousands of connections may keep so much. Once somebody publishes: pictures are longer.
  ChunkLimits chunks{64, 16 * 1024, 32 * 1024};
  ChunkLimits publisher_chunks{64, 8 * 1024 * 1024, 12 * 1024 * 1024};
  PlayerLimits player;
};

// What a session asks of the server. Each has its own, so it knows whose question it is.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  // The channel of that name, or why there is none (unknown_channel, too_many_guesses).
  virtual tl::expected<ChannelStream*, Refusal> open(std::string_view channel) = 0;
  virtual void leave(ChannelStream& channel) = 0;
  // The input of that name, attached, or why there is none (unknown_channel, not_publishable, wrong_key,
  // too_many_guesses, place_taken).
  virtual tl::expected<ingest::Entry*, Refusal> publish(std::string_view channel, std::string_view key) = 0;
  // Detaches it; `error` "" where the encoder took its leave.
  virtual void unpublish(ingest::Entry& entry, const std::string& error) = 0;
  virtual void on_sent(std::size_t bytes) = 0;
  virtual void on_refusal(Refusal reason) = 0;
};

class Session {
 public:
  using Clock = std::chrono::steady_clock;

  Session(SessionHost& host, Clock::time_point now, std::uint64_t filling, const SessionLimits& limits = {});
  ~Session() { on_closed(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void on_bytes(Clock::time_point now, std::span<const std::uint8_t> bytes);
  void on_timer(Clock::time_point now);
  Clock::time_point next_deadline() const;

  // False: nothing to send at present.
  bool gather(Gather& out) { return player_.gather(out); }
  void on_sent(Clock::time_point now, std::size_t bytes);
  // Moves a player on that is too far behind, although nothing can be sent to it now.
  void keep_up() { player_.keep_up(); }
  // The socket takes nothing, though something waits.
  void on_blocked(Clock::time_point now);

  // The connection is gone.
  void on_closed();
  // The channel was removed from the map.
  void on_channel_gone(Clock::time_point now);
  // Its input goes, or another encoder took the place: the entry is not touched any more. `refusal`: counted.
  void on_entry_gone(Clock::time_point now, const std::string& why, std::optional<Refusal> refusal = {});
  // The operator ends it: the client is told.
  void kick(Clock::time_point now);
  // False: it neither plays nor publishes.
  bool describe(Clock::time_point now, hub::SessionInfo& out) const;
  // TLS failed beneath it.
  void on_transport_failed(const std::string& why) { fail(Refusal::tls, why); }

  // What is still gathered is sent, then the connection is closed.
  bool ending() const { return phase_ == Phase::ending; }
  // Close at once.
  bool over() const { return phase_ == Phase::over; }
  std::uint64_t needed() const { return player_.needed(); }
  bool publishing() const { return phase_ == Phase::publishing; }

 private:
  enum class Phase : std::uint8_t { handshake, connect, ready, playing, publishing, ending, over };

  void on_message(Clock::time_point now, const Message& message);
  void on_command(Clock::time_point now, const Command& command, std::uint32_t stream);
  void on_stream_command(Clock::time_point now, const Command& command, std::uint32_t stream);
  void on_user_control(const Message& message);
  void on_connect(Clock::time_point now, const Command& command);
  void on_create_stream(const Command& command);
  void on_play(Clock::time_point now, const Command& command, std::string_view name, std::uint32_t stream);
  void on_pause(const Command& command, std::uint32_t stream);
  void on_publish(Clock::time_point now, const Command& command, std::uint32_t stream);
  void refuse_publisher(Clock::time_point now, Refusal reason, std::string_view channel,
                        std::uint32_t stream);
  // The encoder stopped, by word (error "") or otherwise.
  void stop_publishing(Clock::time_point now, const std::string& error);
  void on_unpublish(Clock::time_point now, const Command& command, std::uint32_t stream);
  void on_media(Clock::time_point now, const Message& message);
  void begin_media();
  void count_media(Clock::time_point now, std::size_t bytes);
  void start_playing(Clock::time_point now, ChannelStream& channel, std::uint32_t stream);
  void stop_playing(Clock::time_point now);
  void reply(std::span<const std::uint8_t> body, std::uint32_t stream = 0);
  void acknowledge();
  void refuse(Clock::time_point now, Refusal reason, const std::string& detail);
  void fail(Refusal reason, const std::string& detail);
  bool count_message(Clock::time_point now, std::uint8_t type);

  SessionHost& host_;
  SessionLimits limits_;
  Clock::time_point started_;
  ServerHandshake handshake_;
  ChunkReader reader_;
  Player player_;
  Phase phase_ = Phase::handshake;
  Clock::time_point deadline_;  // of the phase
  Clock::time_point next_ping_;
  std::optional<Clock::time_point> blocked_since_;
  Clock::time_point minute_;
  std::size_t messages_ = 0;  // in this minute
  std::size_t media_ = 0;     // likewise, of a publisher
  std::optional<Publication> publication_;
  std::uint32_t publish_stream_ = 0;
  Clock::time_point last_media_;
  std::string key_;  // of connect's address
  std::string agent_;
  std::int64_t since_unix_ns_ = 0;  // it plays or publishes
  std::uint64_t bytes_ = 0;         // since then, in that direction
  hub::RateMeter rate_;
  bool fc_publish_ = false;
  std::uint32_t streams_ = 0;
  std::uint32_t window_ = 0;  // the peer's acknowledgement window; 0: it named none
  std::uint64_t acknowledged_ = 0;
};

}  // namespace headgate::bridge::rtmp

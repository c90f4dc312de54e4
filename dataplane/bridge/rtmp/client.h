// One RTMP connection as a client sees it, without the socket: it publishes a channel to a server, or plays a
// stream from one. Bytes in, bytes out through its Player, and deadlines. References: Adobe RTMP 1.0, 5
// and 7.2; Enhanced RTMP v2 (2026-01-31), "connect". Threading: owned by one thread. Memory: ClientLimits,
// and what Player and ChannelStream hold.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "dataplane/bridge/rtmp/chunk.h"
#include "dataplane/bridge/rtmp/command.h"
#include "dataplane/bridge/rtmp/handshake.h"
#include "dataplane/bridge/rtmp/player.h"
#include "dataplane/bridge/rtmp/url.h"

namespace headgate::bridge::rtmp {

struct ClientLimits {
  std::chrono::milliseconds answer_time{10'000};    // for handshake, connect, createStream and the start
  std::chrono::milliseconds progress_time{10'000};  // bytes wait, and none is taken
  std::chrono::milliseconds media_time{15'000};     // we play, and nothing comes
  std::size_t messages = 60'000;                    // of the server, a minute
  std::uint32_t window = 2'500'000;
  ChunkLimits chunks{64, 8 * 1024 * 1024, 12 * 1024 * 1024};
  PlayerLimits player;
};

class ClientHost {
 public:
  virtual ~ClientHost() = default;
  // The server takes what we publish, or has begun to play.
  virtual void on_started() = 0;
  // Of a stream that we play. How many units it was, one at least: FlvReader::on_message().
  virtual std::size_t on_media(const Message& message) = 0;
};

class Client {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Purpose : std::uint8_t { publish, play };

  Client(ClientHost& host, const Url& url, Purpose purpose, Clock::time_point now, std::uint64_t filling,
         const ClientLimits& limits = {});

  void on_bytes(Clock::time_point now, std::span<const std::uint8_t> bytes);
  void on_timer(Clock::time_point now);
  Clock::time_point next_deadline() const;
  bool gather(Gather& out) { return player_.gather(out); }
  void on_sent(Clock::time_point now, std::size_t bytes);
  void on_blocked(Clock::time_point now);
  void keep_up() { player_.keep_up(); }

  // From on_started() on: sends the channel's messages, from its latest random access point.
  void publish(ChannelStream& channel) { player_.begin(channel, stream_); }
  std::uint64_t needed() const { return player_.needed(); }
  // The server closed the connection.
  void on_closed();
  // Takes leave by word; what is gathered then is the last.
  void leave();

  bool over() const { return phase_ == Phase::over; }
  bool started() const { return phase_ == Phase::started; }
  // Why it is over, without secrets; "": the server ended the stream as it should.
  const std::string& error() const { return error_; }
  // What of Enhanced RTMP the server said it takes; all of it where it said nothing, as most do.
  const Codecs& codecs() const { return codecs_; }

 private:
  enum class Phase : std::uint8_t { handshake, connect, create, start, started, over };

  std::span<const std::uint8_t> on_handshake(std::span<const std::uint8_t> bytes);
  void on_message(Clock::time_point now, const Message& message);
  void on_command(Clock::time_point now, const Command& command);
  void on_result(Clock::time_point now, const Command& command);
  void on_status(Clock::time_point now, const Command& command);
  void send_connect();
  void create_stream();
  void start_stream(double id);
  void command(const Amf0Writer& writer, std::uint32_t stream = 0);
  void acknowledge();
  bool too_many_messages(Clock::time_point now);
  void step(Clock::time_point now, Phase next);
  void end(std::string error);

  ClientHost& host_;
  Url url_;
  Purpose purpose_;
  ClientLimits limits_;
  ChunkReader reader_;
  Player player_;
  Phase phase_ = Phase::handshake;
  Clock::time_point deadline_;
  std::optional<Clock::time_point> blocked_since_;
  Clock::time_point last_media_;
  Clock::time_point minute_;
  std::size_t messages_ = 0;        // in this minute
  std::vector<std::uint8_t> held_;  // of S0, S1 and S2
  HandshakePacket c1_{};
  std::uint64_t filling_;
  Codecs codecs_;
  std::uint32_t stream_ = 0;
  std::uint32_t window_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::string error_;
};

}  // namespace headgate::bridge::rtmp

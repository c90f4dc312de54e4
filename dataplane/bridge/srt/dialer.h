// Calls another SRT server, and after a failure or a loss again, with growing pauses. Whoever owns it asks it
// from time to time what came of it, takes the socket while there is a connection and tells when it is lost.
// References: libsrt API (srt_connect, srt_getrejectreason), SRT Access Control guidelines "Rejection Codes".
// Threading: owned by one thread; no call waits. Time is an argument, of libsrt's clock.
#pragma once

#include <memory>
#include <string>

#include "dataplane/bridge/net/back_off.h"
#include "dataplane/bridge/srt/resolver.h"

namespace headgate::bridge::srt {

// What a caller was told, in words that name a remedy.
std::string reject_text(int reason);

struct CallTarget {
  std::string address;  // HOST:PORT
  std::string stream_id;
  std::string passphrase;
  std::uint32_t latency_ms = 120;
  bool sends = false;  // else it receives
};

class Dialer {
 public:
  enum class State : std::uint8_t { waiting, resolving, connecting, connected };

  Dialer(CallTarget target, Resolver& resolver) : target_(std::move(target)), resolver_(resolver) {}
  ~Dialer() { close(); }
  Dialer(const Dialer&) = delete;
  Dialer& operator=(const Dialer&) = delete;

  // True: the state changed.
  bool on_time(std::int64_t now_us);
  State state() const { return state_; }
  // The connection; it stays ours.
  SRTSOCKET socket() const { return socket_; }
  const std::string& peer() const { return peer_; }
  // Why the last try or connection ended; "" since the last success.
  const std::string& error() const { return error_; }
  // While connected: it is over.
  void lost(std::string why, std::int64_t now_us);
  std::int64_t next_try_us() const { return next_try_; }

 private:
  bool begin(std::int64_t now_us);
  bool resolved(std::int64_t now_us);
  bool connect(const Endpoint& to, std::int64_t now_us);
  bool look(std::int64_t now_us);
  bool failed(std::string why, std::int64_t now_us);
  bool set_up(SRTSOCKET socket) const;
  void close();

  const CallTarget target_;
  Resolver& resolver_;
  State state_ = State::waiting;
  net::BackOff pauses_;
  std::int64_t next_try_ = 0;
  std::int64_t connected_at_ = 0;
  std::size_t tries_ = 0;  // takes a name's addresses in turn
  std::shared_ptr<const Resolver::Question> question_;
  SRTSOCKET socket_ = SRT_INVALID_SOCK;
  std::string peer_;
  std::string error_;
};

}  // namespace headgate::bridge::srt

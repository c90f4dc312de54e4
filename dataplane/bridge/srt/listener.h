// A listening socket of libsrt, and the gate that its callback asks. Threading: Gate::admit() runs on
// libsrt's receiving threads, where it may not wait; Gate's other members are thread-safe. A Listener is
// opened on the hub's thread and accepted from on the sending thread.
#pragma once

#include <srt/srt.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "dataplane/bridge/srt/access.h"

namespace headgate::bridge::srt {

std::string address_of(const sockaddr* address);

// A caller let in by the gate, whose handshake goes on.
struct Admission {
  SRTSOCKET socket = SRT_INVALID_SOCK;
  std::string listener;
  std::string stream_id;
  std::string address;
  Decision decision;
  std::int64_t at_us = 0;
};

class Gate {
 public:
  // A line for the log; from any thread.
  using Say = std::function<void(std::string)>;
  Gate(std::size_t max_sessions, Say say, std::function<void()> wake);

  void set_table(std::shared_ptr<const AccessTable> table) { table_.store(std::move(table)); }
  std::shared_ptr<const AccessTable> table() const { return table_.load(); }
  // 0: go on, -1: refused, with its code set at the socket.
  int admit(const std::string& listener, SRTSOCKET socket, const sockaddr* peer, const char* stream_id);
  std::vector<Admission> take_admissions();
  void refuse(Refusal refusal, const std::string& who, const std::string& stream_id);
  std::array<std::uint64_t, kRefusals> refused() const;
  // Of the sending thread: sessions and handshakes under way.
  void set_sessions(std::size_t sessions) { sessions_.store(sessions, std::memory_order_relaxed); }

 private:
  bool may_log();

  const std::size_t max_sessions_;
  Say say_;
  std::function<void()> wake_;
  std::atomic<std::shared_ptr<const AccessTable>> table_;
  std::array<std::atomic<std::uint64_t>, kRefusals> refused_{};
  std::atomic<std::size_t> sessions_{0};
  std::atomic<std::int64_t> log_second_{0};
  std::atomic<unsigned> logged_{0};
  mutable std::mutex mutex_;  // held for a push or a swap
  std::vector<Admission> admissions_;
};

class Listener {
 public:
  static tl::expected<std::shared_ptr<Listener>, std::string> open(const std::string& address,
                                                                   std::shared_ptr<Gate> gate);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  SRTSOCKET socket() const { return socket_; }
  const std::string& address() const { return address_; }
  std::uint16_t port() const { return port_; }

 private:
  Listener(std::string address, std::shared_ptr<Gate> gate)
      : address_(std::move(address)), gate_(std::move(gate)) {}
  tl::expected<void, std::string> start();
  static int on_caller(void* self, SRTSOCKET socket, int version, const sockaddr* peer,
                       const char* stream_id);

  std::string address_;
  std::shared_ptr<Gate> gate_;
  SRTSOCKET socket_ = SRT_INVALID_SOCK;
  std::uint16_t port_ = 0;
};

}  // namespace headgate::bridge::srt

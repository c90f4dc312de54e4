// The receiving thread: publishers that the gate let in, inputs that call, inputs that listen on a port of
// their own. It takes what libsrt has restored to its source's pace, notes what is missing, and hands it to
// the media thread in batches: at most one every kCadence, at most kMaxBacklog bytes of a connection, what
// comes beyond is counted and marked as a gap. References: libsrt API (srt_recvmsg2, srt_epoll_uwait);
// draft-sharabayko-srt 4.5, 4.6. Threading: the public members are thread-safe except start() and stop().
#pragma once

#include <srt/srt.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "dataplane/bridge/srt/arrival.h"
#include "dataplane/bridge/srt/dialer.h"
#include "dataplane/bridge/srt/gate.h"
#include "dataplane/bridge/srt/server.h"

namespace headgate::bridge::srt {

// A port of an input's own.
struct PortTarget {
  std::string address;
  std::string passphrase;
  std::uint32_t latency_ms = 120;
};

class Intake {
 public:
  static constexpr std::int64_t kCadence = 2'000;  // us
  static constexpr std::size_t kMaxBacklog = 16 * 1024 * 1024;

  // `deliver`: from the receiving thread, a batch.
  using Deliver = std::function<void(std::vector<Arrival>)>;
  Intake(Deliver deliver, std::shared_ptr<Gate> gate, Gate::Say say, Resolver& resolver);
  ~Intake();
  void start();
  void stop();

  void take_publisher(SRTSOCKET socket, Admission admission);
  void add_call(InputId input, CallTarget target);
  void add_port(InputId input, PortTarget target);
  void remove_input(InputId input);
  // `why`: for the log.
  void close(ConnectionId connection, std::string why);
  void recheck();  // the gate's table changed
  std::vector<SessionStats> sessions() const;
  std::uint64_t accepted() const { return accepted_.load(std::memory_order_relaxed); }

 private:
  struct Connection;
  struct Call;
  struct Port;
  class PortDoor;
  using Command = std::function<void()>;

  void command(Command what);
  void run();
  std::vector<Command> wait();
  void poll(std::int64_t now_us);
  void step(Call& call, std::int64_t now_us);
  void step(Port& port, std::int64_t now_us);
  void accept_from(Port& port, std::int64_t now_us);
  Connection& open(SRTSOCKET socket, InputId input, std::string peer);
  void open_publisher(SRTSOCKET socket, Admission admission);
  void read(Connection& connection, std::int64_t now_us);
  void take(Connection& connection, const std::uint8_t* data, int size, const SRT_MSGCTRL& control);
  void flush(Connection& connection);
  void breaks(Connection& connection, std::int64_t now_us);
  void drain_broken(std::int64_t now_us);
  void end(ConnectionId connection, const std::string& error, const std::string& why);
  void check_secrets();
  void measure_all(std::int64_t now_us);
  void measure(Connection& connection);
  void publish();
  template <class T>
  void tell(T arrival) {
    arrivals_.emplace_back(std::move(arrival));
  }

  Deliver deliver_;
  std::shared_ptr<Gate> gate_;
  Gate::Say say_;
  Resolver& resolver_;
  std::thread thread_;
  std::atomic<std::uint64_t> accepted_{0};  // publishers

  mutable std::mutex mutex_;
  std::condition_variable wakeup_;
  bool stop_ = false;
  std::vector<Command> commands_;
  std::vector<SessionStats> published_;

  // Of the thread.
  int epoll_ = -1;
  std::map<ConnectionId, std::unique_ptr<Connection>> connections_;
  std::unordered_map<SRTSOCKET, Connection*> by_socket_;
  std::map<InputId, std::unique_ptr<Call>> calls_;
  std::map<InputId, std::unique_ptr<Port>> ports_;
  std::vector<Arrival> arrivals_;
  std::size_t broken_ = 0;  // connections that are being drained
  std::int64_t measured_us_ = 0;
  bool changed_ = false;  // connections came or went
};

}  // namespace headgate::bridge::srt

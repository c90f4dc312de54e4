// What the receiving thread keeps of each connection, call and port. Threading: owned by that thread, but for
// PortDoor, which libsrt's thread asks, too.
#pragma once

#include "dataplane/bridge/srt/intake.h"
#include "dataplane/bridge/srt/listener.h"
#include "dataplane/bridge/srt/seats.h"

namespace headgate::bridge::srt {

struct Intake::Connection {
  ConnectionId id = 0;
  InputId input = 0;
  SRTSOCKET socket = SRT_INVALID_SOCK;
  bool owns_socket = true;  // else a call's
  Decision decision;        // of a publisher
  Seat seat;                // likewise
  SessionStats stats;
  std::shared_ptr<Backlog> backlog = std::make_shared<Backlog>(0);
  std::vector<std::uint8_t> batch;
  bool gap = false;            // before what comes next
  bool batch_gap = false;      // before the batch
  std::int32_t sequence = -1;  // of the last packet
  std::int32_t message = -1;   // of the last message
  std::int64_t last_us = 0;    // when something came
  std::int64_t told_us = 0;    // when the gate was told so
  std::int64_t broken_us = 0;  // since when it is over; 0: it is not
  std::uint64_t overrun = 0;   // transport packets beyond the backlog
  std::uint64_t bytes_then = 0;
  std::uint64_t late_then = 0;
  std::uint64_t undecrypted_then = 0;
  std::uint64_t overrun_then = 0;
};

struct Intake::Call {
  Call(InputId id, CallTarget target, Resolver& resolver) : input(id), dialer(std::move(target), resolver) {}
  InputId input;
  Dialer dialer;
  ConnectionId connection = 0;
};

// One caller at a time: a second one is let in when the first was silent for a second.
class Intake::PortDoor : public Listener::Door {
 public:
  struct Knock {
    SRTSOCKET socket;
    std::string address;
    std::int64_t at_us;
  };
  struct Shared {
    std::mutex mutex;
    std::int64_t heard_us = 0;  // 0: nobody is in
    std::vector<Knock> let_in;  // handshakes under way
  };
  PortDoor(std::shared_ptr<Shared> shared, std::shared_ptr<Gate> gate)
      : shared_(std::move(shared)), gate_(std::move(gate)) {}
  int on_caller(SRTSOCKET socket, const sockaddr* peer, const char* stream_id) override;

 private:
  static constexpr std::size_t kMostAtOnce = 16;
  std::shared_ptr<Shared> shared_;
  std::shared_ptr<Gate> gate_;
};

struct Intake::Port {
  InputId input = 0;
  PortTarget target;
  std::shared_ptr<PortDoor::Shared> door = std::make_shared<PortDoor::Shared>();
  std::shared_ptr<Listener> listener;
  net::BackOff pauses;
  std::int64_t next_try_us = 0;
  ConnectionId connection = 0;
};

}  // namespace headgate::bridge::srt

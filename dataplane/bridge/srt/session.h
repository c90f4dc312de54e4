// One receiver: its socket at libsrt, its place among the messages and its figures. And a target that is
// pushed to, whose session is there while it is connected. Threading: owned by the sending thread.
#pragma once

#include "dataplane/bridge/srt/cursor.h"
#include "dataplane/bridge/srt/seats.h"
#include "dataplane/bridge/srt/worker.h"

namespace headgate::bridge::srt {

struct Worker::Session {
  Session(SRTSOCKET s, std::uint64_t n, std::int64_t latency_us) : socket(s), number(n), cursor(latency_us) {}
  ~Session() {
    if (push == 0) srt_close(socket);  // else it is the dialer's
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  SRTSOCKET socket;
  std::uint64_t number;
  PushId push = 0;         // 0: a player
  std::uint32_t feed = 0;  // 0: not joined yet
  Cursor cursor;
  std::string passphrase;
  Seat seat;  // of a player
  SessionStats stats;
  std::size_t limit = 0;  // of bytes that libsrt may keep
  std::int64_t max_bandwidth = -1;
  std::int64_t acknowledged = 0;  // messages
  std::int64_t progress_us = 0;   // when that last grew
  bool blocked = false;           // in the last second, libsrt's buffer was full
  bool stalled = false;
  bool finished = false;
  std::string why;               // it finished
  std::uint64_t bytes_then = 0;  // a second ago
};

struct Worker::PushTask {
  PushTask(AddPush& item, Resolver& resolver)
      : push(item.push),
        feed(item.feed),
        live(std::move(item.live)),
        dialer(std::move(item.target), resolver) {}
  ~PushTask() { *live = false; }
  PushTask(const PushTask&) = delete;
  PushTask& operator=(const PushTask&) = delete;

  PushId push;
  std::uint32_t feed;
  std::shared_ptr<std::atomic<bool>> live;
  Dialer dialer;
  Session* session = nullptr;  // while there is a connection
  push::PushStatus status;     // of connections that are over, but for the state
};

}  // namespace headgate::bridge::srt

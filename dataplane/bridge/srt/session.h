// One receiver: its socket at libsrt, its place among the messages and its figures. Threading: owned by the
// sending thread.
#pragma once

#include "dataplane/bridge/srt/cursor.h"
#include "dataplane/bridge/srt/worker.h"

namespace headgate::bridge::srt {

struct Worker::Session {
  Session(SRTSOCKET s, std::uint64_t n, std::int64_t latency_us) : socket(s), number(n), cursor(latency_us) {}
  ~Session() { srt_close(socket); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  SRTSOCKET socket;
  std::uint64_t number;
  std::uint32_t feed = 0;  // 0: not joined yet
  Cursor cursor;
  std::string passphrase;
  SessionStats stats;
  std::size_t limit = 0;  // of bytes that libsrt may keep
  std::int64_t max_bandwidth = -1;
  std::int64_t acknowledged = 0;  // messages
  std::int64_t progress_us = 0;   // when that last grew
  bool blocked = false;           // in the last second, libsrt's buffer was full
  bool stalled = false;
  bool finished = false;
};

}  // namespace headgate::bridge::srt

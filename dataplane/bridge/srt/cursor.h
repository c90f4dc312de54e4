// Where one receiver stands in its channel's messages and what it gets next.
//
// A receiver begins with what the feed keeps since the last random access point, at four times the speed at
// which it came, until it has caught up: the receiver's buffer and the network see no burst, and libsrt's
// receiver hands each message on `latency` after it was sent, so that none is too late. From then on messages
// go out as they come, stamped with the time at which they came, and the receiver restores that pace.
//
// Where libsrt takes no more, the receiver falls behind. Beyond kMaxLag (or the latency, if longer) it jumps
// to the last random access point, or waits for the next; what it skips is counted. References:
// draft-sharabayko-srt 4.5 (time-stamp based delivery), 4.6 (too-late packet drop). Threading: pure, owned by
// one thread; time is an argument.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "dataplane/bridge/srt/message_queue.h"

namespace headgate::bridge::srt {

class Cursor {
 public:
  static constexpr std::int64_t kStartSpeed = 4;
  static constexpr std::int64_t kMaxPause = 100'000'000;  // ns; silence in the start is shortened to this
  static constexpr std::int64_t kMaxBehindPace = 20'000;  // us
  static constexpr std::int64_t kMaxLag = 1'000'000;      // us
  static constexpr std::int64_t kMaxWaitForAccessPoint = 12'000'000;  // us; scrambled video shows none

  explicit Cursor(std::int64_t latency_us) : max_lag_(std::max(kMaxLag, latency_us)) {}

  // `place`: the first message that is not in `start`.
  void begin(std::vector<Chunk> start, std::uint64_t place, std::int64_t now_us);
  bool begun() const { return begun_; }

  // What to send now; nothing: nothing yet. `source_us` of it never goes back.
  std::optional<Message> next(const MessageQueue& queue, std::int64_t now_us);
  // It was taken.
  void advance(const Message& sent);

  std::uint64_t place() const { return place_; }
  std::uint64_t dropped() const { return dropped_; }  // messages skipped
  std::uint64_t jumps() const { return jumps_; }
  bool catching_up() const { return catching_up_; }

 private:
  std::optional<Message> paced(const Chunk& chunk, std::int64_t now_us);
  void jump(const MessageQueue& queue, std::int64_t now_us);
  bool find_access_point(const MessageQueue& queue, std::int64_t now_us);

  std::int64_t max_lag_;
  bool begun_ = false;
  bool catching_up_ = true;
  bool waiting_ = false;  // for a random access point
  std::int64_t waiting_since_ = 0;
  std::deque<Chunk> start_;
  std::uint64_t place_ = 0;
  std::int64_t due_ns_ = 0;            // when the last one sent was due
  std::int64_t last_arrival_ns_ = -1;  // of the last one sent
  std::int64_t last_source_us_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t jumps_ = 0;
};

}  // namespace headgate::bridge::srt

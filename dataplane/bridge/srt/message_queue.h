// The messages of one channel on their way to libsrt: one queue, shared by all its receivers, each of which
// stands at a place in it. Chunks shorter than a message are joined (libsrt's live mode carries 1316 bytes a
// packet and each packet costs the same), except across a random access point, which begins a message.
// References: draft-sharabayko-srt 3.1 (data packets). Threading: owned by one thread. Memory: at most
// kMaxBytes and kMaxTime; the chunks are those of the channel's feed.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "dataplane/bridge/hub/ts_chunk.h"

namespace headgate::bridge::srt {

using Chunk = std::shared_ptr<const hub::TsChunk>;

struct Message {
  Chunk chunk;
  std::int64_t source_us = 0;  // libsrt's clock: when its first byte came
};

class MessageQueue {
 public:
  static constexpr std::size_t kMaxBytes = 16 * 1024 * 1024;
  static constexpr std::int64_t kMaxTime = 12'000'000;  // us
  static constexpr std::int64_t kJoinWithin = 10'000;   // us that a short chunk waits for the next

  void add(Chunk chunk, std::int64_t source_us);
  // Lets a short chunk go that waited long enough; drops what is beyond the limits.
  void tick(std::int64_t now_us);
  // Nobody stands before this place any more.
  void forget_before(std::uint64_t place);

  // Places count up from 0 and are never reused.
  std::uint64_t first() const { return first_; }
  std::uint64_t end() const { return first_ + messages_.size(); }
  const Message& at(std::uint64_t place) const { return messages_[place - first_]; }
  // The last random access point at or after this place.
  std::optional<std::uint64_t> last_access_point(std::uint64_t from) const;
  std::size_t bytes() const { return bytes_; }
  // Bytes a second, the highest of the last seconds; 0 before the first is over.
  std::int64_t rate() const { return rate_; }

 private:
  void append(Message message);
  void append_open();
  void measure(const Message& message);

  std::deque<Message> messages_;
  std::uint64_t first_ = 0;
  std::size_t bytes_ = 0;
  std::shared_ptr<hub::TsChunk> open_;  // shorter than a message, waiting to be joined
  std::int64_t open_since_ = 0;
  std::deque<std::uint64_t> access_points_;
  std::int64_t second_began_ = 0;
  std::int64_t second_bytes_ = 0;
  std::int64_t rate_ = 0;
};

}  // namespace headgate::bridge::srt

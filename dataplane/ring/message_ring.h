// Messages of any length between the bridge and a transcode worker, one ring a direction: shared memory,
// single producer, single consumer, each restartable on its own. Beside ring.h, whose slots carry transport
// packets.
//
// A file holds a header page and a power of two of bytes; a message is a MessageHeader and its payload,
// padded to 8 bytes, in one piece or over the end of the file. Full: the message is dropped and counted, and
// the next one of the same stream carries kMessageLoss. The bridge makes both files of a job, the worker only
// opens them.
//
// The worker at the other end is not trusted: positions, lengths and kinds are believed only when they fit, a
// message is copied before it is looked at, and what does not fit empties the ring (damaged() counts it).
//
// Wake-up: as in ring.h, by a byte in the FIFO PATH.wake when the reader sleeps.
//
// Threading: MessageProducer belongs to one thread, MessageConsumer to one thread. Neither waits. push() does
// not allocate. Errors name the file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <tl/expected.hpp>

namespace headgate::ring {

// Messages of this stream were lost just before this one.
inline constexpr std::uint32_t kMessageLoss = 0x8000'0000;

struct MessageHeader {
  std::uint32_t size = 0;    // of the payload; filled in by push()
  std::uint16_t kind = 0;    // what the two ends agree on (dataplane/job/message.h)
  std::uint16_t stream = 0;  // a track
  std::uint32_t flags = 0;   // the kind's own, and kMessageLoss
  std::uint32_t id = 0;      // the kind's own
  std::int64_t pts = 0;      // channel's timeline, 27 MHz
  std::int64_t dts = 0;
};
static_assert(sizeof(MessageHeader) == 32);

// Makes a ring and its FIFO, replacing what stands there. `bytes` is rounded up to a power of 2, 4 KiB at
// least.
tl::expected<void, std::string> make_message_ring(const std::string& path, std::size_t bytes);

class MessageProducer {
 public:
  static constexpr std::uint16_t kMaxStreams = 64;  // whose losses are remembered
  static tl::expected<std::unique_ptr<MessageProducer>, std::string> open(const std::string& path);
  ~MessageProducer();
  // False: dropped, for there is no room.
  bool push(const MessageHeader& header, std::span<const std::uint8_t> payload) noexcept;
  // Makes pushed messages visible and wakes a sleeping consumer: at most one system call.
  void flush() noexcept;
  std::uint64_t dropped() const noexcept;
  // Bytes that the consumer has not taken yet, as far as it is believed.
  std::uint64_t unread() noexcept;
  // Rises when a consumer opens the ring: it begins at what is pushed after that, and knows nothing of what
  // was said before.
  std::uint32_t consumer_epoch() const noexcept;
  // Processes forked from this one don't have the ring.
  void keep_from_children() noexcept;
  int wake_fd() const noexcept;

 private:
  MessageProducer();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class MessageConsumer {
 public:
  static tl::expected<std::unique_ptr<MessageConsumer>, std::string> open(const std::string& path);
  ~MessageConsumer();
  // Calls f(const MessageHeader&, std::span<const std::uint8_t> payload) for up to `limit` messages; the
  // payload is a copy, valid during the call. Returns how many.
  template <typename F>
  std::size_t poll(std::size_t limit, F&& f) {
    std::size_t n = 0;
    MessageHeader header;
    std::span<const std::uint8_t> payload;
    while (n < limit && next(header, payload)) {
      f(header, payload);
      ++n;
    }
    release();
    return n;
  }
  // Arms the wake flag; false where messages came meanwhile (don't sleep).
  bool prepare_sleep() noexcept;
  void awake() noexcept;
  int wake_fd() const noexcept;
  std::uint64_t damaged() const noexcept;
  // Rises when a producer opens the ring: each of its streams' first messages carries kMessageLoss.
  std::uint32_t producer_epoch() const noexcept;
  // Processes forked from this one don't have the ring.
  void keep_from_children() noexcept;

 private:
  MessageConsumer();
  bool next(MessageHeader& header, std::span<const std::uint8_t>& payload);
  void release() noexcept;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Looks at a ring without taking part: whether its reader moves.
class MessageRingView {
 public:
  static tl::expected<MessageRingView, std::string> open(const std::string& path);
  MessageRingView(MessageRingView&& other) noexcept;
  MessageRingView& operator=(MessageRingView&& other) noexcept;
  ~MessageRingView();
  std::uint64_t read_position() const noexcept;
  bool empty() const noexcept;
  // The file under this mapping was removed or replaced.
  bool stale() const noexcept;

 private:
  MessageRingView() = default;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::ring

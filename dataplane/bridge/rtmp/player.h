// What one connection sends: its own small messages, and its place in a channel's log; to a player, or to a
// server that we publish to. Gathers what goes out next as a list of buffers that point into the shared
// frames; only chunk headers are written for each player. Reference: Adobe RTMP 1.0, 5.3. Threading: owned by
// the server's thread. Memory: own messages, at most PlayerLimits::own_bytes; the rest of one message that is
// half sent.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "dataplane/bridge/rtmp/channel_stream.h"
#include "dataplane/bridge/rtmp/chunk.h"
#include "dataplane/bridge/rtmp/command.h"

namespace headgate::bridge::rtmp {

// Buffers for one system call. Valid until the player or its channel changes.
class Gather {
 public:
  static constexpr std::size_t kBuffers = 256;
  void clear() { count_ = used_ = total_ = 0; }
  // False: full; nothing was added.
  bool add(std::span<const std::uint8_t> bytes);
  // Room for a header that is then added by commit(); null: full.
  std::uint8_t* reserve(std::size_t size);
  void commit(std::size_t size);
  std::span<const iovec> buffers() const { return {buffers_.data(), count_}; }
  std::size_t total() const { return total_; }

 private:
  std::array<iovec, kBuffers> buffers_;
  std::array<std::uint8_t, 8 * 1024> scratch_;
  std::size_t count_ = 0;
  std::size_t used_ = 0;
  std::size_t total_ = 0;
};

struct PlayerLimits {
  std::int64_t age_ms = 6'000;  // further behind: moved on to the latest random access point
  std::size_t own_bytes = 64 * 1024;
  std::size_t gather_bytes = 1024 * 1024;
};

class Player {
 public:
  static constexpr std::uint32_t kChunkSize = 65536;
  explicit Player(const PlayerLimits& limits = {}) : limits_(limits) {}

  void set_codecs(const Codecs& codecs) { codecs_ = codecs; }
  // The metadata go to a server, which wants "@setDataFrame" before them.
  void set_publishing() { publishing_ = true; }
  void send(MessageType type, std::uint32_t stream, std::span<const std::uint8_t> body);
  void send_raw(std::string_view bytes) { own_.append(bytes); }
  // From now on messages are cut at kChunkSize.
  void announce_chunk_size();

  void begin(ChannelStream& channel, std::uint32_t stream);
  void stop() { channel_ = nullptr; }
  void pause(bool on) { paused_ = on; }
  void receive_audio(bool on) { audio_ = on; }
  void receive_video(bool on);
  ChannelStream* channel() const { return channel_; }
  std::uint32_t stream() const { return stream_; }
  bool paused() const { return paused_; }
  // Messages of the channel that this one lost because it was too slow.
  std::uint64_t skipped() const { return skipped_; }
  // The oldest message of the log that is still to be sent.
  std::uint64_t needed() const;
  bool too_much() const { return own_.size() > limits_.own_bytes; }

  void keep_up() {
    if (channel_ != nullptr && !paused_) follow();
  }
  // False: nothing to send.
  bool gather(Gather& out);
  void on_sent(std::size_t bytes);

 private:
  struct Partial {
    MediaMessage message;
    ChunkHeader header;
    std::size_t sent = 0;
  };
  void prepare();
  void follow();
  void skip_to(std::uint64_t place);
  void announce(const MediaMessage& first);
  bool carries(const MediaMessage& message) const;
  ChunkHeader header_of(const MediaMessage& message) const;
  std::uint32_t timestamp_of(std::int64_t time_ms) const;
  // Adds the message's wire form from `from` on; false: `out` is full.
  static bool emit(Gather& out, const MediaMessage& message, const ChunkHeader& header, std::size_t from);

  PlayerLimits limits_;
  Codecs codecs_;
  std::string own_;
  std::size_t own_sent_ = 0;
  std::uint32_t chunk_size_ = kDefaultChunkSize;
  ChannelStream* channel_ = nullptr;
  std::uint32_t stream_ = 0;
  std::uint64_t cursor_ = 0;
  std::uint64_t skipped_ = 0;
  bool waiting_ = false;  // for a random access point
  bool paused_ = false;
  bool publishing_ = false;
  bool audio_ = true;
  bool video_ = true;
  std::shared_ptr<const Carriage> carriage_;
  std::optional<std::int64_t> base_ms_;
  std::uint32_t last_timestamp_ = 0;
  std::optional<Partial> partial_;
};

}  // namespace headgate::bridge::rtmp

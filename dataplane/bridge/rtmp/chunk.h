// The chunk stream: messages cut into chunks, each chunk with a header that leaves out what it shares with
// the one before on its chunk stream. Reference: Adobe RTMP 1.0, 5.3 and 5.4. Threading: owned by one thread.
// Memory of a reader: the messages begun, at most ChunkLimits::partial_bytes, taken only as bytes come in.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

namespace headgate::bridge::rtmp {

// Message type ids: 5.4 (1 to 6), 7.1.
enum class MessageType : std::uint8_t {
  set_chunk_size = 1,
  abort = 2,
  acknowledgement = 3,
  user_control = 4,
  window_acknowledgement_size = 5,
  set_peer_bandwidth = 6,
  audio = 8,
  video = 9,
  data_amf3 = 15,
  command_amf3 = 17,
  data_amf0 = 18,
  command_amf0 = 20,
  aggregate = 22,
};

inline constexpr std::uint32_t kDefaultChunkSize = 128;         // 5.4.1
inline constexpr std::uint32_t kLargestChunkSize = 0xFF'FFFF;   // no message is longer
inline constexpr std::uint32_t kExtendedTimestamp = 0xFF'FFFF;  // 5.3.1.3
inline constexpr std::uint32_t kFirstFreeChunkStream = 3;       // 5.3.1.1: 2 is for protocol control

struct Message {
  std::uint32_t chunk_stream = 0;
  std::uint8_t type = 0;
  std::uint32_t stream = 0;     // message stream id
  std::uint32_t timestamp = 0;  // ms, modulo 2^32
  std::vector<std::uint8_t> body;
};

struct ChunkLimits {
  std::size_t chunk_streams = 64;
  std::size_t message_bytes = 64 * 1024;
  std::size_t partial_bytes = 256 * 1024;  // of all messages begun on a connection
};

// What a peer may do wrong; every one ends the connection.
enum class ChunkError : std::uint8_t {
  no_header_before,   // a header of type 1 to 3 opens a chunk stream
  message_too_long,   // beyond message_bytes
  partial_too_large,  // beyond partial_bytes
  too_many_chunk_streams,
  bad_chunk_size,  // zero, or the top bit set (5.4.1)
  header_inside_message,
};
const char* to_string(ChunkError error);

class ChunkReader {
 public:
  explicit ChunkReader(const ChunkLimits& limits = {}) : limits_(limits) {}

  // From the next message on.
  void set_limits(const ChunkLimits& limits) { limits_ = limits; }
  void add(std::span<const std::uint8_t> bytes);
  // The next whole message; nothing: more bytes are needed. Set Chunk Size and Abort are obeyed here and
  // handed on like the rest.
  tl::expected<std::optional<Message>, ChunkError> next();
  std::uint64_t received() const { return received_; }
  std::size_t partial_bytes() const { return partial_; }
  std::size_t chunk_streams() const { return streams_.size(); }

 private:
  struct Stream {
    std::uint32_t timestamp = 0;
    std::uint32_t field = 0;  // as it stood in the last header: a delta, or after type 0 the timestamp
    bool extended = false;
    std::uint32_t length = 0;
    std::uint8_t type = 0;
    std::uint32_t stream = 0;
    bool begun = false;  // a message is under way
    std::vector<std::uint8_t> body;
  };
  struct Header {
    std::uint8_t format = 0;
    std::uint32_t chunk_stream = 0;
    std::size_t size = 0;  // all of it
    std::uint32_t field = 0;
    bool extended = false;
    std::uint32_t length = 0;
    std::uint8_t type = 0;
    std::uint32_t stream = 0;
  };
  // Nothing: more bytes are needed.
  tl::expected<std::optional<Header>, ChunkError> read_header() const;
  void read_extended(Header& header, std::size_t at, const Stream* before, bool& need_more) const;
  static void begin(Stream& stream, const Header& header);
  tl::expected<void, ChunkError> obey(const Message& message);
  std::span<const std::uint8_t> rest() const { return std::span(buffer_).subspan(at_); }

  ChunkLimits limits_;
  std::uint32_t chunk_size_ = kDefaultChunkSize;
  std::map<std::uint32_t, Stream> streams_;
  std::vector<std::uint8_t> buffer_;
  std::size_t at_ = 0;
  std::size_t partial_ = 0;
  std::uint64_t received_ = 0;
};

// Header of type 0 of a message, always with its whole timestamp: what a player has lost or skipped before
// never changes what it reads next. `chunk_stream` is 2 to 63.
struct ChunkHeader {
  std::uint32_t chunk_stream = kFirstFreeChunkStream;
  MessageType type = MessageType::command_amf0;
  std::uint32_t stream = 0;
  std::uint32_t timestamp = 0;
  std::uint32_t length = 0;
};
inline constexpr std::size_t kLongestHeader = 16;
std::size_t write_header(const ChunkHeader& header, std::uint8_t* out);
// In front of each further chunk: type 3, the extended timestamp repeated.
std::size_t write_continuation(const ChunkHeader& header, std::uint8_t* out);
// Of the whole message on the wire.
std::size_t chunked_size(const ChunkHeader& header, std::uint32_t chunk_size);
void append_message(std::string& out, const ChunkHeader& header, std::span<const std::uint8_t> body,
                    std::uint32_t chunk_size);

}  // namespace headgate::bridge::rtmp

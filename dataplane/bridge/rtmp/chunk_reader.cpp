#include <algorithm>

#include "dataplane/bridge/rtmp/bytes.h"
#include "dataplane/bridge/rtmp/chunk.h"

namespace headgate::bridge::rtmp {
namespace {

constexpr std::size_t kMessageHeader[] = {11, 7, 3, 0};  // 5.3.1.2, by format

}  // namespace

const char* to_string(ChunkError error) {
  switch (error) {
    case ChunkError::no_header_before:
      return "a chunk stream opens without a whole header";
    case ChunkError::message_too_long:
      return "a message is longer than taken here";
    case ChunkError::partial_too_large:
      return "too many bytes of unfinished messages";
    case ChunkError::too_many_chunk_streams:
      return "too many chunk streams";
    case ChunkError::bad_chunk_size:
      return "the chunk size is no number from 1 to 2147483647";
    case ChunkError::header_inside_message:
      return "a message changes before its end";
  }
  return "";
}

void ChunkReader::add(std::span<const std::uint8_t> bytes) {
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
  at_ = 0;
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  received_ += bytes.size();
}

tl::expected<std::optional<ChunkReader::Header>, ChunkError> ChunkReader::read_header() const {
  const auto bytes = rest();
  const std::optional<Header> need_more;
  if (bytes.empty()) return need_more;
  Header header;
  header.format = bytes[0] >> 6;
  header.chunk_stream = bytes[0] & 0x3F;
  std::size_t at = 1;
  if (header.chunk_stream == 0) {  // 5.3.1.1: two bytes, 64 to 319
    if (bytes.size() < 2) return need_more;
    header.chunk_stream = 64U + bytes[1];
    at = 2;
  } else if (header.chunk_stream == 1) {  // three bytes, 64 to 65599, the low byte first
    if (bytes.size() < 3) return need_more;
    header.chunk_stream = 64U + bytes[1] + 256U * bytes[2];
    at = 3;
  }
  if (bytes.size() < at + kMessageHeader[header.format]) return need_more;
  const auto found = streams_.find(header.chunk_stream);
  const Stream* before = found == streams_.end() ? nullptr : &found->second;
  if (before == nullptr && header.format != 0) return tl::unexpected(ChunkError::no_header_before);
  if (before != nullptr) {
    header.length = before->length;
    header.type = before->type;
    header.stream = before->stream;
    header.field = before->field;
    header.extended = before->extended;
  }
  const auto fields = bytes.subspan(at);
  if (header.format <= 2) header.field = read24(fields);
  if (header.format <= 1) {
    header.length = read24(fields.subspan(3));
    header.type = fields[6];
  }
  if (header.format == 0) {  // the only field with the low byte first
    header.stream = std::uint32_t{fields[7]} | std::uint32_t{fields[8]} << 8 |
                    std::uint32_t{fields[9]} << 16 | std::uint32_t{fields[10]} << 24;
  }
  header.size = at + kMessageHeader[header.format];
  bool incomplete = false;
  read_extended(header, header.size, before, incomplete);
  if (incomplete) return need_more;
  return std::optional(header);
}

// Adobe's programs, FFmpeg and librtmp repeat the extended timestamp in front of chunks of type 3; some
// encoders leave it out: there it is taken for one only where it equals the one before.
void ChunkReader::read_extended(Header& header, std::size_t at, const Stream* before, bool& need_more) const {
  const auto bytes = rest();
  if (header.format <= 2) {
    header.extended = header.field == kExtendedTimestamp;
    if (!header.extended) return;
  } else if (!header.extended) {
    return;
  }
  if (bytes.size() < at + 4) {
    // A last chunk of fewer than four bytes may end here, when the sender doesn't repeat.
    const bool short_tail = header.format == 3 && before->begun && before->length - before->body.size() < 4 &&
                            bytes.size() >= at + (before->length - before->body.size());
    if (short_tail) {
      std::uint8_t expected[4];
      for (int i = 0; i < 4; ++i) expected[i] = static_cast<std::uint8_t>(before->field >> (24 - 8 * i));
      if (!std::equal(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(), expected)) return;
    }
    need_more = true;
    return;
  }
  const std::uint32_t value = read32(bytes.subspan(at));
  if (header.format == 3 && value != before->field) return;
  header.field = value;
  header.size = at + 4;
}

void ChunkReader::begin(Stream& stream, const Header& header) {
  // 5.3.1.2: type 0 carries a timestamp; 1 and 2 a delta; 3 says the last field again.
  stream.timestamp = header.format == 0 ? header.field : stream.timestamp + header.field;
  stream.field = header.field;
  stream.extended = header.extended;
  stream.length = header.length;
  stream.type = header.type;
  stream.stream = header.stream;
  stream.begun = true;
}

tl::expected<std::optional<Message>, ChunkError> ChunkReader::next() {
  while (true) {
    const auto header = read_header();
    if (!header) return tl::unexpected(header.error());
    if (!*header) return std::optional<Message>();
    const Header& h = **header;
    auto found = streams_.find(h.chunk_stream);
    const bool begun = found != streams_.end() && found->second.begun;
    if (begun && h.format != 3) return tl::unexpected(ChunkError::header_inside_message);
    const std::uint32_t length = begun ? found->second.length : h.length;
    const std::size_t have = begun ? found->second.body.size() : 0;
    const std::size_t piece = std::min<std::size_t>(length - have, chunk_size_);
    if (!begun && length > limits_.message_bytes) return tl::unexpected(ChunkError::message_too_long);
    if (partial_ + piece > limits_.partial_bytes) return tl::unexpected(ChunkError::partial_too_large);
    if (found == streams_.end() && streams_.size() >= limits_.chunk_streams)
      return tl::unexpected(ChunkError::too_many_chunk_streams);
    if (rest().size() < h.size + piece) return std::optional<Message>();
    Stream& stream = streams_[h.chunk_stream];
    if (!begun) begin(stream, h);
    const auto bytes = rest().subspan(h.size, piece);
    stream.body.insert(stream.body.end(), bytes.begin(), bytes.end());
    partial_ += piece;
    at_ += h.size + piece;
    if (stream.body.size() < stream.length) continue;
    Message message{h.chunk_stream, stream.type, stream.stream, stream.timestamp, std::move(stream.body)};
    partial_ -= message.body.size();
    stream.body = {};
    stream.begun = false;
    if (auto obeyed = obey(message); !obeyed) return tl::unexpected(obeyed.error());
    return std::optional(std::move(message));
  }
}

tl::expected<void, ChunkError> ChunkReader::obey(const Message& message) {
  if (message.body.size() < 4) return {};
  const std::uint32_t value = read32(message.body);
  if (message.type == static_cast<std::uint8_t>(MessageType::set_chunk_size)) {
    if (value == 0 || value > 0x7FFF'FFFF) return tl::unexpected(ChunkError::bad_chunk_size);
    chunk_size_ = std::min(value, kLargestChunkSize);
  } else if (message.type == static_cast<std::uint8_t>(MessageType::abort)) {
    const auto found = streams_.find(value);
    if (found == streams_.end() || !found->second.begun) return {};
    partial_ -= found->second.body.size();
    found->second.body = {};
    found->second.begun = false;
  }
  return {};
}

}  // namespace headgate::bridge::rtmp

#include <algorithm>

#include "dataplane/bridge/rtmp/bytes.h"
#include "dataplane/bridge/rtmp/chunk.h"

namespace headgate::bridge::rtmp {

std::size_t write_header(const ChunkHeader& header, std::uint8_t* out) {
  std::uint8_t* at = out;
  *at++ = static_cast<std::uint8_t>(header.chunk_stream);
  at = put24(at, std::min(header.timestamp, kExtendedTimestamp));
  at = put24(at, header.length);
  *at++ = static_cast<std::uint8_t>(header.type);
  for (int shift = 0; shift < 32; shift += 8) *at++ = static_cast<std::uint8_t>(header.stream >> shift);
  if (header.timestamp >= kExtendedTimestamp) at = put32(at, header.timestamp);
  return static_cast<std::size_t>(at - out);
}

std::size_t write_continuation(const ChunkHeader& header, std::uint8_t* out) {
  std::uint8_t* at = out;
  *at++ = static_cast<std::uint8_t>(0xC0U | header.chunk_stream);
  if (header.timestamp >= kExtendedTimestamp) at = put32(at, header.timestamp);
  return static_cast<std::size_t>(at - out);
}

std::size_t chunked_size(const ChunkHeader& header, std::uint32_t chunk_size) {
  const std::size_t extended = header.timestamp >= kExtendedTimestamp ? 4 : 0;
  const std::size_t more = header.length == 0 ? 0 : (header.length - 1) / chunk_size;
  return 12 + extended + header.length + more * (1 + extended);
}

void append_message(std::string& out, const ChunkHeader& header, std::span<const std::uint8_t> body,
                    std::uint32_t chunk_size) {
  std::uint8_t bytes[kLongestHeader];
  ChunkHeader whole = header;
  whole.length = static_cast<std::uint32_t>(body.size());
  std::size_t size = write_header(whole, bytes);
  out.append(reinterpret_cast<const char*>(bytes), size);
  while (true) {
    const std::size_t piece = std::min<std::size_t>(body.size(), chunk_size);
    out.append(reinterpret_cast<const char*>(body.data()), piece);
    body = body.subspan(piece);
    if (body.empty()) return;
    size = write_continuation(whole, bytes);
    out.append(reinterpret_cast<const char*>(bytes), size);
  }
}

}  // namespace headgate::bridge::rtmp

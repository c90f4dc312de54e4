// links: headgate::bridge
// Bytes into the chunk reader, whole and in pieces: the same messages must come, within the limits; what the
// writer makes of them must read back.
#include <cstdlib>

#include "dataplane/bridge/rtmp/chunk.h"

namespace {

using namespace headgate::bridge::rtmp;

std::vector<Message> read_all(std::span<const std::uint8_t> bytes, std::size_t step,
                              const ChunkLimits& limits) {
  ChunkReader reader(limits);
  std::vector<Message> messages;
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(step, bytes.size()));
    reader.add(piece);
    bytes = bytes.subspan(piece.size());
    while (true) {
      auto message = reader.next();
      if (!message) return messages;
      if (reader.partial_bytes() > limits.partial_bytes || reader.chunk_streams() > limits.chunk_streams)
        std::abort();
      if (!*message) break;
      if ((*message)->body.size() > limits.message_bytes) std::abort();
      messages.push_back(std::move(**message));
    }
  }
  return messages;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  ChunkLimits limits;
  limits.message_bytes = 4096;
  limits.partial_bytes = 8192;
  const std::span<const std::uint8_t> bytes(data + 1, size - 1);
  const auto whole = read_all(bytes, bytes.size(), limits);
  const auto pieces = read_all(bytes, 1U + data[0] % 32, limits);
  if (whole.size() != pieces.size()) std::abort();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (whole[i].body != pieces[i].body || whole[i].timestamp != pieces[i].timestamp) std::abort();
    if (whole[i].type == 0 || whole[i].type == 1 || whole[i].type == 2) continue;
    std::string out;
    const ChunkHeader header{6, static_cast<MessageType>(whole[i].type), whole[i].stream, whole[i].timestamp,
                             static_cast<std::uint32_t>(whole[i].body.size())};
    append_message(out, header, whole[i].body, kDefaultChunkSize);
    if (out.size() != chunked_size(header, kDefaultChunkSize)) std::abort();
    const auto again =
        read_all({reinterpret_cast<const std::uint8_t*>(out.data()), out.size()}, out.size(), limits);
    if (again.size() != 1 || again[0].body != whole[i].body || again[0].timestamp != whole[i].timestamp)
      std::abort();
  }
  return 0;
}

// links: headgate::bridge
// Bytes into the server's half of the handshake, in pieces whose size the first byte says. The answer comes
// once, whole, and nothing beyond C2 is taken.
#include <cstdlib>

#include "dataplane/bridge/rtmp/handshake.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headgate::bridge::rtmp;
  if (size < 1) return 0;
  const std::size_t step = data[0] == 0 ? size : data[0] * 8U;
  std::span<const std::uint8_t> rest(data + 1, size - 1);
  ServerHandshake handshake(1);
  std::string out;
  std::size_t taken = 0;
  while (!rest.empty() && handshake.state() != ServerHandshake::State::done &&
         handshake.state() != ServerHandshake::State::refused) {
    const auto piece = rest.first(std::min(step, rest.size()));
    taken += handshake.on_bytes(piece, 0, out);
    rest = rest.subspan(piece.size());
  }
  if (taken > 1 + 2 * kHandshakeSize) std::abort();
  if (out.size() != 0 && out.size() != 1 + 2 * kHandshakeSize) std::abort();
  return 0;
}

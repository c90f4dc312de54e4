// links: headgate::bridge
// A server's bytes after its handshake into a client that plays or publishes, by the first byte. Nothing may
// crash, and the client ends or goes on.
#include "dataplane/bridge/rtmp/client.h"

namespace {

using namespace headgate;
using namespace headgate::bridge;
using namespace headgate::bridge::rtmp;

class Host : public ClientHost {
 public:
  void on_started() override { started = true; }
  std::size_t on_media(const Message& message) override {
    bytes += message.body.size();
    return 1;
  }
  bool started = false;
  std::size_t bytes = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  Host host;
  Client::Clock::time_point now{};
  const auto purpose = (data[0] & 1) != 0 ? Client::Purpose::publish : Client::Purpose::play;
  const auto url = parse_push_url("rtmp://h/live", "stream?key=secret");
  Client client(host, *url, purpose, now, 1);
  std::vector<std::uint8_t> handshake(1 + 2 * kHandshakeSize);
  handshake[0] = kVersion;
  client.on_bytes(now, handshake);
  const std::size_t step = 1U + data[1];
  std::span<const std::uint8_t> rest(data + 2, size - 2);
  Gather gather;
  while (!rest.empty() && !client.over()) {
    const auto piece = rest.first(std::min(step, rest.size()));
    client.on_bytes(now, piece);
    rest = rest.subspan(piece.size());
    if (client.gather(gather)) client.on_sent(now, gather.total());
    now += std::chrono::milliseconds(20);
    client.on_timer(now);
  }
  if (client.over() && client.error().find("secret") != std::string::npos) __builtin_trap();
  return 0;
}

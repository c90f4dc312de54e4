// links: headgate::bridge
// Bytes as AMF0 values and as commands with or without AMF3's leading byte: never more values than allowed.
#include <cstdlib>

#include "dataplane/bridge/rtmp/command.h"

namespace {

std::size_t count(const headgate::bridge::rtmp::Amf0Value& value) {
  std::size_t n = 1;
  for (const auto& member : value.members) n += count(member.value);
  return n;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headgate::bridge::rtmp;
  const std::span<const std::uint8_t> bytes(data, size);
  const Amf0Limits limits;
  if (const auto values = parse_amf0(bytes, limits)) {
    std::size_t n = 0;
    for (const Amf0Value& value : *values) n += count(value);
    if (n > limits.values) std::abort();
  }
  for (const bool amf3 : {false, true}) {
    if (const auto command = parse_command(bytes, amf3)) {
      const ConnectRequest request = read_connect(*command);
      if (channel_of(request.app).size() > request.app.size()) std::abort();
    }
  }
  return 0;
}

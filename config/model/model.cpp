#include "config/model/model.h"

#include <algorithm>

namespace headgate::config {

using std::chrono::milliseconds;

milliseconds buffer_of(const Channel& channel, const Input& input) {
  if (channel.remux.buffer) return *channel.remux.buffer;
  milliseconds buffer{0};
  switch (input.kind) {
    case InputKind::publish:
    case InputKind::rtmp:
    case InputKind::http_ts:
    case InputKind::hls:
    case InputKind::file:
      buffer = milliseconds(1000);
      break;
    case InputKind::datagrams:
    case InputKind::srt_caller:
    case InputKind::srt_listener:
      break;
  }
  return channel.remux.bitrate == 0 ? buffer : std::max(buffer, kConstantRateBuffer);
}

}  // namespace headgate::config

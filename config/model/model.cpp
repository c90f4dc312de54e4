#include "config/model/model.h"

#include <algorithm>

namespace headgate::config {

using std::chrono::milliseconds;

bool leaves_by_bridge(const Channel& channel) {
  return !served(channel).empty() ||
         std::any_of(channel.push.begin(), channel.push.end(),
                     [](const Push& push) { return push.enabled && by_bridge(push); });
}

bool passes_bridge(const Channel& channel) {
  return leaves_by_bridge(channel) || std::any_of(channel.inputs.begin(), channel.inputs.end(),
                                                  [](const Input& input) { return by_bridge(input); });
}

bool fails_over_for(const Channel& channel, Trouble trouble) {
  const auto& when = channel.failover.when;
  return channel.inputs.size() > 1 && std::find(when.begin(), when.end(), trouble) != when.end();
}

bool watches_pictures(const Channel& channel) {
  if (channel.watch.pictures != Watching::automatic) return channel.watch.pictures == Watching::always;
  return passes_bridge(channel) || fails_over_for(channel, Trouble::frozen) ||
         fails_over_for(channel, Trouble::black);
}

bool watches_sound(const Channel& channel) {
  if (channel.watch.sound != Watching::automatic) return channel.watch.sound == Watching::always;
  return passes_bridge(channel) || fails_over_for(channel, Trouble::silence);
}

bool rewrites_service(const Channel& channel) {
  const Remux& remux = channel.remux;
  if (remux.ca || !remux.pids.empty()) return true;
  const bool named = remux.service_id || !remux.provider.empty();
  return named && std::any_of(channel.inputs.begin(), channel.inputs.end(),
                              [](const Input& input) { return input.kind != InputKind::rtmp; });
}

std::string stream_name(const Channel& channel) {
  return rewrites_service(channel) && channel.name != channel.id ? channel.name : std::string();
}

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

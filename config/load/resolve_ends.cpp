// Inputs and pushes that pass the bridge: what their drafts become, and the checks across them.
#include <algorithm>

#include "config/load/draft.h"

namespace headgate::config {
namespace {

std::string port_of(const std::string& listen) { return listen.substr(listen.rfind(':') + 1); }

// Labels of a channel's metrics must differ; what tells two of one URL apart may be secret.
template <class Ends>
std::string distinct(const Ends& ends, const std::string& url) {
  std::string out = url;
  for (int n = 2; std::any_of(ends.begin(), ends.end(), [&](const auto& end) { return end.url == out; }); ++n)
    out = fmt::format("{}#{}", url, n);
  return out;
}

}  // namespace

bool same_socket(const std::string& listen, const std::string& other) {
  if (port_of(listen) != port_of(other)) return false;
  const auto any = [](const std::string& host) { return host == "[::]" || host == "0.0.0.0"; };
  const std::string a = listen.substr(0, listen.rfind(':')), b = other.substr(0, other.rfind(':'));
  return a == b || any(a) || any(b);
}

void BridgeEnds::check_listener(const ChannelDraft& channel, const EndDraft& end) {
  for (const SrtDraft& server : node_.srt) {
    if (!server.listen.set || !same_socket(server.listen.value, end.address)) continue;
    report_.error(
        end.place,
        fmt::format("port {} is taken by servers.srt ({}): take another port, or let the sender publish "
                    "there with publish: {{}}",
                    port_of(end.address), report_.where(server.listen.place)));
    return;
  }
  for (const auto& [listen, use] : listeners_) {
    if (!same_socket(listen, end.address)) continue;
    report_.error(end.place, fmt::format("port {} is listened on by an input of channel '{}' already ({})",
                                         port_of(end.address), use.channel, report_.where(use.place)));
    return;
  }
  listeners_.emplace_back(end.address, Use{channel.id, end.place});
}

void BridgeEnds::add_input(const ChannelDraft& channel, const EndDraft& end, std::uint32_t number,
                           Channel& out) {
  if (end.kind != InputKind::publish && end.address.empty()) return;  // said already
  if (end.kind == InputKind::publish) {
    if (node_.rtmp.empty() && node_.rtmps.empty() && node_.srt.empty()) {
      report_.error(end.place,
                    "publish needs a server that an encoder comes to: add servers.rtmp, servers.rtmps or "
                    "servers.srt to the node file");
    }
    const bool second = std::any_of(out.inputs.begin(), out.inputs.end(),
                                    [](const Input& input) { return input.kind == InputKind::publish; });
    if (second) {
      report_.error(end.place,
                    fmt::format("a second publish of channel '{}': an encoder publishes to a channel, "
                                "make another channel for another encoder",
                                channel.id));
      return;
    }
  }
  const bool twice = std::any_of(out.inputs.begin(), out.inputs.end(), [&](const Input& input) {
    return input.kind == end.kind && input.address == end.address && input.stream_id == end.stream_id.value &&
           input.program == (end.program ? end.program : channel.program);
  });
  if (twice) {
    report_.error(
        end.place,
        fmt::format("this is an input of channel '{}' already: a backup comes from elsewhere", channel.id));
    return;
  }
  if (channel.enabled && end.kind == InputKind::srt_listener) check_listener(channel, end);
  Input input;
  input.number = number;
  input.kind = end.kind;
  input.url = distinct(out.inputs, end.url);
  input.program = end.program ? end.program : channel.program;
  input.address = end.address;
  input.stream_id = end.stream_id.value;
  input.latency = end.latency;
  input.passphrase_file = end.passphrase.path;
  input.passphrase = end.passphrase.text;
  input.key_file = end.publish.key.path;
  input.key = end.publish.key.text;
  input.grace = end.publish.grace;
  out.inputs.push_back(std::move(input));
}

// A query is shown nowhere; a stream that is called as the channel is no secret.
void BridgeEnds::warn_of_shown_key(const ChannelDraft& channel, const EndDraft& end, const Push& push) {
  if (push.kind != PushKind::rtmp || end.key.file.set || end.stream.empty() || end.stream == channel.id ||
      end.stream.find('?') != std::string::npos)
    return;
  report_.warning(
      end.place,
      "the last part of this URL, the stream name, is shown in status, plan, alarms and log: if it "
      "is a secret key, write it into a file, name that as key_file, and leave it out here");
}

void BridgeEnds::add_push(const ChannelDraft& channel, const EndDraft& end, Channel& out) {
  if (end.address.empty()) return;  // said already
  Push push;
  push.kind = end.kind == InputKind::rtmp ? PushKind::rtmp : PushKind::srt;
  push.url = distinct(out.push, end.url);
  push.enabled = end.enabled;
  push.address = end.address;
  push.stream = end.key.file.set ? end.key.text : end.stream;
  push.key_file = end.key.path;
  push.stream_id = end.stream_id.value;
  push.latency = end.latency;
  push.passphrase_file = end.passphrase.path;
  push.passphrase = end.passphrase.text;
  warn_of_shown_key(channel, end, push);
  if (channel.enabled && push.enabled) {
    const auto [known, fresh] = targets_.emplace(
        fmt::format("{}\n{}\n{}", push.address, push.stream, push.stream_id), Use{channel.id, end.place});
    if (!fresh) {
      report_.error(end.place, fmt::format("two pushes to {}: channel '{}' sends there already ({})", end.url,
                                           known->second.channel, report_.where(known->second.place)));
    }
  }
  out.push.push_back(std::move(push));
}

}  // namespace headgate::config

#include "config/model/diff_values.h"

#include <algorithm>
#include <cstdlib>

namespace headgate::config {

static std::string in_words(const std::optional<Program>& program) {
  if (!program) return "";
  if (const auto* number = std::get_if<std::uint16_t>(&*program)) return std::to_string(*number);
  return std::get<std::string>(*program);
}

static std::string in_words(std::chrono::milliseconds time) {
  const auto count = time.count();
  return count % 1000 == 0 ? std::to_string(count / 1000) + "s" : std::to_string(count) + "ms";
}

namespace {

template <class Items, class Word>
std::string join(const Items& items, Word word) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : ", ") + word(item);
  return text;
}

// Where it is taken from or goes to, beyond what the URL says.
template <class End>
std::string place(const End& end) {
  if (by_bridge(end)) return end.url;
  return end.url + " on " + end.interface + (end.vlan == 0 ? "" : " VLAN " + std::to_string(end.vlan));
}

std::string short_url(const Push& push) { return push.url.substr(0, push.url.find('?')); }

bool same_end(const Push& a, const Push& b) {
  if (a.kind != b.kind) return false;
  if (by_bridge(a)) {
    return a.url == b.url && a.address == b.address && a.stream_id == b.stream_id && a.stream == b.stream;
  }
  return a.protocol == b.protocol && a.interface == b.interface && a.vlan == b.vlan && a.group == b.group &&
         a.port == b.port;
}

const Push* find_end(const std::vector<Push>& pushes, const Push& wanted) {
  const auto found =
      std::find_if(pushes.begin(), pushes.end(), [&](const Push& push) { return same_end(push, wanted); });
  return found == pushes.end() ? nullptr : &*found;
}

class Values {
 public:
  template <class T>
  void note(const std::string& key, const T& before, const T& after) {
    if (!(before == after)) list.push_back({key, in_words(before), in_words(after)});
  }
  std::vector<ValueChange> list;
};

// The file that holds a secret, never the secret.
void secret_value(const std::string& key, const std::string& before, const std::string& after, bool other,
                  Values& values) {
  if (before != after)
    values.list.push_back({key, before, after});
  else if (other)
    values.list.push_back({key, before, "another secret in that file"});
}

void input_values(const Channel& running, const Channel& wanted, Values& values) {
  const std::size_t both = std::min(running.inputs.size(), wanted.inputs.size());
  const std::size_t all = std::max(running.inputs.size(), wanted.inputs.size());
  for (std::size_t i = 0; i < all; ++i) {
    const std::string key = all == 1 ? "inputs" : "inputs." + std::to_string(i + 1);
    if (i >= both) {
      const bool more = i < wanted.inputs.size();
      values.list.push_back(
          {key, more ? "" : running.inputs[i].url, more ? wanted.inputs[i].url : std::string()});
      continue;
    }
    const Input &before = running.inputs[i], &after = wanted.inputs[i];
    if (before.url != after.url)
      values.list.push_back({key, before.url, after.url});
    else if (place(before) != place(after))
      values.list.push_back({key, place(before), place(after)});
    values.note(all == 1 ? "program" : key + ".program", before.program, after.program);
    values.note(key + " latency", before.latency, after.latency);
    values.note(key + " grace", before.grace, after.grace);
    if (before.url != after.url) continue;
    secret_value(key + " passphrase_file", before.passphrase_file, after.passphrase_file,
                 before.passphrase != after.passphrase, values);
    secret_value(key + " key_file", before.key_file, after.key_file, before.key != after.key, values);
    if (before.address != after.address || before.stream_id != after.stream_id)
      values.list.push_back({key, before.url, "another address or stream id that may hold secrets"});
  }
}

void push_values(const Channel& running, const Channel& wanted, Values& values) {
  for (const Push& before : running.push) {
    const Push* after = find_end(wanted.push, before);
    if (after == nullptr) {
      values.list.push_back({"push", short_url(before), ""});
      continue;
    }
    const std::string key = "push " + short_url(before);
    values.note(key + " ttl", std::uint16_t{before.ttl}, std::uint16_t{after->ttl});
    values.note(key + " dscp", std::uint16_t{before.dscp}, std::uint16_t{after->dscp});
    values.note(key + " enabled", before.enabled, after->enabled);
    values.note(key + " latency", before.latency, after->latency);
    secret_value(key + " passphrase_file", before.passphrase_file, after->passphrase_file,
                 before.passphrase != after->passphrase, values);
    if (before.key_file != after->key_file)
      values.list.push_back({key + " key_file", before.key_file, after->key_file});
  }
  for (const Push& after : wanted.push) {
    if (find_end(running.push, after) == nullptr) values.list.push_back({"push", "", short_url(after)});
  }
}

std::string rate_words(std::uint64_t bits) {
  if (bits == 0) return "";
  const bool small = bits < 1'000'000;
  std::string number = std::to_string(static_cast<double>(bits) / (small ? 1e3 : 1e6));
  while (number.back() == '0') number.pop_back();
  if (number.back() == '.') number.pop_back();
  return number + (small ? "kbps" : "Mbps");
}

void way_values(const Channel& running, const Channel& wanted, Values& values) {
  const Failover &before = running.failover, &after = wanted.failover;
  values.note("failover.after", before.after, after.after);
  const auto back = [](bool by_itself) { return std::string(by_itself ? "auto" : "manual"); };
  values.note("failover.back", back(before.back), back(after.back));
  values.note("failover.hold", before.hold, after.hold);
  const auto when = [](const Failover& failover) {
    return join(failover.when, [](Trouble trouble) {
      return std::string(kTroubleNames[static_cast<std::size_t>(trouble)]);
    });
  };
  values.note("failover.when", when(before), when(after));
  const Remux &old = running.remux, &made = wanted.remux;
  values.note("remux.bitrate", rate_words(old.bitrate), rate_words(made.bitrate));
  const auto buffer = [](const Remux& remux) {
    return remux.buffer ? in_words(*remux.buffer) : std::string();
  };
  values.note("remux.buffer", buffer(old), buffer(made));
  const auto service = [](const Remux& remux) {
    return remux.service_id ? std::to_string(*remux.service_id) : std::string();
  };
  values.note("remux.service_id", service(old), service(made));
  values.note("remux.provider", old.provider, made.provider);
  const auto ca = [](const Remux& remux) {
    return remux.ca ? std::string(kCaNames[static_cast<std::size_t>(*remux.ca)]) : std::string();
  };
  values.note("remux.ca", ca(old), ca(made));
  const auto pids = [](const Remux& remux) {
    return join(remux.pids, [](const PidRule& rule) {
      return (rule.role.empty() ? std::to_string(rule.pid) : rule.role) + ": " +
             (rule.to ? std::to_string(*rule.to) : "drop");
    });
  };
  values.note("remux.pids", pids(old), pids(made));
}

// 0: never.
std::string alarm_words(std::chrono::milliseconds time) {
  return time.count() == 0 ? "never" : in_words(time);
}

std::string tenths(std::int32_t value) {
  const std::string text = std::to_string(std::abs(value) / 10) +
                           (value % 10 == 0 ? "" : '.' + std::to_string(std::abs(value) % 10));
  return (value < 0 ? "-" : "") + text + "LUFS";
}

std::string loudness_words(const Alarms& alarms) {
  if (!alarms.loudness) return "never";
  return tenths(alarms.loudness->min) + ".." + tenths(alarms.loudness->max);
}

std::string cc_words(const Alarms& alarms) {
  const ErrorRate rate = alarms.cc_errors.value_or(kUsualCcErrors);
  if (rate.count == 0) return "never";
  const char* unit = rate.per == std::chrono::hours(1)     ? "/h"
                     : rate.per == std::chrono::minutes(1) ? "/min"
                                                           : "/s";
  return std::to_string(rate.count) + unit;
}

std::string range_words(const Alarms& alarms) {
  if (!alarms.bitrate) return "never";
  return rate_words(alarms.bitrate->min) + ".." + rate_words(alarms.bitrate->max);
}

// Of auto, never and always.
template <class Word>
std::string auto_words(Word word) {
  return word == Word::never ? "never" : word == Word::always ? "always" : "auto";
}

void watch_values(const Channel& running, const Channel& wanted, Values& values) {
  values.note("audio.transcode", auto_words(running.audio.transcode), auto_words(wanted.audio.transcode));
  values.note("watch.every", running.watch.every, wanted.watch.every);
  values.note("watch.pictures", auto_words(running.watch.pictures), auto_words(wanted.watch.pictures));
  values.note("watch.sound", auto_words(running.watch.sound), auto_words(wanted.watch.sound));
  const Alarms &before = running.alarms, &after = wanted.alarms;
  const auto alarm = [&](const char* key, std::chrono::milliseconds Alarms::*member) {
    values.note(key, alarm_words(before.*member), alarm_words(after.*member));
  };
  alarm("alarms.black", &Alarms::black);
  alarm("alarms.frozen", &Alarms::frozen);
  alarm("alarms.still", &Alarms::still);
  alarm("alarms.silence", &Alarms::silence);
  alarm("alarms.clipping", &Alarms::clipping);
  alarm("alarms.phase", &Alarms::phase);
  values.note("alarms.loudness", loudness_words(before), loudness_words(after));
  values.note("alarms.loudness_after", before.loudness_after, after.loudness_after);
  values.note("alarms.cc_errors", cc_words(before), cc_words(after));
  values.note("alarms.bitrate", range_words(before), range_words(after));
}

void hls_values(const Channel& running, const Channel& wanted, Values& values) {
  if (running.hls && wanted.hls) {
    values.note("serve.hls.segment", running.hls->segment, wanted.hls->segment);
    values.note("serve.hls.window", running.hls->window, wanted.hls->window);
  } else if (running.hls || wanted.hls) {
    const HlsOptions& hls = running.hls ? *running.hls : *wanted.hls;
    const std::string words = "segment " + in_words(hls.segment) + ", window " + std::to_string(hls.window);
    values.list.push_back({"serve.hls", running.hls ? words : "", wanted.hls ? words : ""});
  }
}

// "off", "on", "on with the passphrase of keys/news"
std::string srt_words(const Channel& channel) {
  if (!channel.srt) return "off";
  return channel.srt->passphrase_file.empty() ? "on"
                                              : "on with the passphrase of " + channel.srt->passphrase_file;
}

void output_values(const Channel& running, const Channel& wanted, Values& values) {
  const auto on_off = [](bool on) { return std::string(on ? "on" : "off"); };
  values.note("serve.http-ts", on_off(running.http_ts), on_off(wanted.http_ts));
  values.note("serve.rtmp", on_off(running.rtmp), on_off(wanted.rtmp));
  if (running.srt == wanted.srt) return;
  const std::string before = srt_words(running), after = srt_words(wanted);
  values.list.push_back({"serve.srt", before, before == after ? "another passphrase in that file" : after});
}

}  // namespace

std::string in_words(bool value) { return value ? "true" : "false"; }
std::string in_words(std::uint16_t value) { return std::to_string(value); }
std::string in_words(std::uint32_t value) { return std::to_string(value); }
std::string in_words(const std::string& value) { return value; }
std::string in_words(const std::vector<std::string>& values) {
  return join(values, [](const std::string& value) { return value; });
}
std::string in_words(const std::vector<std::uint32_t>& values) {
  return join(values, [](std::uint32_t value) { return std::to_string(value); });
}

std::string in_words(LogLevel value) {
  constexpr const char* kNames[] = {"trace", "debug", "info", "warning", "error"};
  return kNames[static_cast<std::size_t>(value)];
}
std::string in_words(LogFormat value) { return value == LogFormat::json ? "json" : "text"; }
std::string in_words(Igmp value) {
  constexpr const char* kNames[] = {"auto", "v1", "v2", "v3"};
  return kNames[static_cast<std::size_t>(value)];
}
std::string in_words(Hugepages value) {
  constexpr const char* kNames[] = {"auto", "required", "never"};
  return kNames[static_cast<std::size_t>(value)];
}
std::string in_words(Idle value) { return value == Idle::poll ? "poll" : "adaptive"; }

std::string in_words(const std::vector<HttpServer>& servers) {
  return join(servers, [](const HttpServer& server) { return server.listen; });
}

std::string in_words(const std::vector<RtmpServer>& servers) {
  return join(servers, [](const RtmpServer& server) { return server.listen; });
}

std::string in_words(const std::vector<RtmpsServer>& servers) {
  return join(servers, [](const RtmpsServer& server) {
    return server.listen + " certificate " + server.certificate_file + " key " + server.key_file;
  });
}

std::string in_words(const std::vector<SrtServer>& servers) {
  return join(servers, [](const SrtServer& server) {
    return server.listen + " latency " + in_words(server.latency) +
           (server.passphrase_file.empty() ? "" : " passphrase of " + server.passphrase_file);
  });
}

std::string in_words(const std::optional<AdminServer>& server) {
  if (!server) return "";
  if (server->tokens_file.empty()) return server->listen;
  const std::size_t count = server->tokens.size();
  return server->listen + ", " + server->tokens_file + " with " + std::to_string(count) +
         (count == 1 ? " token" : " tokens");
}

// The path of its URL may be a secret.
std::string in_words(const std::optional<Webhook>& webhook) {
  if (!webhook) return "";
  return origin_of(webhook->url) + (webhook->secret_file.empty() ? "" : " signed by " + webhook->secret_file);
}

std::string in_words(const Rendition& rendition) {
  return join(rendition.members, [](const RenditionMember& member) {
    if (!member.derived) return member.channel;
    const std::string size = member.width == 0
                                 ? std::to_string(member.height) + " lines"
                                 : std::to_string(member.width) + "x" + std::to_string(member.height);
    return member.channel + " in " + size + " at " + rate_words(member.bitrate);
  });
}

std::string in_words(const Multiplex& multiplex) {
  const auto same = [](const std::string& channel) { return channel; };
  const auto url = [](const Push& push) { return push.enabled ? push.url : push.url + " (off)"; };
  return join(multiplex.channels, same) + " at " + rate_words(multiplex.bitrate) +
         (multiplex.push.empty() ? "" : " to " + join(multiplex.push, url)) + " as " +
         std::to_string(multiplex.transport_stream_id) + "/" + std::to_string(multiplex.original_network_id) +
         " of network " + std::to_string(multiplex.network_id) + (multiplex.lcn ? " with lcn" : "");
}

std::vector<ValueChange> channel_values(const Channel& running, const Channel& wanted) {
  Values values;
  values.note("name", running.name, wanted.name);
  values.note("number", running.number.value_or(0), wanted.number.value_or(0));
  for (ValueChange& value : values.list) {
    if (value.key != "number") continue;
    if (!running.number) value.before.clear();
    if (!wanted.number) value.after.clear();
  }
  values.note("tags", running.tags, wanted.tags);
  values.note("enabled", running.enabled, wanted.enabled);
  input_values(running, wanted, values);
  push_values(running, wanted, values);
  way_values(running, wanted, values);
  watch_values(running, wanted, values);
  hls_values(running, wanted, values);
  output_values(running, wanted, values);
  return std::move(values.list);
}

std::vector<std::string> interrupted_pushes(const Channel& running, const Channel& wanted) {
  std::vector<std::string> pushes;
  for (const Push& before : running.push) {
    if (!before.enabled) continue;
    const Push* after = find_end(wanted.push, before);
    const bool ends = after == nullptr || !after->enabled;
    // The fast path makes a new header, and with it new RTP numbers.
    const bool renumbered = !ends && before.protocol == DatagramProtocol::rtp &&
                            (before.ttl != after->ttl || before.dscp != after->dscp);
    const bool again = !ends && (before.latency != after->latency || before.passphrase != after->passphrase ||
                                 before.passphrase_file.empty() != after->passphrase_file.empty());
    if (ends || renumbered || again) pushes.push_back(short_url(before));
  }
  return pushes;
}

}  // namespace headgate::config

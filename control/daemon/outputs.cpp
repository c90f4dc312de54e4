#include "control/daemon/outputs.h"

#include <fmt/core.h>

#include <algorithm>

#include "control/daemon/foreign.h"

namespace headgate::control {
namespace {

using nlohmann::json;

constexpr std::uint64_t kRateOfMadeAac = 48'000;

// "HOST:1935" where the server takes any address of this machine, else the one it takes.
std::string authority(const std::string& listen) {
  const std::size_t colon = listen.rfind(':');
  const std::string host = listen.substr(0, colon);
  if (host == "[::]" || host == "0.0.0.0") return "HOST" + listen.substr(std::min(colon, listen.size()));
  return listen;
}

template <class Server>
void add_addresses(const std::vector<Server>& servers, const char* form, const std::string& channel,
                   ServedOutput& out) {
  for (const Server& server : servers)
    out.addresses.push_back(fmt::format(fmt::runtime(form), authority(server.listen), channel));
}

void about_srt(const config::Node& node, const config::SrtOptions& srt, const std::string& channel,
               ServedOutput& out) {
  add_addresses(node.srt, "srt://{}?streamid={}", channel, out);
  const bool of_server = std::any_of(node.srt.begin(), node.srt.end(),
                                     [](const auto& server) { return !server.passphrase_file.empty(); });
  const bool none_open = std::all_of(node.srt.begin(), node.srt.end(), [](const auto& server) {
    return config::locked_out(server.passphrase_file, server.passphrase);
  });
  if (!srt.passphrase_file.empty())
    out.passphrase = "channel";
  else if (of_server)
    out.passphrase = "server";
  if (config::locked_out(srt.passphrase_file, srt.passphrase) || none_open)
    out.closed = "its passphrase file can't be read";
}

}  // namespace

std::vector<LeftOut> left_out_of(const json& object) {
  std::vector<LeftOut> tracks;
  for (const json& track : foreign::list(object, "left_out"))
    tracks.push_back({foreign::count(track, "pid").value_or(0), foreign::text(track, "kind"),
                      foreign::text(track, "reason")});
  return tracks;
}

std::vector<ServedOutput> counted_outputs(const config::Channel& channel, const json& bridge_channel) {
  std::vector<ServedOutput> result;
  const json& told = foreign::list(bridge_channel, "outputs");
  for (std::string& protocol : config::served(channel)) {
    ServedOutput out;
    out.protocol = std::move(protocol);
    if (out.protocol == "hls")
      out.sessions = foreign::count(foreign::member(bridge_channel, "hls"), "viewers");
    for (const json& entry : told) {
      if (foreign::text(entry, "protocol") != out.protocol) continue;
      if (const auto sessions = foreign::count(entry, "sessions")) out.sessions = sessions;
      out.bytes = foreign::count(entry, "bytes");
      out.left_out = left_out_of(entry);
    }
    result.push_back(std::move(out));
  }
  return result;
}

std::vector<ServedOutput> served_outputs(const config::Node& node, const config::Channel& channel,
                                         const json& bridge_channel) {
  auto result = counted_outputs(channel, bridge_channel);
  for (ServedOutput& out : result) {
    if (out.protocol == "hls") {
      add_addresses(node.http, "http://{}/{}/index.m3u8", channel.id, out);
    } else if (out.protocol == "http-ts") {
      add_addresses(node.http, "http://{}/{}/stream.ts", channel.id, out);
    } else if (out.protocol == "rtmp") {
      add_addresses(node.rtmp, "rtmp://{}/live/{}", channel.id, out);
      add_addresses(node.rtmps, "rtmps://{}/live/{}", channel.id, out);
    } else {
      about_srt(node, *channel.srt, channel.id, out);
    }
  }
  return result;
}

std::map<std::string, std::string> unreadable_passphrases(const config::Model& model) {
  std::map<std::string, std::string> found;
  const auto look = [&](const std::string& subject, const auto& srt) {
    if (config::locked_out(srt.passphrase_file, srt.passphrase))
      found[subject] = fmt::format("SRT is closed: can't read a passphrase from {}", srt.passphrase_file);
  };
  for (const config::SrtServer& server : model.node.srt) look(server.listen, server);
  for (const config::Channel& channel : model.channels) {
    if (channel.enabled && channel.srt) look(channel.id, *channel.srt);
  }
  return found;
}

std::map<std::string, std::string> unreadable_keys(const config::Model& model) {
  std::map<std::string, std::string> found;
  for (const config::RtmpsServer& server : model.node.rtmps) {
    if (config::closed(server))
      found[server.listen] =
          fmt::format("RTMPS is closed: can't read a certificate and its key from {} and {}",
                      server.certificate_file, server.key_file);
  }
  if (const auto& webhook = model.node.webhook; webhook && config::closed(*webhook))
    found["alarms.webhook"] = "nothing is sent there: can't read its secret from " + webhook->secret_file;
  const auto file_of = [](const auto& end) {
    return config::locked_out(end.passphrase_file, end.passphrase) ? end.passphrase_file : end.key_file;
  };
  for (const config::Channel& channel : model.channels) {
    if (!channel.enabled) continue;
    for (const config::Input& input : channel.inputs) {
      if (config::closed(input))
        found[fmt::format("{} input {}", channel.id, input.number)] =
            fmt::format("{} is closed: can't read its secret from {}", input.url, file_of(input));
    }
    for (const config::Push& push : channel.push) {
      if (push.enabled && config::closed(push))
        found[channel.id + " " + push.url] =
            fmt::format("nothing is sent there: can't read its secret from {}", file_of(push));
    }
  }
  return found;
}

void OutputRates::add(const Key& key, std::uint64_t bytes, std::int64_t now_ns, std::map<Key, Base>& bases,
                      std::map<Key, std::uint64_t>& rates) const {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const auto base = bases_.find(key);
  // A bridge that was started again counts from 0.
  if (base == bases_.end() || bytes < base->second.bytes) {
    bases[key] = {bytes, now_ns};
    return;
  }
  const std::int64_t time = now_ns - base->second.at_ns;
  if (time < kSecond) {
    bases[key] = base->second;
    if (const auto known = rates_.find(key); known != rates_.end()) rates[key] = known->second;
    return;
  }
  const double bits = 8.0 * static_cast<double>(bytes - base->second.bytes);
  rates[key] = static_cast<std::uint64_t>(bits * static_cast<double>(kSecond) / static_cast<double>(time));
  bases[key] = {bytes, now_ns};
}

// As the bridge decides it (dataplane/bridge/transcode/audio_twins.h, wants_twin).
config::SoundSeen sound_seen(const json& bridge_status) {
  using config::Sound;
  config::SoundSeen seen;
  foreign::each_channel(bridge_status, [&](const std::string& id, const json& about) {
    const json& tracks = foreign::list(about, "tracks");
    if (tracks.empty()) return;
    std::vector<Sound>& heard = seen[id];
    for (const json& track : tracks) {
      const std::string kind = foreign::text(track, "kind"), codec = foreign::text(track, "codec");
      if (kind == "aac_adts")
        heard.push_back(codec == "mp4a.40.2" && foreign::count(track, "sample_rate") == kRateOfMadeAac
                            ? Sound::aac
                            : Sound::other_aac);
      else if (kind == "mpeg_audio")
        heard.push_back(codec == "mp4a.40.34" ? Sound::mp3 : Sound::other);
      else if (kind == "ac3" || kind == "eac3")
        heard.push_back(Sound::dolby);
      else if (kind == "aac_latm")
        heard.push_back(Sound::latm);
      else if (kind == "dts")
        heard.push_back(Sound::other);
    }
  });
  return seen;
}

void OutputRates::update(const json& bridge_status, std::int64_t now_ns) {
  std::map<Key, Base> bases;
  std::map<Key, std::uint64_t> rates;
  foreign::each_channel(bridge_status, [&](const std::string& id, const json& channel) {
    const auto add_all = [&](const char* entries, const char* label) {
      for (const json& entry : foreign::list(channel, entries)) {
        if (const auto bytes = foreign::count(entry, "bytes"))
          add({id, foreign::text(entry, label)}, *bytes, now_ns, bases, rates);
      }
    };
    add_all("outputs", "protocol");
    add_all("pushes", "url");
  });
  bases_ = std::move(bases);
  rates_ = std::move(rates);
}

}  // namespace headgate::control

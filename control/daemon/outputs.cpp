#include "control/daemon/outputs.h"

#include <fmt/core.h>

#include <algorithm>

#include "control/daemon/read_json.h"

namespace headgate::control {
namespace {

using nlohmann::json;

void read_left_out(const json& entries, ServedOutput& out) {
  if (!entries.is_array()) return;
  for (const json& entry : entries)
    out.left_out.push_back(
        {count_of(entry, "pid"), text_of(entry, "kind"), text_of(entry, "reason")});
}

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

bool unreadable(const std::string& file, const std::string& passphrase) {
  return !file.empty() && passphrase.empty();
}

void about_srt(const config::Node& node, const config::SrtOptions& srt, const std::string& channel,
               ServedOutput& out) {
  add_addresses(node.srt, "srt://{}?streamid={}", channel, out);
  const bool of_server = std::any_of(node.srt.begin(), node.srt.end(),
                                     [](const auto& server) { return !server.passphrase_file.empty(); });
  const bool none_open = std::all_of(node.srt.begin(), node.srt.end(), [](const auto& server) {
    return unreadable(server.passphrase_file, server.passphrase);
  });
  if (!srt.passphrase_file.empty())
    out.passphrase = "channel";
  else if (of_server)
    out.passphrase = "server";
  if (unreadable(srt.passphrase_file, srt.passphrase) || none_open)
    out.closed = "its passphrase file can't be read";
}

}  // namespace

std::vector<ServedOutput> served_outputs(const config::Node& node, const config::Channel& channel,
                                         const json& bridge_channel) {
  std::vector<ServedOutput> result;
  for (const std::string& protocol : config::served(channel)) {
    ServedOutput out;
    out.protocol = protocol;
    if (protocol == "hls") {
      add_addresses(node.http, "http://{}/{}/index.m3u8", channel.id, out);
      out.sessions = counter_of(member(bridge_channel, "hls"), "viewers");
    } else if (protocol == "http-ts") {
      add_addresses(node.http, "http://{}/{}/stream.ts", channel.id, out);
    } else if (protocol == "rtmp") {
      add_addresses(node.rtmp, "rtmp://{}/live/{}", channel.id, out);
      add_addresses(node.rtmps, "rtmps://{}/live/{}", channel.id, out);
    } else {
      about_srt(node, *channel.srt, channel.id, out);
    }
    for (const json& entry : list(bridge_channel, "outputs")) {
      if (text_of(entry, "protocol") != protocol) continue;
      if (const auto sessions = counter_of(entry, "sessions")) out.sessions = sessions;
      out.bytes = counter_of(entry, "bytes");
      read_left_out(member(entry, "left_out"), out);
    }
    result.push_back(std::move(out));
  }
  return result;
}

std::map<std::string, std::string> unreadable_passphrases(const config::Model& model) {
  std::map<std::string, std::string> found;
  const auto look = [&](const std::string& subject, const auto& srt) {
    if (unreadable(srt.passphrase_file, srt.passphrase))
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

void OutputRates::update(const json& bridge_status, std::int64_t now_ns) {
  std::map<Key, Base> bases;
  std::map<Key, std::uint64_t> rates;
  for (const auto& [id, channel] : member(bridge_status, "channels").items()) {
    for (const json& output : list(channel, "outputs")) {
      if (const auto bytes = counter_of(output, "bytes"))
        add({id, text_of(output, "protocol")}, *bytes, now_ns, bases, rates);
    }
    for (const json& push : list(channel, "pushes")) {
      if (const auto bytes = counter_of(push, "bytes"))
        add({id, text_of(push, "url")}, *bytes, now_ns, bases, rates);
    }
  }
  bases_ = std::move(bases);
  rates_ = std::move(rates);
}

}  // namespace headgate::control

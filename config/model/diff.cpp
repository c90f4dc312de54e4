#include "config/model/diff.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "config/model/diff_values.h"

namespace headgate::config {
namespace {

// That all comes later, once.
constexpr std::chrono::milliseconds kPlayersBear{1000};

template <class T, class GetName>
std::map<std::string, const T*> by_name(const std::vector<T>& items, GetName name) {
  std::map<std::string, const T*> out;
  for (const T& item : items) out.emplace(name(item), &item);
  return out;
}

std::vector<Input> without_program(std::vector<Input> inputs) {
  for (Input& input : inputs) input.program.reset();
  return inputs;
}

// Those that may be on air; `on_air`: 0 where nobody knows.
template <class Test>
bool all_on_air(const Channel& running, std::uint32_t on_air, Test test) {
  return std::all_of(running.inputs.begin(), running.inputs.end(), [&](const Input& input) {
    return (on_air != 0 && input.number != on_air) || test(input);
  });
}

// What a buffer may hold depends on the rate.
bool same_buffer(const Channel& running, const Channel& wanted, const Input& input) {
  const auto paced = [&](const Channel& channel) {
    const auto buffer = buffer_of(channel, input);
    return std::pair(buffer, buffer.count() == 0 ? 0 : channel.remux.bitrate);
  };
  return paced(running) == paced(wanted);
}

// An input is the same with the same buffer alone, whose content would be lost. From one without a buffer
// nothing is lost, but all comes later: players bear a moment.
bool goes_on(const Channel& running, const Channel& wanted, std::uint32_t on_air) {
  return all_on_air(running, on_air, [&](const Input& input) {
    return std::find(wanted.inputs.begin(), wanted.inputs.end(), input) != wanted.inputs.end() &&
           (same_buffer(running, wanted, input) ||
            (buffer_of(running, input).count() == 0 && buffer_of(wanted, input) <= kPlayersBear));
  });
}

// The program_number of what is made here out of RTMP; 1 where the map gives none.
bool another_service(const Channel& running, const Channel& wanted) {
  return running.remux.service_id.value_or(1) != wanted.remux.service_id.value_or(1) &&
         std::any_of(running.inputs.begin(), running.inputs.end(),
                     [](const Input& input) { return by_bridge(input); });
}

// What a receiver of the multicast would take for another service. Its texts come with another version of the
// SDT alone.
bool another_map(const Channel& running, const Channel& wanted) {
  const auto map = [](const Channel& channel) {
    const Remux& remux = channel.remux;
    const bool rewrites = rewrites_service(channel);
    return std::tuple(rewrites, rewrites ? remux.service_id : std::nullopt,
                      remux.ca.value_or(CaHandling::ecm), remux.pids);
  };
  return map(running) != map(wanted);
}

bool sends(const Channel& channel) {
  return channel.enabled && std::any_of(channel.push.begin(), channel.push.end(),
                                        [](const Push& push) { return push.enabled && !by_bridge(push); });
}

// Their connections stay; what they carry breaks.
void add_bridge_pushes(const Channel& running, bool rtmp_alone, std::vector<std::string>& pushes) {
  for (const Push& push : running.push) {
    if (rtmp_alone && push.kind != PushKind::rtmp) continue;
    if (push.enabled && by_bridge(push) && std::find(pushes.begin(), pushes.end(), push.url) == pushes.end())
      pushes.push_back(push.url);
  }
}

bool made_of(Sound sound, AudioTranscode word) {
  if (word == AudioTranscode::never || sound == Sound::aac) return false;
  return word == AudioTranscode::always || (sound != Sound::other_aac && sound != Sound::mp3);
}

// Whose sound changes with another word of audio.transcode, as AAC comes or goes. HLS has it in a group
// beside; RTMP in place of what it could carry itself.
struct SoundChange {
  bool hls = false;
  bool rtmp = false;
};

SoundChange sound_change(const Channel& running, const Channel& wanted, const std::vector<Sound>* heard) {
  const std::vector<Sound> may_be{Sound::other_aac, Sound::dolby};
  SoundChange change;
  for (const Sound sound : heard == nullptr ? may_be : *heard) {
    const bool before = made_of(sound, running.audio.transcode),
               after = made_of(sound, wanted.audio.transcode);
    if (before == after) continue;
    change.hls = true;
    change.rtmp |= sound != Sound::latm && (before || sound != Sound::other);
  }
  return change;
}

// The bridge can narrow or widen a window between two segments, but a new segment length begins a new
// timeline.
bool breaks_hls(const Channel& running, const Channel& wanted) {
  return !wanted.hls || wanted.hls->segment != running.hls->segment;
}

// A passphrase is asked for when a player connects: those that hold the former one must come again.
bool breaks_srt(const Channel& running, const Channel& wanted) {
  return !wanted.srt || wanted.srt->passphrase != running.srt->passphrase ||
         wanted.srt->passphrase_file.empty() != running.srt->passphrase_file.empty();
}

std::vector<std::string> interrupted_viewers(const Channel& running, const Channel& wanted, bool media,
                                             SoundChange sound) {
  std::vector<std::string> out;
  if (!running.enabled) return out;
  const auto note = [&](const char* protocol, bool served, bool breaks) {
    if (served && (media || breaks)) out.emplace_back(protocol);
  };
  note("hls", running.hls.has_value(), running.hls && (breaks_hls(running, wanted) || sound.hls));
  note("http-ts", running.http_ts, !wanted.http_ts);
  note("rtmp", running.rtmp, !wanted.rtmp || sound.rtmp);
  note("srt", running.srt.has_value(), running.srt && breaks_srt(running, wanted));
  return out;
}

ChannelChange compare(const Channel& running, const Channel& wanted, std::uint32_t on_air,
                      const std::vector<Sound>* heard) {
  ChannelChange out;
  out.id = running.id;
  const auto note = [&out](bool changed, const char* key) {
    if (changed) out.keys.emplace_back(key);
  };
  note(running.name != wanted.name, "name");
  note(running.number != wanted.number, "number");
  note(running.tags != wanted.tags, "tags");
  note(running.enabled != wanted.enabled, "enabled");
  const bool same_flows = without_program(running.inputs) == without_program(wanted.inputs);
  note(!same_flows, "inputs");
  note(same_flows && running.inputs != wanted.inputs, "program");
  note(running.failover != wanted.failover, "failover");
  note(running.remux != wanted.remux, "remux");
  note(running.audio != wanted.audio, "audio");
  note(running.watch != wanted.watch, "watch");
  note(running.alarms != wanted.alarms, "alarms");
  note(running.push != wanted.push, "push");
  note(running.hls != wanted.hls, "serve.hls");
  note(running.http_ts != wanted.http_ts, "serve.http-ts");
  note(running.rtmp != wanted.rtmp, "serve.rtmp");
  note(running.srt != wanted.srt, "serve.srt");
  out.values = channel_values(running, wanted);
  if (running.enabled && wanted.enabled) out.interrupts_pushes = interrupted_pushes(running, wanted);
  const bool media = !wanted.enabled || !goes_on(running, wanted, on_air) ||
                     another_service(running, wanted) || another_map(running, wanted);
  const bool later =
      !all_on_air(running, on_air, [&](const Input& input) { return same_buffer(running, wanted, input); });
  // The grid of another rate begins anew, whatever comes into it.
  out.interrupts_media = sends(running) && (media || later || running.remux.bitrate != wanted.remux.bitrate);
  const SoundChange sound = sound_change(running, wanted, heard);
  if (running.enabled && (media || sound.rtmp)) add_bridge_pushes(running, !media, out.interrupts_pushes);
  out.interrupts_viewers = interrupted_viewers(running, wanted, media, sound);
  out.interrupts_hls = std::count(out.interrupts_viewers.begin(), out.interrupts_viewers.end(), "hls") != 0;
  return out;
}

// Players read the list of members once: one that comes is for those who come after it.
bool loses_member(const Rendition& running, const Rendition& wanted) {
  return std::any_of(running.members.begin(), running.members.end(), [&](const RenditionMember& member) {
    return std::find(wanted.members.begin(), wanted.members.end(), member) == wanted.members.end();
  });
}

void compare_renditions(const Model& running, const Model& wanted, Plan& plan) {
  const auto id = [](const Rendition& rendition) { return rendition.id; };
  const auto before = by_name(running.renditions, id);
  const auto after = by_name(wanted.renditions, id);
  for (const Rendition& rendition : wanted.renditions) {
    const auto known = before.find(rendition.id);
    if (known == before.end())
      plan.renditions.push_back({rendition.id, "", in_words(rendition), false});
    else if (*known->second != rendition)
      plan.renditions.push_back({rendition.id, in_words(*known->second), in_words(rendition),
                                 loses_member(*known->second, rendition)});
  }
  for (const Rendition& rendition : running.renditions) {
    if (after.find(rendition.id) == after.end())
      plan.renditions.push_back({rendition.id, in_words(rendition), "", true});
  }
}

bool begins_anew(const Multiplex& running, const Multiplex& wanted) {
  Multiplex same = wanted;
  same.channels = running.channels;
  same.push = running.push;
  if (same != running) return true;
  return std::any_of(running.push.begin(), running.push.end(), [&](const Push& push) {
    return push.enabled && std::find(wanted.push.begin(), wanted.push.end(), push) == wanted.push.end();
  });
}

void compare_multiplexes(const Model& running, const Model& wanted, Plan& plan) {
  const auto id = [](const Multiplex& multiplex) { return multiplex.id; };
  const auto before = by_name(running.multiplexes, id);
  const auto after = by_name(wanted.multiplexes, id);
  for (const Multiplex& multiplex : wanted.multiplexes) {
    const auto known = before.find(multiplex.id);
    if (known == before.end())
      plan.multiplexes.push_back({multiplex.id, "", in_words(multiplex), false});
    else if (*known->second != multiplex)
      plan.multiplexes.push_back({multiplex.id, in_words(*known->second), in_words(multiplex),
                                  begins_anew(*known->second, multiplex)});
  }
  for (const Multiplex& multiplex : running.multiplexes) {
    if (after.find(multiplex.id) == after.end())
      plan.multiplexes.push_back({multiplex.id, in_words(multiplex), "", true});
  }
}

class NodeDiff {
 public:
  NodeDiff(const Node& running, const Node& wanted, Plan& plan)
      : running_(running), wanted_(wanted), plan_(plan) {}

  void run() {
    refuse("node", running_.node, wanted_.node);
    refuse("run_dir", running_.run_dir, wanted_.run_dir);
    refuse("data_dir", running_.data_dir, wanted_.data_dir);
    note("log.level", running_.log_level, wanted_.log_level);
    note("log.format", running_.log_format, wanted_.log_format);
    interfaces();
    const Fastpath& before = running_.fastpath;
    const Fastpath& after = wanted_.fastpath;
    restart("fastpath.workers", before.workers, after.workers);
    restart("fastpath.cores", before.cores, after.cores);
    restart("fastpath.hugepages", before.hugepages, after.hugepages);
    restart("fastpath.idle", before.idle, after.idle);
    note("servers.http", running_.http, wanted_.http);
    note("servers.rtmp", running_.rtmp, wanted_.rtmp);
    note("servers.rtmps", running_.rtmps, wanted_.rtmps);
    note("servers.srt", running_.srt, wanted_.srt);
    listeners("servers.http", running_.http, wanted_.http, {"hls", "http-ts"});
    listeners("servers.rtmp", running_.rtmp, wanted_.rtmp, {"rtmp"});
    listeners("servers.rtmps", running_.rtmps, wanted_.rtmps, {"rtmp"});
    listeners("servers.srt", running_.srt, wanted_.srt, {"srt"});
    note("servers.admin", running_.admin, wanted_.admin);
    note("alarms.webhook", running_.webhook, wanted_.webhook);
  }

 private:
  void add(const std::string& key, const std::string& before, const std::string& after) {
    plan_.node_keys.push_back(key);
    plan_.node_values.push_back({key, before, after});
  }
  template <class T>
  bool note(const std::string& key, const T& before, const T& after) {
    if (before == after) return false;
    const bool same_words = in_words(before) == in_words(after);
    add(key, in_words(before), same_words ? "other secrets" : in_words(after));
    return true;
  }
  template <class T>
  void refuse(const std::string& key, const T& before, const T& after) {
    if (note(key, before, after)) plan_.refused.push_back(key);
  }
  template <class Server>
  void listeners(const char* key, const std::vector<Server>& before, const std::vector<Server>& after,
                 const std::vector<std::string>& protocols) {
    std::vector<std::string> open;
    for (const Server& server : after) open.push_back(server.listen);
    for (const Server& server : before) {
      const auto kept = std::find_if(after.begin(), after.end(),
                                     [&](const Server& other) { return other.listen == server.listen; });
      const bool closes = kept == after.end();
      bool passphrase = false;
      if constexpr (std::is_same_v<Server, SrtServer>)
        passphrase = !closes && kept->passphrase != server.passphrase;
      if (closes || passphrase) plan_.listeners.push_back({key, server.listen, closes, protocols, open});
    }
  }
  void needs_restart() {
    if (plan_.restarts.empty()) plan_.restarts.emplace_back("fastpath");
  }
  template <class T>
  void restart(const std::string& key, const T& before, const T& after) {
    if (note(key, before, after)) needs_restart();
  }
  void come_or_go(const std::string& key, const std::string& before, const std::string& after) {
    add(key, before, after);
    needs_restart();
  }

  void interfaces() {
    const auto name = [](const Interface& interface) { return interface.name; };
    const auto before = by_name(running_.interfaces, name);
    const auto after = by_name(wanted_.interfaces, name);
    for (const auto& [key, interface] : before) {
      if (after.find(key) == after.end()) come_or_go("interfaces." + key, interface->device, "");
    }
    for (const auto& [key, interface] : after) {
      const auto known = before.find(key);
      if (known == before.end()) {
        come_or_go("interfaces." + key, "", interface->device);
      } else {
        compare_interfaces(*known->second, *interface, "interfaces." + key);
      }
    }
  }

  void compare_interfaces(const Interface& before, const Interface& after, const std::string& prefix) {
    restart(prefix + ".device", before.device, after.device);
    restart(prefix + ".address", before.addresses, after.addresses);
    // Inputs and pushes carry the interface they use: which one is the default changes nothing else.
    note(prefix + ".default", before.is_default, after.is_default);
    restart(prefix + ".mtu", before.mtu, after.mtu);
    restart(prefix + ".igmp", before.igmp, after.igmp);
    const auto name = [](const Vlan& vlan) { return std::to_string(vlan.id); };
    const auto vlans = by_name(before.vlans, name);
    const auto wanted = by_name(after.vlans, name);
    const auto path = [&](const std::string& id) { return prefix + ".vlans." + id; };
    for (const auto& [id, vlan] : vlans) {
      if (wanted.find(id) == wanted.end()) come_or_go(path(id), "VLAN " + id, "");
    }
    for (const auto& [id, vlan] : wanted) {
      const auto known = vlans.find(id);
      if (known == vlans.end()) {
        come_or_go(path(id), "", "VLAN " + id);
      } else {
        restart(path(id) + ".address", known->second->addresses, vlan->addresses);
      }
    }
  }

  const Node& running_;
  const Node& wanted_;
  Plan& plan_;
};

}  // namespace

Plan diff(const Model& running, const Model& wanted, const OnAir& on_air, const SoundSeen& sound) {
  Plan plan;
  const auto id = [](const Channel& channel) { return channel.id; };
  const auto before = by_name(running.channels, id);
  const auto after = by_name(wanted.channels, id);
  for (const Channel& channel : wanted.channels) {
    const auto known = before.find(channel.id);
    if (known == before.end()) {
      plan.added.push_back(channel.id);
    } else if (*known->second == channel) {
      plan.untouched.push_back(channel.id);
    } else {
      const auto air = on_air.find(channel.id);
      const auto heard = sound.find(channel.id);
      plan.changed.push_back(compare(*known->second, channel, air == on_air.end() ? 0 : air->second,
                                     heard == sound.end() ? nullptr : &heard->second));
    }
  }
  for (const Channel& channel : running.channels) {
    if (after.find(channel.id) == after.end()) plan.removed.push_back(channel.id);
  }
  compare_renditions(running, wanted, plan);
  compare_multiplexes(running, wanted, plan);
  NodeDiff(running.node, wanted.node, plan).run();
  return plan;
}

}  // namespace headgate::config

// Names to interfaces and addresses, and the checks that need both files.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "config/load/draft.h"

namespace headgate::config {
namespace {

// What the fast path's statistics page has room for (control/protocol/stats_page.h).
constexpr std::size_t kMaxPushes = 4096;
constexpr std::size_t kMaxAllInputs = 2048;
constexpr std::size_t kMaxInterfaces = 16;
constexpr std::size_t kMaxNetworks = 64;

class Resolver {
 public:
  Resolver(Report& report, const NodeDraft& node, const MapDraft& map, Model& model)
      : report_(report), node_(node), map_(map), model_(model), bridge_ends_(report, node) {}

  void run() {
    check_interfaces();
    check_listeners();
    model_.node = node_.node;
    for (const auto& core : node_.cores) model_.node.fastpath.cores.push_back(core.value);
    for (const auto& draft : node_.interfaces) model_.node.interfaces.push_back(draft.interface);
    for (const auto& server : node_.http) model_.node.http.push_back({server.listen.value});
    for (const auto& server : node_.rtmp) model_.node.rtmp.push_back({server.listen.value});
    for (const auto& server : node_.rtmps) {
      model_.node.rtmps.push_back({server.listen.value, server.certificate.path, server.key.path,
                                   server.certificate.text, server.key.text});
    }
    for (const auto& server : node_.srt) {
      model_.node.srt.push_back(
          {server.listen.value, server.latency, server.passphrase.path, server.passphrase.text});
    }
    for (const ChannelDraft& channel : map_.channels) add(channel);
    resolve_renditions(report_, map_.renditions, ids_, model_);
    resolve_multiplexes(report_, map_.multiplexes, map_.channels, ids_, model_);
    for (std::size_t i = 0; i < map_.multiplexes.size(); ++i)
      add_pushes(map_.multiplexes[i], model_.multiplexes[i]);
    check_loops();
  }

 private:
  // Interface, VLAN, group, port.
  using Flow = std::tuple<std::string, std::uint16_t, std::string, std::uint16_t>;
  struct Use {
    std::string channel;
    Place place;
    const char* kind = "channel";
  };
  struct SpokenBy {
    DatagramProtocol protocol;
    Use use;
  };

  void check_interfaces() {
    std::map<std::string, Place> devices, addresses;
    std::size_t networks = 0;
    const InterfaceDraft* chosen = nullptr;
    for (const InterfaceDraft& draft : node_.interfaces) {
      networks += 1 + draft.interface.vlans.size();
      const auto device = devices.emplace(draft.device.value, draft.device.place);
      if (draft.device.set && !device.second) {
        report_.error(draft.device.place,
                      fmt::format("device {} belongs to another interface already ({})", draft.device.value,
                                  report_.where(device.first->second)));
      }
      for (const auto& address : draft.addresses) {
        const std::string host = address.value.substr(0, address.value.find('/'));
        const auto known = addresses.emplace(host, address.place);
        if (!known.second) {
          report_.error(address.place, fmt::format("address {} is in use already ({})", host,
                                                   report_.where(known.first->second)));
        }
      }
      if (draft.interface.is_default && chosen != nullptr) {
        report_.error(draft.place, fmt::format("'{}' and '{}' can't both be the default interface",
                                               chosen->interface.name, draft.interface.name));
      } else if (draft.interface.is_default) {
        chosen = &draft;
      }
      // RTP: 20 bytes IPv4, 8 UDP, 12 RTP, 7 packets of 188.
      if (draft.interface.mtu < 1356) {
        report_.warning(draft.mtu_place,
                        fmt::format("an mtu of {} does not hold 7 TS packets in UDP (1344 bytes) or RTP "
                                    "(1356): such datagrams are dropped",
                                    draft.interface.mtu));
      }
    }
    if (node_.interfaces.size() > kMaxInterfaces) {
      report_.error(node_.interfaces[kMaxInterfaces].place,
                    fmt::format("more than {} interfaces", kMaxInterfaces));
    } else if (networks > kMaxNetworks) {
      report_.error(node_.interfaces.back().place,
                    fmt::format("more than {} interfaces and VLANs", kMaxNetworks));
    }
    std::set<std::uint32_t> cores;
    for (const auto& core : node_.cores) {
      if (!cores.insert(core.value).second)
        report_.error(core.place, fmt::format("core {} stands here twice", core.value));
    }
    if (cores.size() > node_.node.fastpath.workers) {
      report_.error(node_.cores.back().place, fmt::format("cores names {} cores for {} worker: one a worker",
                                                          cores.size(), node_.node.fastpath.workers));
    }
  }

  void check_listeners() {
    std::vector<const Located<std::string>*> known;  // of TCP, then of UDP
    const auto check = [&](const Located<std::string>& listen) {
      if (!listen.set) return;
      for (const auto* other : known) {
        if (!same_socket(other->value, listen.value)) continue;
        report_.error(listen.place, fmt::format("port {} is taken by another server already ({})",
                                                listen.value.substr(listen.value.rfind(':') + 1),
                                                report_.where(other->place)));
        return;
      }
      known.push_back(&listen);
    };
    for (const HttpDraft& server : node_.http) check(server.listen);
    for (const RtmpDraft& server : node_.rtmp) check(server.listen);
    for (const RtmpsDraft& server : node_.rtmps) check(server.listen);
    if (node_.admin) check(node_.admin->listen);
    known.clear();
    for (const SrtDraft& server : node_.srt) check(server.listen);
  }

  std::vector<std::string> interface_names() const {
    std::vector<std::string> names;
    for (const auto& draft : node_.interfaces) names.push_back(draft.interface.name);
    return names;
  }

  static std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
    return out;
  }

  const Interface* default_interface() const {
    if (node_.interfaces.size() == 1) return &node_.interfaces[0].interface;
    for (const auto& draft : node_.interfaces) {
      if (draft.interface.is_default) return &draft.interface;
    }
    return nullptr;
  }

  const Interface* find_interface(const EndDraft& end) {
    const std::vector<std::string> names = interface_names();
    if (names.empty()) {
      if (!no_interface_said_)
        report_.error(end.place, "the node file has no interface for this: add one under 'interfaces'");
      no_interface_said_ = true;
      return nullptr;
    }
    if (!end.interface.set) {
      const Interface* chosen = default_interface();
      if (chosen == nullptr) {
        report_.error(end.place,
                      fmt::format("which interface? Name one ({}), or set default: true on one in the node "
                                  "file",
                                  joined(names)));
      }
      return chosen;
    }
    for (const auto& draft : node_.interfaces) {
      if (draft.interface.name == end.interface.value) return &draft.interface;
    }
    report_.error(end.interface.place,
                  fmt::format("unknown interface '{}'{}: the node file has {}", end.interface.value,
                              suggestion(end.interface.value, names), joined(names)));
    return nullptr;
  }

  // The addresses of the end's network, or null where the VLAN is unknown.
  const std::vector<std::string>* find_addresses(const EndDraft& end, const Interface& interface) {
    if (!end.vlan.set) return &interface.addresses;
    std::vector<std::string> ids;
    for (const Vlan& vlan : interface.vlans) {
      if (vlan.id == end.vlan.value) return &vlan.addresses;
      ids.push_back(std::to_string(vlan.id));
    }
    const std::string wanted = std::to_string(end.vlan.value);
    report_.error(
        end.vlan.place,
        fmt::format("unknown VLAN {}{}: {}", wanted, suggestion(wanted, ids),
                    ids.empty() ? fmt::format("interface '{}' has no VLANs", interface.name)
                                : fmt::format("interface '{}' has {}", interface.name, joined(ids))));
    return nullptr;
  }

  static std::string host_of(const std::string& prefix) { return prefix.substr(0, prefix.find('/')); }

  // "?interface=cap1&vlan=130" where the default network is not meant: URLs stay distinct.
  std::string network_query(const Interface& interface, std::uint16_t vlan) const {
    std::string out;
    if (default_interface() != &interface) out += "?interface=" + interface.name;
    if (vlan != 0) out += fmt::format("{}vlan={}", out.empty() ? '?' : '&', vlan);
    return out;
  }

  static const char* scheme(DatagramProtocol protocol) {
    return protocol == DatagramProtocol::rtp ? "rtp" : "udp";
  }

  void add_input(const ChannelDraft& channel, const EndDraft& end, std::uint32_t number, Channel& out) {
    const Interface* interface = find_interface(end);
    const auto* addresses = interface != nullptr ? find_addresses(end, *interface) : nullptr;
    if (addresses == nullptr || end.port == 0) return;
    Input input;
    input.number = number;
    input.protocol = end.protocol;
    input.interface = interface->name;
    input.vlan = end.vlan.value;
    input.port = end.port;
    input.program = end.program ? end.program : channel.program;
    if (end.source) input.source = format_ipv4(*end.source);
    if (end.group) input.group = format_ipv4(*end.group);
    const bool multicast = end.group && is_multicast(*end.group);
    if (!end.group && addresses->empty()) {
      report_.error(
          end.place,
          fmt::format("unicast needs an address on interface '{}'{}: set 'address' in the node file",
                      interface->name, vlan_text(end)));
      return;
    }
    if (!end.group) input.group = host_of(addresses->front());
    const bool own = std::any_of(addresses->begin(), addresses->end(),
                                 [&](const std::string& address) { return host_of(address) == input.group; });
    if (!multicast && !own) {
      report_.error(end.place,
                    fmt::format("{} is neither a multicast group nor an address of interface '{}'{}",
                                input.group, interface->name, vlan_text(end)));
      return;
    }
    // RFC 4607 clause 1: 232/8 is for source-specific multicast.
    if (multicast && (*end.group >> 24) == 232 && !end.source) {
      report_.warning(end.place,
                      fmt::format("{} is for source-specific multicast: name the source, {}://SOURCE@{}:{}",
                                  input.group, scheme(end.protocol), input.group, end.port));
    }
    input.url = fmt::format("{}://{}{}{}:{}{}", scheme(input.protocol), input.source,
                            input.source.empty() ? "" : "@", multicast || end.group ? input.group : "",
                            input.port, network_query(*interface, input.vlan));
    if (channel.enabled) {
      const Flow flow{input.interface, input.vlan, input.group, input.port};
      warn_of_shared(flow, input, {channel.id, end.place});
      taken_[flow] = {channel.id, end.place};
      check_protocol(flow, input, {channel.id, end.place});
      check_twice(out, input, end);
    }
    out.inputs.push_back(std::move(input));
  }

  // The commonest slip of copy and paste. With a program each, both may be meant.
  void warn_of_shared(const Flow& flow, const Input& input, const Use& use) {
    const auto [known, fresh] =
        readers_[flow].try_emplace(input.source, Reader{use, input.program.has_value()});
    if (fresh || known->second.use.channel == use.channel) return;
    if (known->second.picks && input.program) return;
    report_.warning(
        use.place,
        fmt::format("channel '{}' takes {}{}{}:{} too ({}): both carry the same, unless each says by "
                    "program which service it means",
                    known->second.use.channel, input.source, input.source.empty() ? "" : "@", input.group,
                    input.port, report_.where(known->second.use.place)));
  }

  // The fast path reads each flow in one way. Two sources of a group may speak differently; who takes the
  // group from any source meets them all.
  void check_protocol(const Flow& flow, const Input& input, const Use& use) {
    auto& protocols = protocols_[flow];
    for (const auto& [source, known] : protocols) {
      const bool meets = source == input.source || source.empty() || input.source.empty();
      if (!meets || known.protocol == input.protocol) continue;
      report_.error(use.place,
                    fmt::format("{}:{} on interface '{}' can't be {} here and {} in channel '{}' ({}): one "
                                "flow is either, write what its sender sends",
                                input.group, input.port, input.interface, scheme(input.protocol),
                                scheme(known.protocol), known.use.channel, report_.where(known.use.place)));
      return;
    }
    protocols.try_emplace(input.source, SpokenBy{input.protocol, use});
  }

  // An input that is there twice is no backup.
  void check_twice(const Channel& channel, const Input& input, const EndDraft& end) {
    const auto same = std::find_if(channel.inputs.begin(), channel.inputs.end(), [&](const Input& other) {
      return other.url == input.url && other.program == input.program;
    });
    if (same == channel.inputs.end()) return;
    report_.error(end.place,
                  fmt::format("this is input {} of channel '{}' already: a backup comes from elsewhere",
                              same->number, channel.id));
  }

  static std::string vlan_text(const EndDraft& end) {
    return end.vlan.set ? fmt::format(" VLAN {}", end.vlan.value) : std::string();
  }

  // `user`: whose push it is, and where it stands; `used`: it sends.
  void add_push(const Use& user, bool used, const EndDraft& end, std::vector<Push>& out) {
    const Interface* interface = find_interface(end);
    const auto* addresses = interface != nullptr ? find_addresses(end, *interface) : nullptr;
    if (addresses == nullptr || end.port == 0 || !end.group) return;
    if (addresses->empty()) {
      report_.error(end.place,
                    fmt::format("a push leaves from its interface's address, and '{}'{} has none: set "
                                "'address' in the node file",
                                interface->name, vlan_text(end)));
      return;
    }
    Push push;
    push.protocol = end.protocol;
    push.interface = interface->name;
    push.vlan = end.vlan.value;
    push.group = format_ipv4(*end.group);
    push.port = end.port;
    push.ttl = end.ttl;
    push.dscp = end.dscp;
    push.enabled = end.enabled;
    push.url = fmt::format("{}://{}:{}{}", scheme(push.protocol), push.group, push.port,
                           network_query(*interface, push.vlan));
    if (used && push.enabled) {
      const auto [known, fresh] = sent_.emplace(Flow{push.interface, push.vlan, push.group, push.port}, user);
      if (!fresh) {
        report_.error(end.place,
                      fmt::format("two pushes to {}:{} on interface '{}': {} '{}' sends there already ({})",
                                  push.group, push.port, push.interface, known->second.kind,
                                  known->second.channel, report_.where(known->second.place)));
      }
    }
    out.push_back(std::move(push));
  }

  void add_pushes(const MultiplexDraft& draft, Multiplex& out) {
    for (const EndDraft& end : draft.push) {
      if (said_already(end)) continue;
      if (end.kind != InputKind::datagrams) {
        report_.error(end.place, "a multiplex is sent by udp:// and rtp:// alone");
        continue;
      }
      add_push({draft.id, end.place, "multiplex"}, true, end, out.push);
    }
    pushes_ += out.push.size();
    if (pushes_ > kMaxPushes)
      report_.error(draft.place, fmt::format("more than {} pushes in all", kMaxPushes));
  }

  // An end without a protocol that is served.
  static bool said_already(const EndDraft& end) {
    return end.scheme.empty() && end.kind != InputKind::publish;
  }

  void add(const ChannelDraft& draft) {
    const auto [known, fresh] = ids_.emplace(draft.id, draft.place);
    if (!fresh) {
      report_.error(draft.place, fmt::format("duplicate channel '{}': it stands in {} already",
                                             shown(draft.id), report_.where(known->second)));
      return;
    }
    if (ids_.size() == kMaxChannels + 1)
      report_.error(draft.place, fmt::format("more than {} channels", kMaxChannels));
    Channel channel;
    channel.id = draft.id;
    channel.name = draft.name.set ? draft.name.value : draft.id;
    if (draft.number.set) {
      channel.number = draft.number.value;
      const auto [same, first] = numbers_.emplace(draft.number.value, draft.id);
      if (!first) {
        report_.warning(draft.number.place,
                        fmt::format("channel '{}' has the number {} too", same->second, draft.number.value));
      }
    }
    channel.tags = draft.tags;
    channel.enabled = draft.enabled;
    for (const EndDraft& end : draft.inputs) {
      const auto number = static_cast<std::uint32_t>(channel.inputs.size()) + 1;
      if (said_already(end)) continue;
      if (end.kind == InputKind::datagrams) {
        add_input(draft, end, number, channel);
      } else {
        bridge_ends_.add_input(draft, end, number, channel);
      }
    }
    for (const EndDraft& end : draft.push) {
      if (said_already(end)) continue;
      if (end.kind == InputKind::datagrams) {
        add_push({draft.id, end.place}, draft.enabled, end, channel.push);
      } else {
        bridge_ends_.add_push(draft, end, channel);
      }
    }
    check_counts(draft, channel);
    channel.failover = draft.failover.failover;
    channel.audio = draft.audio.audio;
    channel.watch = draft.watch.watch;
    channel.alarms = draft.alarms.alarms;
    add_remux(report_, draft.remux, channel);
    add_serve(draft.serve, channel);
    check_watched(draft.failover, channel);
    model_.channels.push_back(std::move(channel));
  }

  // What the fast path's page has room for.
  void check_counts(const ChannelDraft& draft, const Channel& channel) {
    const auto count = [&](std::size_t& all, std::size_t more, std::size_t most, const char* what) {
      if (all <= most && all + more > most)
        report_.error(draft.place, fmt::format("more than {} {} in all", most, what));
      all += more;
    };
    count(pushes_, channel.push.size(), kMaxPushes, "pushes");
    count(inputs_, channel.inputs.size(), kMaxAllInputs, "inputs");
  }

  // A trouble that nobody would see.
  void check_watched(const FailoverDraft& failover, const Channel& channel) {
    struct Watcher {
      Trouble trouble;
      Watching watching;
      const char* key;
      std::chrono::milliseconds alarm;
    };
    const Watcher watchers[] = {{Trouble::frozen, channel.watch.pictures, "pictures", channel.alarms.frozen},
                                {Trouble::black, channel.watch.pictures, "pictures", channel.alarms.black},
                                {Trouble::silence, channel.watch.sound, "sound", channel.alarms.silence}};
    for (std::size_t i = 0; i < failover.when.size(); ++i) {
      for (const Watcher& watcher : watchers) {
        if (failover.failover.when[i] != watcher.trouble) continue;
        const char* name = kTroubleNames[static_cast<std::size_t>(watcher.trouble)];
        if (watcher.watching == Watching::never) {
          report_.error(
              failover.when[i],
              fmt::format("when: nobody would see {} in channel '{}': watch.{} is never, write auto", name,
                          channel.id, watcher.key));
        } else if (watcher.alarm.count() == 0) {
          report_.error(
              failover.when[i],
              fmt::format("when: {} of channel '{}' would never come: alarms.{} is never, give it a "
                          "time",
                          name, channel.id, name));
        }
      }
    }
  }

  void add_serve(const ServeDraft& serve, Channel& channel) {
    const auto need = [this](Place place, bool there, const char* protocol, const char* server,
                             const char* key) {
      if (there) return;
      report_.error(place, fmt::format("{} needs an {} server: add servers.{} to the node file", protocol,
                                       server, key));
    };
    if (serve.hls) {
      need(serve.hls->place, !node_.http.empty(), "hls", "HTTP", "http");
      channel.hls = serve.hls->options;
    }
    if (serve.http_ts) {
      need(serve.http_ts->place, !node_.http.empty(), "http-ts", "HTTP", "http");
      channel.http_ts = true;
    }
    if (serve.rtmp) {
      need(serve.rtmp->place, !node_.rtmp.empty() || !node_.rtmps.empty(), "rtmp", "RTMP", "rtmp");
      channel.rtmp = true;
    }
    if (serve.srt) {
      need(serve.srt->place, !node_.srt.empty(), "srt", "SRT", "srt");
      channel.srt = SrtOptions{serve.srt->passphrase.path, serve.srt->passphrase.text};
    }
  }

  void check_loops() {
    for (const auto& [flow, push] : sent_) {
      const auto input = taken_.find(flow);
      if (input == taken_.end()) continue;
      report_.error(push.place, fmt::format("loop: channel '{}' takes in {}:{} on interface '{}' ({})",
                                            input->second.channel, std::get<2>(flow), std::get<3>(flow),
                                            std::get<0>(flow), report_.where(input->second.place)));
    }
  }

  Report& report_;
  const NodeDraft& node_;
  const MapDraft& map_;
  Model& model_;
  BridgeEnds bridge_ends_;
  bool no_interface_said_ = false;
  std::size_t pushes_ = 0;
  std::size_t inputs_ = 0;
  std::map<Flow, Use> taken_;
  struct Reader {
    Use use;
    bool picks = false;  // a program
  };
  std::map<Flow, std::map<std::string, Reader>> readers_;  // the first, by source
  std::map<Flow, Use> sent_;
  std::map<Flow, std::map<std::string, SpokenBy>> protocols_;  // by source
  Ids ids_;
  std::map<std::uint32_t, std::string> numbers_;
};

}  // namespace

void resolve(Report& report, const NodeDraft& node, const MapDraft& map, Model& model) {
  Resolver(report, node, map, model).run();
}

}  // namespace headgate::config

#include "config/model/diff.h"

#include <algorithm>
#include <map>

namespace headgate::config {
namespace {

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

bool sends(const Channel& channel) {
  return channel.enabled &&
         std::any_of(channel.push.begin(), channel.push.end(), [](const Push& push) { return push.enabled; });
}

// The bridge can narrow or widen a window between two segments, but a new segment length begins a new
// timeline.
bool breaks_hls(const Channel& running, const Channel& wanted) {
  return !wanted.hls || wanted.hls->segment != running.hls->segment;
}

ChannelChange compare(const Channel& running, const Channel& wanted) {
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
  note(running.push != wanted.push, "push");
  note(running.hls != wanted.hls, "serve.hls");
  const bool media = running.inputs != wanted.inputs || !wanted.enabled;
  out.interrupts_media = sends(running) && media;
  out.interrupts_hls = running.enabled && running.hls && (media || breaks_hls(running, wanted));
  return out;
}

class NodeDiff {
 public:
  NodeDiff(const Node& running, const Node& wanted, Plan& plan)
      : running_(running), wanted_(wanted), plan_(plan) {}

  void run() {
    refuse(running_.node != wanted_.node, "node");
    refuse(running_.run_dir != wanted_.run_dir, "run_dir");
    refuse(running_.data_dir != wanted_.data_dir, "data_dir");
    note(running_.log_level != wanted_.log_level, "log.level");
    note(running_.log_format != wanted_.log_format, "log.format");
    interfaces();
    const Fastpath& before = running_.fastpath;
    const Fastpath& after = wanted_.fastpath;
    restart(before.workers != after.workers, "fastpath.workers");
    restart(before.cores != after.cores, "fastpath.cores");
    restart(before.hugepages != after.hugepages, "fastpath.hugepages");
    restart(before.idle != after.idle, "fastpath.idle");
    note(running_.http != wanted_.http, "servers.http");
    note(running_.admin != wanted_.admin, "servers.admin");
  }

 private:
  void note(bool changed, const std::string& key) {
    if (changed) plan_.node_keys.push_back(key);
  }
  void refuse(bool changed, const std::string& key) {
    note(changed, key);
    if (changed) plan_.refused.push_back(key);
  }
  void restart(bool changed, const std::string& key) {
    note(changed, key);
    if (changed && plan_.restarts.empty()) plan_.restarts.emplace_back("fastpath");
  }

  void interfaces() {
    const auto name = [](const Interface& interface) { return interface.name; };
    const auto before = by_name(running_.interfaces, name);
    const auto after = by_name(wanted_.interfaces, name);
    for (const auto& [key, interface] : before) {
      if (after.find(key) == after.end()) restart(true, "interfaces." + key);
    }
    for (const auto& [key, interface] : after) {
      const auto known = before.find(key);
      if (known == before.end()) {
        restart(true, "interfaces." + key);
      } else {
        compare_interfaces(*known->second, *interface, "interfaces." + key);
      }
    }
  }

  void compare_interfaces(const Interface& before, const Interface& after, const std::string& prefix) {
    restart(before.device != after.device, prefix + ".device");
    restart(before.addresses != after.addresses, prefix + ".address");
    // Inputs and pushes carry the interface they use: which one is the default changes nothing else.
    note(before.is_default != after.is_default, prefix + ".default");
    restart(before.mtu != after.mtu, prefix + ".mtu");
    restart(before.igmp != after.igmp, prefix + ".igmp");
    const auto name = [](const Vlan& vlan) { return std::to_string(vlan.id); };
    const auto vlans = by_name(before.vlans, name);
    const auto wanted = by_name(after.vlans, name);
    const auto path = [&](const std::string& id) { return prefix + ".vlans." + id; };
    for (const auto& [id, vlan] : vlans) {
      if (wanted.find(id) == wanted.end()) restart(true, path(id));
    }
    for (const auto& [id, vlan] : wanted) {
      const auto known = vlans.find(id);
      if (known == vlans.end()) {
        restart(true, path(id));
      } else {
        restart(!(*known->second == *vlan), path(id) + ".address");
      }
    }
  }

  const Node& running_;
  const Node& wanted_;
  Plan& plan_;
};

}  // namespace

Plan diff(const Model& running, const Model& wanted) {
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
      plan.changed.push_back(compare(*known->second, channel));
    }
  }
  for (const Channel& channel : running.channels) {
    if (after.find(channel.id) == after.end()) plan.removed.push_back(channel.id);
  }
  NodeDiff(running.node, wanted.node, plan).run();
  return plan;
}

}  // namespace headgate::config

// A gateway for tests of the diagnosis: five channels on cap0 that have come for 300 s, and for the last 20
// of them whatever trouble a test makes. Its views are made as the daemon makes them: by the monitor and the
// trends, out of samples every 2 s.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "control/daemon/seen_alarms.h"
#include "control/diagnosis/diagnosis.h"
#include "sample_model.h"

namespace headgate::control {

inline constexpr std::int64_t kSceneSecond = 1'000'000'000;
inline constexpr std::int64_t kSceneStart = 1'700'000'000 * kSceneSecond;
inline constexpr int kSceneEnd = 300, kSceneTrouble = 280;

inline std::int64_t scene_time(int second) { return kSceneStart + second * kSceneSecond; }

class Scene {
 public:
  // Changes a sample of `second`, of the last 20.
  using Trouble = std::function<void(Scene& scene, Snapshot& sample, int second)>;

  Scene() {
    config::Interface cap0;
    cap0.name = "cap0";
    cap0.device = "af_packet:eth1";
    model.node.interfaces = {cap0};
    model.node.http = {{"[::]:8080"}};
    int last = 0;
    for (const char* id : {"news", "sport", "film", "kids", "docu"}) {
      model.channels.push_back(sample_channel(id, "239.10.1." + std::to_string(++last), false));
      model.channels.back().inputs[0].url = "udp://10.1.1.7@239.10.1." + std::to_string(last) + ":5000";
      model.channels.back().inputs[0].source = "10.1.1.7";
    }
    model.channels[1].inputs[0].source = "10.1.1.8";
    view.host.known = true;
    view.host.reading.cpus = 4;
    for (const char* name : {"control", "fastpath", "bridge"}) {
      ProcessView process;
      process.process = {name, "running", 100, 0, kSceneStart, false};
      process.answers = true;
      view.processes.push_back(process);
    }
    view.applied = HistoryEntry{};
    view.applied->number = 12;
    view.applied->unix_ns = scene_time(-4000);
    view.applied->who = "alice (1000)";
    view.bridge_status = nlohmann::json::parse(R"({"channels": {}})");
  }

  config::Channel& channel(const std::string& id = "news") {
    for (config::Channel& entry : model.channels) {
      if (entry.id == id) return entry;
    }
    return model.channels.front();
  }
  // A second input of news through the bridge, which is its backup.
  config::Input& add_backup(config::InputKind kind = config::InputKind::srt_caller) {
    config::Input backup;
    backup.number = 2;
    backup.kind = kind;
    backup.url = "srt://far:9000";
    channel().inputs.push_back(backup);
    return channel().inputs.back();
  }
  // Makes news come through the bridge.
  void by_bridge(config::InputKind kind, const std::string& url) {
    config::Input input;
    input.kind = kind;
    input.url = url;
    channel().inputs = {input};
  }
  void source(const std::string& state, const std::string& error, const std::string& peer = "") {
    bridge_channel()["sources"] = {{{"number", channel().inputs.back().number},
                                    {"kind", "any"},
                                    {"state", state},
                                    {"error", error},
                                    {"peer", peer},
                                    {"since_unix_ns", scene_time(kSceneTrouble)},
                                    {"drops", nlohmann::json::object()}}};
  }
  nlohmann::json& bridge_channel() { return view.bridge_status["channels"]["news"]; }

  static InputSnapshot& input(Snapshot& sample, const std::string& id = "news", std::uint32_t number = 1) {
    for (InputSnapshot& entry : sample.inputs) {
      if (entry.channel == id && entry.number == number) return entry;
    }
    return sample.inputs.front();
  }
  // As if it had stopped when the trouble began.
  void stop(Snapshot& sample, const std::string& id = "news", std::uint32_t number = 1,
            int at = kSceneTrouble) {
    InputSnapshot& entry = input(sample, id, number);
    const Snapshot then = healthy(at);
    for (const InputSnapshot& old : then.inputs) {
      if (old.channel == id && old.number == number) entry = old;
    }
    entry.bitrate_bps = 0;
  }
  void stop_all(Snapshot& sample, int at = kSceneTrouble) {
    for (const config::Channel& entry : model.channels) stop(sample, entry.id, 1, at);
  }
  static void never_came(Snapshot& sample, const std::string& id = "news", std::uint32_t number = 1) {
    InputSnapshot& entry = input(sample, id, number);
    InputSnapshot empty;
    empty.channel = entry.channel;
    empty.url = entry.url;
    empty.number = entry.number;
    entry = empty;
  }
  static void drop(Snapshot& sample, protocol::DropReason reason, int second,
                   const std::string& id = "news") {
    input(sample, id).drops[static_cast<std::size_t>(reason)] =
        static_cast<std::uint64_t>(7 * (second - kSceneTrouble));
  }
  static void port_drop(Snapshot& sample, protocol::DropReason reason, int second) {
    sample.interfaces[0].drops[static_cast<std::size_t>(reason)] =
        static_cast<std::uint64_t>(50 * (second - kSceneTrouble));
  }
  static void cc_errors(Snapshot& sample, int second, const std::string& id = "news", int each = 3) {
    input(sample, id).cc_errors = static_cast<std::uint64_t>(each * (second - kSceneTrouble));
  }
  void alarm(const std::string& kind, const std::string& subject) {
    Alarm about;
    about.kind = kind;
    about.subject = subject;
    view.alarms.push_back(about);
  }
  // The last apply, `second`, changed this of the channel.
  void edit(int second, std::vector<std::string> keys, const std::string& id = "news") {
    view.applied->unix_ns = scene_time(second);
    config::ChannelChange change;
    change.id = id;
    for (const std::string& key : keys) change.values.push_back({key, "old", "new"});
    change.keys = std::move(keys);
    view.last_apply.changed[id] = change;
  }

  // All samples, then the view of the last.
  GatewayView& run(const Trouble& trouble = {}) {
    for (int second = from; second <= kSceneEnd; second += 2) {
      Snapshot sample = healthy(second);
      if (second > kSceneTrouble && trouble) trouble(*this, sample, second);
      const auto now = scene_time(second);
      Sources sources = all_sources(view.bridge_status);
      monitor.update(model, sample, now, {}, problems, sources,
                     tracks_lost(model, monitor, *trends.recent(), view.bridge_status, now));
      trends.update(model, sample, now, view.bridge_status);
      view.snapshot = std::move(sample);
      view.now_unix_ns = now;
    }
    view.model = std::make_shared<const config::Model>(model);
    view.monitor = monitor;
    view.recent = trends.recent();
    return view;
  }

  int from = 200;       // the first sample
  bool querier = true;  // asks every 20 s; without one the fast path has run for 500 s
  config::Model model;
  GatewayView view;
  ChannelMonitor monitor;
  Trends trends;
  std::map<std::string, std::string> problems;

 private:
  Snapshot healthy(int second) const {
    const auto t = static_cast<std::uint64_t>(second);
    Snapshot sample;
    sample.epoch = static_cast<std::uint64_t>(kSceneStart);
    sample.started_unix_ns = static_cast<std::uint64_t>(scene_time(querier ? 0 : -200));
    sample.heartbeat_unix_ns = static_cast<std::uint64_t>(scene_time(second));
    sample.workers = {{10 * t, 100 * t, 200 * t, 1000 * t, 1, 0}};
    InterfaceSnapshot port;
    port.name = "cap0";
    port.device = "af_packet:eth1";
    port.link_up = true;
    port.rx_packets = 2000 * t;
    sample.interfaces = {port};
    NetworkSnapshot network;
    network.interface = "cap0";
    network.igmp_version = 3;
    network.queries = querier ? t / 20 : 0;
    network.last_query_unix_ns = querier ? static_cast<std::uint64_t>(scene_time(second / 20 * 20)) : 0;
    network.reports = network.queries;
    network.last_report_unix_ns = network.last_query_unix_ns;
    network.groups = 5;
    sample.networks = {network};
    for (const config::Channel& entry : model.channels) {
      for (const config::Input& of : entry.inputs) sample.inputs.push_back(input_at(entry.id, of, second));
      if (entry.inputs.size() < 2 && entry.remux.bitrate == 0) continue;
      ChannelSnapshot air;
      air.channel = entry.id;
      air.on_air = air.wanted = 1;
      sample.channels.push_back(air);
    }
    for (const config::Channel& entry : model.channels) {
      for (const config::Push& push : entry.push) {
        OutputSnapshot output;
        output.channel = entry.id;
        output.url = push.url;
        output.last_packet_unix_ns = sample.heartbeat_unix_ns;
        output.bitrate_bps = 4'000'000;
        if (!config::by_bridge(push)) sample.outputs.push_back(output);
      }
    }
    return sample;
  }
  static InputSnapshot input_at(const std::string& id, const config::Input& of, int second) {
    const auto t = static_cast<std::uint64_t>(second);
    InputSnapshot entry;
    entry.channel = id;
    entry.number = of.number;
    entry.url = of.url;
    entry.datagrams = 380 * t;
    entry.ts_packets = 2660 * t;
    entry.pcr_count = 25 * t;
    entry.bitrate_bps = 4'000'000;
    entry.joined_unix_ns = static_cast<std::uint64_t>(kSceneStart);
    entry.first_packet_unix_ns = static_cast<std::uint64_t>(kSceneStart);
    entry.last_packet_unix_ns = static_cast<std::uint64_t>(scene_time(second)) - 50'000'000;
    entry.tr101290.judged = ~std::uint64_t{0};
    entry.pids = {{0, false, false, 10 * t, 0, 0, 0},
                  {0x100, true, false, 2400 * t, 0, 0, 3'600'000},
                  {0x101, false, false, 250 * t, 0, 0, 376'000}};
    return entry;
  }
};

}  // namespace headgate::control

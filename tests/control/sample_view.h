// A running gateway for tests of status and metrics: one channel in order, one with errors, one disabled.
#pragma once

#include "control/daemon/view.h"
#include "sample_model.h"

namespace headgate::control {

inline InputSnapshot sample_input(const std::string& channel, const std::string& url) {
  InputSnapshot input;
  input.channel = channel;
  input.url = url;
  input.datagrams = 1000;
  input.ts_packets = 7000;
  input.bytes = 7000 * 188;
  input.bitrate_bps = 4'020'000;
  input.last_packet_unix_ns = 1'000'000'000'000'000'000;
  input.pids = {{0x100, true, false, 6000, 2, 0, 3'500'000}};
  return input;
}

inline GatewayView sample_view() {
  GatewayView view;
  view.version = "0.1.0";
  view.now_unix_ns = 1'000'000'060'000'000'000;
  view.model = std::make_shared<const config::Model>(sample_model());
  view.snapshot.epoch = 1;
  view.snapshot.inputs = {sample_input("news", "udp://239.10.1.1:5000"),
                          sample_input("sport", "udp://239.10.1.2:5000")};
  view.snapshot.inputs[1].cc_errors = 2;
  view.snapshot.inputs[1].drops[static_cast<std::size_t>(protocol::DropReason::wrong_source)] = 5;
  OutputSnapshot output;
  output.channel = "news";
  output.url = "udp://239.20.1.1:5000";
  output.bytes = 999;
  view.snapshot.outputs = {output};
  view.snapshot.networks = {
      {"cap0", 120, 3, 1'000'000'001'000'000'000, 4, 1'000'000'002'000'000'000, 5, 2, 6, 3}};
  view.snapshot.workers = {{10, 100, 5000, 20000, 1, 8}};
  Snapshot first = view.snapshot;
  first.inputs[1].cc_errors = 0;
  view.monitor.update(*view.model, first, 999'999'999'500'000'000, {});
  view.monitor.update(*view.model, view.snapshot, 1'000'000'000'000'000'000, {});
  for (const char* name : {"control", "fastpath", "bridge"}) {
    ProcessView process;
    process.process = {name, "running", 100, 0, 1'000'000'000'000'000'000, false};
    process.answers = true;
    view.processes.push_back(process);
  }
  view.bridge_status = nlohmann::json::parse(R"({
    "channels": {"news": {"hls": {"viewers": 3, "segments_total": 40, "gaps": 1}, "tracks": [], "ring_gaps": 2,
                          "drops": {"damaged_pes": 4, "segment_full": 0, "slow_client": 6, "made_up": 9}},
                 "unheard_of": {"drops": {"damaged_pes": 1}}},
    "ring": {"unknown_channel_slots": 5},
    "http": {"connections": 3, "requests_total": 70, "responses": {"2xx": 60, "4xx": "many"},
             "refused": {"per_address": 2, "not_found": 0, "made_up": 1}}})");
  view.transcode_status = nlohmann::json::parse(R"({
    "jobs": [{"name": "sound.news", "kind": "sound", "channel": "news", "state": "running", "cpu_seconds": 12.5,
              "deaths": {"crashed": 1, "hung": 0, "made_up": 3}},
             {"name": "ladder.news.360", "kind": "ladder", "channel": "news", "state": "quarantined", "cpu_seconds": 2},
             {"name": "ladder.news.180", "kind": "ladder", "channel": "news", "state": "running", "cpu_seconds": 3,
              "deaths": "many"},
             {"name": "odd", "kind": "odd", "channel": "news", "state": "running"}, 5]})");
  view.generation = 7;
  view.ready = true;
  return view;
}

}  // namespace headgate::control

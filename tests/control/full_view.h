// A gateway of which every family of metrics has something to tell: a channel with two inputs (one through
// the bridge), a constant rate, pushes of both kinds and all outputs, watched and transcoded.
#pragma once

#include "control/protocol/bridge_drops.h"
#include "sample_view.h"

namespace headgate::control {

inline std::shared_ptr<const config::Model> full_model() {
  config::Model model = sample_model();
  model.node.rtmp = {{"[::]:1935"}};
  config::Channel& news = model.channels[0];
  news.rtmp = news.http_ts = true;
  config::Input encoder;
  encoder.number = 2;
  encoder.kind = config::InputKind::publish;
  encoder.url = "publish";
  news.inputs.push_back(encoder);
  config::Push push;
  push.kind = config::PushKind::rtmp;
  push.url = "rtmps://far/app";
  news.push.push_back(push);
  return std::make_shared<const config::Model>(std::move(model));
}

// {"damaged_pes": 1, …}
template <typename Reasons>
nlohmann::json all_reasons(const Reasons& reasons) {
  nlohmann::json counts = nlohmann::json::object();
  for (const auto& about : reasons) counts[std::string(about.name)] = 1U;
  return counts;
}

inline nlohmann::json full_bridge_channel() {
  nlohmann::json news = nlohmann::json::parse(R"({
    "ring_gaps": 2, "tracks": [],
    "hls": {"viewers": 3, "segments_total": 40, "gaps": 1, "discontinuities": 2, "gop_too_long": 3, "late_units": 4},
    "outputs": [{"protocol": "hls", "bytes": 9}, {"protocol": "rtmp", "sessions": 2, "bytes": 1000},
                {"protocol": "http-ts", "sessions": 4, "bytes": 500}],
    "sources": [{"number": 2, "url": "publish", "kind": "publish", "state": "receiving", "connections": 4}],
    "pushes": [{"url": "rtmps://far/app", "state": "waiting", "failures": 5, "bytes": 70, "skipped": 8}],
    "watch": {"verdict": true, "picture": {"mean": 110}, "findings": [{"kind": "black"}],
              "tracks": [{"pid": 257, "levels": {"short_term_lufs": -23.5, "peak_dbfs": -3}}]}})");
  news["drops"] = all_reasons(protocol::kBridgeDrops);
  news["sources"][0]["drops"] = all_reasons(protocol::kIngestDrops);
  return news;
}

inline GatewayView full_view() {
  GatewayView view = sample_view();
  view.model = full_model();
  InputSnapshot& first = view.snapshot.inputs[0];
  first.cc_errors = 2;
  first.tr101290.errors[mpegts::Indicator::ts_sync_loss] = 3;
  first.tr101290.errors[mpegts::Indicator::continuity_count_error] = 2;
  first.tr101290.errors[mpegts::Indicator::pcr_repetition_error] = 4;
  first.tr101290.errors[mpegts::Indicator::pcr_discontinuity_indicator_error] = 5;
  first.tr101290.judged = 0xFFFF;
  first.delivery = DeliverySnapshot{100'000, 2'807'000, 5'000'000, 6'100'000, 3'200'000};
  first.media_lost = 14;
  first.buffer_packets = 1200;
  first.clock_drift_ppb = -1500;
  first.drops.fill(1);
  view.snapshot.outputs[0].drops.fill(1);
  view.snapshot.outputs[0].tr101290.errors[mpegts::Indicator::continuity_count_error] = 1;
  view.snapshot.outputs[0].tr101290.judged = 0xFFFF;
  ChannelSnapshot air;
  air.channel = "news";
  air.on_air = 1;
  air.left_out = 1;
  air.departures = {900, 50, 30, 10, 5, 2, 1, 1, 0, 1};
  air.departure_late_ns = 77'500'000;
  air.pcr_accuracy_max_ns = 38;
  view.snapshot.channels = {air};
  InterfaceSnapshot port;
  port.name = "cap0";
  port.link_up = true;
  view.snapshot.interfaces = {port};
  view.webhook.emplace();
  Alarm alarm;
  alarm.id = 1;
  alarm.kind = "cc_errors";
  alarm.channel = "news";
  view.alarms = {alarm};
  view.bridge_status = nlohmann::json::parse(R"({
    "ring": {"unknown_channel_slots": 5},
    "http": {"connections": 3, "accepted_total": 80, "requests_total": 70, "bytes_total": 4000,
             "responses": {"2xx": 60, "3xx": 1, "4xx": 2, "5xx": 3}}})");
  view.bridge_status["http"]["refused"] = all_reasons(protocol::kHttpRefusals);
  view.bridge_status["rtmp"]["refused"] = all_reasons(protocol::kRtmpRefusals);
  view.bridge_status["srt"]["refused"] = all_reasons(protocol::kSrtRefusals);
  view.bridge_status["channels"]["news"] = full_bridge_channel();
  view.monitor.update(*view.model, view.snapshot, view.now_unix_ns - 59'500'000'000, {}, {},
                      all_sources(view.bridge_status));
  return view;
}

}  // namespace headgate::control

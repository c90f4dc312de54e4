#include "control/daemon/probe.h"

#include <fmt/core.h>

#include <algorithm>

#include "control/daemon/pid_label.h"

namespace headgate::control {
namespace {

using nlohmann::json;

constexpr double kMaxSeconds = 3600;
// The fast path's longest interval is that of about the last second: before that it tells of earlier times.
constexpr std::int64_t kGaugeNs = 1'000'000'000;

bool names_interface(const config::Model& model, const config::Input& input, const std::string& wanted,
                     std::string& device) {
  for (const config::Interface& interface : model.node.interfaces) {
    if (interface.name != input.interface) continue;
    device = interface.device;
    const auto colon = device.find(':');
    return wanted.empty() || wanted == interface.name ||
           (colon != std::string::npos && device.substr(colon + 1) == wanted);
  }
  return wanted.empty() || wanted == input.interface;
}

json gateway_json(const ProbeTarget& target) {
  return {{"channel", target.channel},     {"input", target.input},   {"url", target.url},
          {"interface", target.interface}, {"device", target.device}, {"vlan", target.vlan}};
}

// What was dropped between two readings, by reason.
json drops_json(const InputSnapshot& first, const InputSnapshot& last) {
  json result = json::array();
  for (std::size_t i = 0; i < last.drops.size(); ++i) {
    if (last.drops[i] <= first.drops[i]) continue;
    const auto& about = protocol::kDropReasons[i];
    result.push_back(
        {{"reason", about.name}, {"count", last.drops[i] - first.drops[i]}, {"sentence", about.sentence}});
  }
  return result;
}

json codec_json(const json& track) {
  if (track.value("codec", "").empty()) return nullptr;
  json codec = {{"codec", track["codec"]}};
  for (const char* name : {"width", "height", "interlaced", "frame_rate", "sample_rate", "channels"}) {
    if (track.contains(name)) codec[name] = track[name];
  }
  return codec;
}

std::uint64_t rate(std::uint64_t packets, double seconds) {
  return seconds <= 0 ? 0 : static_cast<std::uint64_t>(static_cast<double>(packets) * 188 * 8 / seconds);
}

// What a counter rose by. The caller has ruled out that it began again.
std::uint64_t risen(std::uint64_t before, std::uint64_t now) { return now - std::min(before, now); }

const PidSnapshot* find_pid(const std::vector<PidSnapshot>& pids, std::uint16_t pid) {
  const auto found = std::find_if(pids.begin(), pids.end(), [pid](const auto& e) { return e.pid == pid; });
  return found == pids.end() ? nullptr : &*found;
}

json pids_json(const InputSnapshot& first, const InputSnapshot& last, double seconds, const json& bridge) {
  json result = json::array();
  for (const PidSnapshot& pid : last.pids) {
    const PidSnapshot* before = find_pid(first.pids, pid.pid);
    const PidSnapshot zero;
    const PidSnapshot& base = before != nullptr ? *before : zero;
    const std::uint64_t packets = risen(base.packets, pid.packets);
    if (packets == 0) continue;
    result.push_back({{"pid", pid.pid},
                      {"label", pid_label(pid, bridge)},
                      {"packets", packets},
                      {"cc_errors", risen(base.cc_errors, pid.cc_errors)},
                      {"scrambled", risen(base.scrambled, pid.scrambled)},
                      {"bitrate_bps", rate(packets, seconds)},
                      {"has_pcr", pid.has_pcr}});
  }
  return result;
}

json services_json(const InputSnapshot& last, const json& bridge, const json& pids) {
  if (!bridge.is_object() || !bridge.contains("tracks") || bridge["tracks"].empty()) return json::array();
  json streams = json::array();
  for (const json& track : bridge["tracks"]) {
    const auto seen = std::find_if(pids.begin(), pids.end(), [&](const json& pid) {
      return pid["pid"] == track.value("pid", json(nullptr));
    });
    streams.push_back({{"pid", track.value("pid", 0)},
                       {"stream_type", track.value("stream_type", 0)},
                       {"kind", track.value("kind", "")},
                       {"language", track.value("language", "")},
                       {"present", seen != pids.end()},
                       {"scrambled", seen != pids.end() && (*seen)["scrambled"].get<std::uint64_t>() > 0},
                       {"codec", codec_json(track)}});
  }
  json service = {{"program_number", last.program_number}, {"name", nullptr}, {"streams", streams}};
  if (bridge.contains("service") && bridge["service"].is_number())
    service["program_number"] = bridge["service"];
  return json::array({service});
}

}  // namespace

tl::expected<ProbeWish, std::string> parse_probe_wish(const json& params) {
  ProbeWish wish;
  try {
    wish.group = params.at("group").get<std::string>();
    const auto port = params.at("port").get<std::int64_t>();
    wish.source = params.value("source", "");
    wish.interface = params.value("interface", "");
    const auto seconds = params.value("seconds", 10.0);
    if (port < 1 || port > 65535) return tl::unexpected(std::string("probe: port must be 1 to 65535"));
    if (!(seconds > 0 && seconds <= kMaxSeconds))
      return tl::unexpected(std::string("probe: the gateway probes for 1 h at most"));
    wish.port = static_cast<std::uint16_t>(port);
    wish.time = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
  } catch (const json::exception& error) {
    return tl::unexpected(std::string("probe: ") + error.what());
  }
  return wish;
}

std::optional<ProbeTarget> find_probe_target(const config::Model& model, const ProbeWish& wish) {
  for (const config::Channel& channel : model.channels) {
    if (!channel.enabled) continue;
    for (const config::Input& input : channel.inputs) {
      std::string device;
      // An input without a source counts all sources: it can't tell of one.
      if (input.group != wish.group || input.port != wish.port ||
          (!wish.source.empty() && input.source != wish.source) ||
          !names_interface(model, input, wish.interface, device))
        continue;
      return ProbeTarget{channel.id, input.number, input.url, input.interface, device, input.vlan};
    }
  }
  return std::nullopt;
}

json tap_request(const ProbeTarget& target, std::chrono::milliseconds time) {
  return {{"channel", target.channel},
          {"input", target.input},
          {"url", target.url},
          {"seconds", static_cast<double>(time.count()) / 1000}};
}

json tap_answer(const ProbeTarget& target, const tl::expected<json, std::string>& tapped) {
  json answer = {{"taken", true}, {"gateway", gateway_json(target)}};
  if (tapped && tapped->is_object() && tapped->contains("ring") && (*tapped)["ring"].is_string())
    answer["ring"] = (*tapped)["ring"];
  else
    answer["error"] = tapped ? "the fast path gives no copy" : tapped.error();
  return answer;
}

json probe_failure(const ProbeTarget& target, const std::string& error) {
  return {{"taken", true}, {"gateway", gateway_json(target)}, {"error", error}};
}

void ProbeReading::add(const Snapshot& snapshot, std::int64_t now) {
  const auto found =
      std::find_if(snapshot.inputs.begin(), snapshot.inputs.end(), [&](const InputSnapshot& input) {
        return input.channel == target_.channel && input.number == target_.input && input.url == target_.url;
      });
  if (found == snapshot.inputs.end()) {
    broken_ = true;
    return;
  }
  if (!first_) {
    first_ = *found;
    epoch_ = snapshot.epoch;
    began_ = now;
  }
  if (snapshot.epoch != epoch_ || found->ts_packets < (last_ ? last_->ts_packets : 0)) broken_ = true;
  last_ = *found;
  ended_ = now;
  for (const InterfaceSnapshot& interface : snapshot.interfaces) {
    if (interface.name == target_.interface) link_down_ = !interface.link_up;
  }
  if (now - began_ >= kGaugeNs)
    pcr_interval_max_ns_ = std::max(pcr_interval_max_ns_, found->pcr_interval_max_ns);
}

std::string ProbeReading::nothing_came(double seconds, const json& drops) const {
  const std::string link =
      link_down_ ? fmt::format("the link of interface {} ({}) is down", target_.interface, target_.device)
                 : "";
  if (drops.empty()) {
    const std::string next =
        link_down_ ? link
                   : fmt::format(
                         "is it sent, does the network forward it? headgate status {} tells the "
                         "membership",
                         target_.channel);
    return fmt::format("nothing came in {:.1f} s: {}", seconds, next);
  }
  std::string text;
  for (const json& drop : drops)
    text += fmt::format("{}{} {} ({})", text.empty() ? "" : ", ", drop["count"].get<std::uint64_t>(),
                        drop["reason"].get<std::string>(), drop["sentence"].get<std::string>());
  return fmt::format("all that came in {:.1f} s was dropped: {}{}{}", seconds, text,
                     link_down_ ? "; now " : "", link);
}

json ProbeReading::report(const GatewayView& view) const {
  if (broken_ || !first_ || !last_)
    return probe_failure(target_,
                         "the fast path's counters of this input are absent or began anew meanwhile (an "
                         "apply or a restart): probe again");
  const InputSnapshot& a = *first_;
  const InputSnapshot& b = *last_;
  const std::uint64_t packets = risen(a.ts_packets, b.ts_packets);
  const double seconds = static_cast<double>(ended_ - began_) / 1e9;
  const json drops = drops_json(a, b);
  if (packets == 0) {
    json failure = probe_failure(target_, nothing_came(seconds, drops));
    failure["drops"] = drops;
    return failure;
  }
  const json bridge = bridge_channel(view, target_.channel);
  json pids = pids_json(a, b, seconds, bridge);
  const std::uint64_t pcrs = risen(a.pcr_count, b.pcr_count);
  json pcr = nullptr;
  if (pcrs > 0) {
    pcr = {{"count", pcrs},
           {"discontinuities", risen(a.pcr_discontinuities, b.pcr_discontinuities)},
           {"interval_max_ms", nullptr}};
    if (pcr_interval_max_ns_ != 0) pcr["interval_max_ms"] = static_cast<double>(pcr_interval_max_ns_) / 1e6;
  }
  const json services = services_json(b, bridge, pids);
  const json report = {{"source", target_.url},
                       {"live", true},
                       {"packet_size", 188},
                       {"packets", packets},
                       {"bytes", packets * 188},
                       {"duration_s", seconds},
                       {"bitrate_bps", rate(packets, seconds)},
                       {"sync_byte_errors", risen(a.sync_errors, b.sync_errors)},
                       {"transport_errors", risen(a.transport_errors, b.transport_errors)},
                       {"cc_errors", risen(a.cc_errors, b.cc_errors)},
                       {"duplicates", risen(a.duplicates, b.duplicates)},
                       {"scrambled", risen(a.scrambled, b.scrambled)},
                       {"null_packets", risen(a.null_packets, b.null_packets)},
                       {"datagrams", risen(a.datagrams, b.datagrams)},
                       {"rtp_lost", risen(a.rtp_lost, b.rtp_lost)},
                       {"rtp_reordered", risen(a.rtp_reordered, b.rtp_reordered)},
                       {"services", services},
                       {"pids", pids},
                       {"pids_beyond", b.pids_beyond},
                       {"pcr", pcr}};
  return {{"taken", true}, {"gateway", gateway_json(target_)}, {"drops", drops}, {"report", report}};
}

}  // namespace headgate::control

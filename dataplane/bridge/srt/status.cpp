#include "dataplane/bridge/srt/status.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "dataplane/bridge/srt/server.h"

namespace headgate::bridge::srt {
namespace {

nlohmann::json to_json(const SessionStats& s) {
  nlohmann::json out = {{"channel", s.channel},
                        {"role", s.publishing ? "publish" : "play"},
                        {"address", s.address},
                        {"listener", s.listener},
                        {"stream_id", s.stream_id},
                        {"since_unix", static_cast<double>(s.since_unix_ns) / 1e9},
                        {"encrypted", s.encrypted},
                        {"latency_ms", s.latency_ms},
                        {"bytes", s.bytes},
                        {"bits_per_second", s.bits_per_second},
                        {"rtt_ms", s.rtt_ms},
                        {"bandwidth_mbps", s.bandwidth_mbps},
                        {"lost_packets", s.lost_packets},
                        {"retransmitted_packets", s.retransmitted_packets},
                        {"dropped_packets", s.dropped_packets},
                        {"buffer_ms", s.buffer_ms},
                        {"buffer_bytes", s.buffer_bytes}};
  if (s.publishing) {
    out["missing_packets"] = s.missing_packets;
    out["undecrypted_packets"] = s.undecrypted_packets;
  } else {
    out["sent_packets"] = s.sent_packets;
    out["dropped_messages"] = s.dropped_messages;
    out["jumps"] = s.jumps;
    out["buffer_limit_bytes"] = s.buffer_limit;
  }
  return out;
}

}  // namespace

std::map<std::string, std::string> details_of(const SessionStats& s) {
  std::map<std::string, std::string> out{{"latency_ms", std::to_string(s.latency_ms)},
                                         {"encrypted", s.encrypted ? "yes" : "no"},
                                         {"rtt_ms", fmt::format("{:.1f}", s.rtt_ms)},
                                         {"bandwidth_mbps", fmt::format("{:.1f}", s.bandwidth_mbps)},
                                         {"bits_per_second", std::to_string(s.bits_per_second)},
                                         {"lost_packets", std::to_string(s.lost_packets)},
                                         {"retransmitted_packets", std::to_string(s.retransmitted_packets)},
                                         {"dropped_packets", std::to_string(s.dropped_packets)},
                                         {"buffer_ms", std::to_string(s.buffer_ms)}};
  if (s.publishing) out["undecrypted_packets"] = std::to_string(s.undecrypted_packets);
  if (!s.stream_id.empty()) out["stream_id"] = s.stream_id;
  return out;
}

nlohmann::json to_json(const Stats& stats) {
  nlohmann::json out = {{"accepted_total", stats.accepted},       {"publishers_total", stats.publishers},
                        {"stalled_total", stats.stalled},         {"revoked_total", stats.revoked},
                        {"lost_chunks_total", stats.lost_chunks}, {"refused", nlohmann::json::object()},
                        {"sessions", nlohmann::json::array()}};
  for (std::size_t i = 0; i < kRefusals; ++i)
    out["refused"][std::string(name_of(static_cast<Refusal>(i)))] = stats.refused[i];
  for (const SessionStats& session : stats.sessions) out["sessions"].push_back(to_json(session));
  return out;
}

}  // namespace headgate::bridge::srt

#include "dataplane/bridge/srt/status.h"

#include <nlohmann/json.hpp>

#include "dataplane/bridge/srt/server.h"

namespace headgate::bridge::srt {
namespace {

// A stream id is a caller's bytes: what is no UTF-8 would make the whole answer none.
std::string ascii(std::string text) {
  for (char& c : text) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return text;
}

nlohmann::json to_json(const SessionStats& s) {
  return {{"channel", s.channel},
          {"address", s.address},
          {"listener", s.listener},
          {"stream_id", ascii(s.stream_id)},
          {"since_unix", static_cast<double>(s.since_unix_ns) / 1e9},
          {"encrypted", s.encrypted},
          {"latency_ms", s.latency_ms},
          {"bytes", s.bytes},
          {"dropped_messages", s.dropped_messages},
          {"jumps", s.jumps},
          {"rtt_ms", s.rtt_ms},
          {"sent_packets", s.sent_packets},
          {"lost_packets", s.lost_packets},
          {"retransmitted_packets", s.retransmitted_packets},
          {"dropped_packets", s.dropped_packets},
          {"buffer_ms", s.buffer_ms},
          {"buffer_bytes", s.buffer_bytes},
          {"buffer_limit_bytes", s.buffer_limit}};
}

}  // namespace

nlohmann::json to_json(const Stats& stats) {
  nlohmann::json out = {{"accepted_total", stats.accepted},    {"stalled_total", stats.stalled},
                        {"revoked_total", stats.revoked},      {"lost_chunks_total", stats.lost_chunks},
                        {"refused", nlohmann::json::object()}, {"sessions", nlohmann::json::array()}};
  for (std::size_t i = 0; i < kRefusals; ++i)
    out["refused"][name_of(static_cast<Refusal>(i))] = stats.refused[i];
  for (const SessionStats& session : stats.sessions) out["sessions"].push_back(to_json(session));
  return out;
}

}  // namespace headgate::bridge::srt

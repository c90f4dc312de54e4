// A StreamReport for people and for machines. Pure. Threading: none.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "mpegts/monitor/stream_report.h"

namespace headgate::control {

// What the receiver of a live stream saw besides the packets.
struct Reception {
  bool live = false;
  std::uint64_t datagrams = 0;
  std::uint64_t not_ts = 0;       // datagrams whose size or content is no transport packets
  std::uint64_t packets_204 = 0;  // of these: packets of 204 bytes
  std::uint64_t over_seven = 0;   // datagrams of more than 7 packets: read here, dropped by the gateway
  std::uint64_t rtp_lost = 0;
  std::uint64_t rtp_reordered = 0;
  std::uint64_t kernel_drops = 0;                  // this host was too slow: errors may be its own
  nlohmann::json drops = nlohmann::json::array();  // of the gateway's input: reason, count, sentence
};

// Where and when the analysis was made.
struct ProbeContext {
  std::string host;
  std::string version;
  std::int64_t unix_ns = 0;  // its beginning
  nlohmann::json gateway;    // channel, input, interface … of the running gateway; null elsewhere
  std::string note;          // where the gateway reads it in another way than was asked; "" else
  bool all_pids = false;     // show PIDs, too, that came hardly at all
};

nlohmann::json report_json(const std::string& source, const mpegts::StreamReport& report,
                           const Reception& reception, const ProbeContext& context);
std::string render_report(const std::string& source, const mpegts::StreamReport& report,
                          const Reception& reception, const ProbeContext& context);

// The gateway's answer to `probe` (control/daemon/probe.h) with a report in it, where its packets can't be
// read; `why` they can't.
std::string render_gateway_probe(const nlohmann::json& answer, const ProbeContext& context,
                                 const std::string& why);

}  // namespace headgate::control

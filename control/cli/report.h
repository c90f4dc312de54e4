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
  std::uint64_t not_ts = 0;  // datagrams whose size or content is no transport packets
  std::uint64_t rtp_lost = 0;
  std::uint64_t rtp_reordered = 0;
  std::uint64_t kernel_drops = 0;  // this host was too slow: errors may be its own
};

nlohmann::json report_json(const std::string& source, const mpegts::StreamReport& report,
                           const Reception& reception);
std::string render_report(const std::string& source, const mpegts::StreamReport& report,
                          const Reception& reception);

// The gateway's answer to `probe` (control/daemon/probe.h) with a report in it.
std::string render_gateway_probe(const nlohmann::json& answer);

}  // namespace headgate::control

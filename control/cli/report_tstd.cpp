#include "control/cli/report_tstd.h"

#include <fmt/core.h>

namespace headgate::control {
namespace {

using nlohmann::json;

json buffer_json(const std::optional<mpegts::TstdBuffer>& buffer) {
  if (!buffer) return nullptr;
  return {{"size", buffer->size}, {"max", buffer->most}, {"overflows", buffer->overflows}};
}

std::string buffer_cell(const std::optional<mpegts::TstdBuffer>& buffer) {
  return buffer ? fmt::format("{} of {}", buffer->most, buffer->size) : "-";
}

std::uint64_t overflows(const mpegts::TstdInfo& tstd) { return tstd.buffer_errors() - tstd.underflows; }

}  // namespace

json tstd_json(const mpegts::PidInfo& pid) {
  if (!pid.tstd) return nullptr;
  const mpegts::TstdInfo& tstd = *pid.tstd;
  const bool measured = tstd.transport_bps != 0;
  json out = {{"unjudged", tstd.unjudged.empty() ? json() : json(tstd.unjudged)},
              {"transport_bps", nullptr},
              {"transport", nullptr},
              {"multiplexing", buffer_json(tstd.multiplexing)},
              {"main", buffer_json(tstd.main)},
              {"access_units", tstd.access_units},
              {"underflows", tstd.underflows},
              {"not_emptied", tstd.not_emptied},
              {"delay_max_ms", nullptr},
              {"delayed", tstd.delayed},
              {"restarts", tstd.restarts}};
  if (measured) {
    out["transport_bps"] = tstd.transport_bps;
    out["transport"] = buffer_json(tstd.transport);
  }
  if (tstd.delay_max_ms) out["delay_max_ms"] = *tstd.delay_max_ms;
  return out;
}

std::string tstd_text(const mpegts::StreamReport& report) {
  std::string text;
  for (const mpegts::PidInfo& pid : report.pids) {
    if (!pid.tstd) continue;
    const mpegts::TstdInfo& tstd = *pid.tstd;
    if (text.empty())
      text = fmt::format("{:<6}  {:<11}  {:<13}  {:<18}  {:<18}  {:>5}  {:>6}  {:>6}  {:>9}\n", "T-STD",
                         "WHAT", "TB", "MB", "EB, B", "OVER", "UNITS", "UNDER", "STAY MS");
    text += fmt::format("0x{:04x}  {:<11}  {:<13}  {:<18}  {:<18}  {:>5}  {:>6}  {:>6}  {:>9}\n",
                        pid.pid.value, pid.label, tstd.transport_bps != 0 ? buffer_cell(tstd.transport) : "-",
                        buffer_cell(tstd.multiplexing), buffer_cell(tstd.main), overflows(tstd),
                        tstd.access_units, tstd.underflows,
                        tstd.delay_max_ms ? fmt::format("{:.1f}", *tstd.delay_max_ms) : "-");
    if (!tstd.unjudged.empty()) text += fmt::format("        not judged: {}\n", tstd.unjudged);
  }
  return text.empty() ? "" : text + "\n";
}

}  // namespace headgate::control

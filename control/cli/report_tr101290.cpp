#include "control/cli/report_tr101290.h"

#include <fmt/core.h>

#include "control/cli/render.h"

namespace headgate::control {

using nlohmann::json;

json tr101290_json(const mpegts::StreamReport& report) {
  json out = json::object();
  for (const mpegts::IndicatorInfo& info : mpegts::kIndicators) {
    const bool unmeasured = report.unmeasured[static_cast<std::size_t>(info.indicator)];
    out[std::string(info.label)] = unmeasured ? json() : json(report.tr101290[info.indicator]);
  }
  return out;
}

json tr101290_limits_json() {
  return {{"pat_interval_ms", mpegts::kTableLimit.count()},
          {"pmt_interval_ms", mpegts::kTableLimit.count()},
          {"pid_interval_ms", mpegts::kPidLimit.count()},
          {"pcr_interval_ms", mpegts::kPcrLimit.count()},
          {"pcr_accuracy_ns", mpegts::kPcrAccuracyLimit.count()},
          {"pts_interval_ms", mpegts::kPtsLimit.count()},
          {"cat_ms", mpegts::kCatLimit.count()},
          {"nit_interval_ms", mpegts::kNitLimit.count()},
          {"sdt_interval_ms", mpegts::kSdtLimit.count()},
          {"eit_interval_ms", mpegts::kEitLimit.count()},
          {"tdt_interval_ms", mpegts::kTdtLimit.count()},
          {"bat_interval_ms", mpegts::kBatLimit.count()},
          {"other_interval_ms", mpegts::kOtherLimit.count()},
          {"section_gap_ms", mpegts::kSectionGap.count()},
          {"unreferenced_ms", mpegts::kUnreferencedLimit.count()}};
}

std::string tr101290_text(const mpegts::StreamReport& report) {
  std::string text = "TR 101 290 5.2                             COUNT  COUNTED IS\n";
  for (const mpegts::IndicatorInfo& info : mpegts::kIndicators) {
    const bool unmeasured = report.unmeasured[static_cast<std::size_t>(info.indicator)];
    text += fmt::format("{:<5}  {:<33}  {:>6}  {}\n", info.clause, info.name,
                        unmeasured ? "-" : std::to_string(report.tr101290[info.indicator]), info.what);
  }
  return text;
}

json accuracy_json(const mpegts::PcrInfo& pcr) {
  if (!pcr.accuracy) return nullptr;
  const mpegts::PcrAccuracyInfo& ac = *pcr.accuracy;
  json out = {{"constant_rate", ac.constant_rate}, {"samples", ac.samples}};
  if (!ac.constant_rate) return out;
  out["max_ns"] = ac.max_ns;
  out["p99_ns"] = ac.p99_ns;
  out["errors"] = ac.errors;
  out["bitrate_bps"] = ac.bitrate;
  return out;
}

std::string accuracy_text(const mpegts::PcrInfo& pcr) {
  if (!pcr.accuracy) return "";
  const mpegts::PcrAccuracyInfo& ac = *pcr.accuracy;
  if (!ac.constant_rate) return "; not constant rate";
  return fmt::format("; PCR_AC {:.0f} ns at most, {:.0f} ns for 99 % at {} bit/s", ac.max_ns, ac.p99_ns,
                     human_bitrate(ac.bitrate));
}

}  // namespace headgate::control

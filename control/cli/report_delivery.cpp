#include "control/cli/report_delivery.h"

#include <fmt/core.h>

namespace headgate::control {

using nlohmann::json;

namespace {

double in_ms(std::int64_t ns) { return static_cast<double>(ns) / 1e6; }

std::string ms_text(const std::optional<std::int64_t>& ns) {
  return ns ? fmt::format("{:.2f} ms", in_ms(*ns)) : "-";
}

}  // namespace

std::uint64_t media_lost(const std::string& source, const mpegts::StreamReport& report,
                         const Reception& reception) {
  constexpr std::uint64_t kPacketsOfDatagram = 7;
  if (source.starts_with("rtp:")) return (reception.rtp_lost + reception.rtp_reordered) * kPacketsOfDatagram;
  return report.cc_lost;
}

json delivery_json(const mpegts::StreamReport& report) {
  if (!report.delivery) return nullptr;
  const mpegts::DeliveryInfo& info = *report.delivery;
  const auto measured = [](const std::optional<std::int64_t>& ns) { return ns ? json(*ns) : json(); };
  return {{"seconds", info.seconds},
          {"interval_min_ns", info.gap_min_ns},
          {"interval_mean_ns", info.gap_mean_ns},
          {"interval_max_ns", info.gap_max_ns},
          {"delay_factor_ns", measured(info.delay_factor_ns)},
          {"pcr_jitter_ns", measured(info.pcr_jitter_ns)}};
}

std::string delivery_text(const mpegts::StreamReport& report, std::uint64_t lost) {
  if (!report.delivery) return "";
  const mpegts::DeliveryInfo& info = *report.delivery;
  return fmt::format(
      "a datagram every {:.2f} ms, {:.2f} to {:.2f} ms; MDI at worst {}:{} lost, PCR jitter {}\n",
      in_ms(info.gap_mean_ns), in_ms(info.gap_min_ns), in_ms(info.gap_max_ns), ms_text(info.delay_factor_ns),
      lost, ms_text(info.pcr_jitter_ns));
}

}  // namespace headgate::control

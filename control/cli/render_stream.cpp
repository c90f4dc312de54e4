#include "control/cli/render_stream.h"

#include <fmt/core.h>

#include "control/cli/columns.h"
#include "control/cli/render.h"
#include "control/cli/render_json.h"
#include "control/cli/render_ways.h"
#include "mpegts/monitor/indicators.h"

namespace headgate::control {
namespace {

using nlohmann::json;

std::string milliseconds(const json& value) {
  return value.is_number() ? fmt::format("{:.2f} ms", value.get<double>() / 1e6) : "-";
}

}  // namespace

std::string indicator_lines(const json& stream) {
  const json counts = stream.value("tr101290", json());
  if (!counts.is_object()) return "";
  std::string text;
  for (int priority = 1; priority <= 3; ++priority) {
    std::string line;
    for (const mpegts::IndicatorInfo& info : mpegts::kIndicators) {
      const auto errors = count(counts, std::string(info.label).c_str());
      if (info.priority != priority || errors == 0) continue;
      line += fmt::format("{}{} {}", line.empty() ? "" : ", ", info.name, errors);
    }
    if (!line.empty()) text += wrapped(fmt::format("    TR 101 290 {}  ", priority), line, 18);
  }
  return text.empty() ? "    TR 101 290 no errors\n" : text;
}

std::string indicators_lately(const json& channel) {
  const json errors = channel.value("tr101290_minute", json());
  if (!errors.is_object()) return "";
  const auto first = count(errors, "first"), second = count(errors, "second");
  if (first + second == 0) return "";
  std::string text = "TR 101 290 in the last minute: ";
  if (first != 0) text += fmt::format("first priority {}", first);
  if (second != 0) text += fmt::format("{}second priority {}", first == 0 ? "" : ", ", second);
  return text;
}

std::string services_line(const json& input) {
  const json services = input.value("services", json::array());
  if (services.size() < 2) return "";
  std::string line;
  for (const json& service : services)
    line += fmt::format("{}{} {}", line.empty() ? "" : ", ", count(service, "program_number"),
                        human_bitrate(static_cast<double>(count(service, "bitrate_bps"))));
  return wrapped("    services  ", line, 14);
}

std::string drops_line(const json& drops) {
  std::string text;
  for (const json& drop : drops)
    text += fmt::format("    dropped {} {} ({}): {}\n", count(drop, "count"), text_of(drop, "reason"),
                        text_of(drop, "where"), text_of(drop, "sentence"));
  return text;
}

std::string multicast_block(const json& output, std::int64_t now) {
  std::string text = fmt::format(
      "output  {}\n    {} bit/s, {} datagrams, {} packets, last {}\n", text_of(output, "url"),
      human_bitrate(static_cast<double>(count(output, "bitrate_bps"))), count(output, "datagrams"),
      count(output, "ts_packets"), ago(output, "last_packet_unix_ns", now, "never"));
  if (const auto nominal = count(output, "nominal_bitrate_bps"); nominal != 0)
    text += fmt::format("    {} bit/s wanted\n", human_bitrate(static_cast<double>(nominal)));
  return text + indicator_lines(output) + drops_line(output.at("drops"));
}

std::string delivery_line(const json& input) {
  const json delivery = input.value("delivery", json());
  if (!delivery.is_object()) return "";
  return fmt::format("    datagrams every {}, {} to {}\n    MDI {}:{} lost, PCR jitter {}\n",
                     milliseconds(delivery.value("interval_mean_ns", json())),
                     milliseconds(delivery.value("interval_min_ns", json())),
                     milliseconds(delivery.value("interval_max_ns", json())),
                     milliseconds(delivery.value("delay_factor_ns", json())), count(input, "media_lost"),
                     milliseconds(delivery.value("pcr_jitter_ns", json())));
}

}  // namespace headgate::control

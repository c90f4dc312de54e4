#include "control/cli/render_multiplex.h"

#include <fmt/core.h>

#include <algorithm>

#include "control/cli/columns.h"
#include "control/cli/render.h"
#include "control/cli/render_json.h"
#include "control/cli/render_stream.h"

namespace headgate::control {
namespace {

using nlohmann::json;

// "12.00M, 8.01M used (67 %), 2 of 3 channels in, 17 dropped"
std::string rates(const json& multiplex) {
  const auto rate = static_cast<double>(count(multiplex, "bitrate_bps"));
  std::string text = human_bitrate(rate);
  if (multiplex.value("members_bps", json()).is_null()) return text + ", not running";
  const auto used = static_cast<double>(count(multiplex, "members_bps"));
  text += fmt::format(", {} used ({:.0f} %), {} of {} channels in", human_bitrate(used), used / rate * 100,
                      count(multiplex, "members_in"), multiplex.value("channels", json::array()).size());
  if (count(multiplex, "dropped") != 0) text += fmt::format(", {} dropped", count(multiplex, "dropped"));
  return text;
}

std::string member_line(const json& member, std::size_t ids, std::int64_t now, bool colour) {
  const std::string state = text_of(member, "state");
  std::string line =
      padded(text_of(member, "channel"), ids) + "  " + painted(padded(state, 8), state, colour);
  line += padded(number_or_dash(member.value("program_number", json())), 9, true);
  line += padded(number_or_dash(member.value("number", json())), 6, true);
  line += padded(std::to_string(count(member, "dropped")), 9, true);
  line += "  " + human_age(member.value("since_unix_ns", std::int64_t{0}), now);
  std::string text = strip_end(line);
  const std::string reason = text_of(member, "reason");
  if (state != "ok" && state != "disabled" && !reason.empty()) text += wrapped("  ", reason, 2);
  return text;
}

}  // namespace

std::string multiplex_text(const json& multiplex, bool colour) {
  std::string text = fmt::format("multiplex {}: {}", text_of(multiplex, "id"), rates(multiplex));
  for (const json& push : multiplex.value("push", json::array())) text += ", " + text_of(push, "url");
  text = wrapped("", text, 2);
  const std::string state = text_of(multiplex, "state"), reason = text_of(multiplex, "reason");
  if (state == "ok" || reason.empty()) return text;
  return text + "  " + painted(state, state, colour) + wrapped(": ", reason, 2);
}

std::string render_multiplex(const json& multiplex, bool colour) {
  const std::int64_t now = multiplex.at("now_unix_ns").get<std::int64_t>();
  const std::string state = text_of(multiplex, "state"), reason = text_of(multiplex, "reason");
  std::string text = "multiplex " + text_of(multiplex, "id") + "\n" + painted(state, state, colour) +
                     (reason.empty() ? "\n" : wrapped(": ", reason, 2));
  text += wrapped("", rates(multiplex), 2);
  text += fmt::format("transport_stream_id {}, network_id {}, original_network_id {}\n",
                      count(multiplex, "transport_stream_id"), count(multiplex, "network_id"),
                      count(multiplex, "original_network_id"));
  if (const json air = multiplex.value("switch", json()); air.is_object())
    text += fmt::format("{} null packets, leaving at most {:.2f} ms late\n", count(air, "null_packets"),
                        static_cast<double>(count(air, "departure_late_max_ns")) / 1e6);
  text += "\n";
  std::size_t ids = 7;
  const json members = multiplex.value("members", json::array());
  for (const json& member : members) ids = std::max(ids, width(text_of(member, "channel")));
  text += strip_end(padded("CHANNEL", ids) + "  STATE     SERVICE   LCN  DROPPED  SINCE");
  for (const json& member : members) text += member_line(member, ids, now, colour);
  text += "\n";
  for (const json& output : multiplex.value("push", json::array())) text += multicast_block(output, now);
  return text;
}

}  // namespace headgate::control

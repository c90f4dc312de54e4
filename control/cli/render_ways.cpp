#include "control/cli/render_ways.h"

#include <fmt/core.h>

#include "control/cli/render.h"
#include "control/cli/render_json.h"
#include "control/protocol/counted.h"

namespace headgate::control {

using nlohmann::json;
using protocol::counted;

std::string ago(const json& object, const char* name, std::int64_t now, const char* never) {
  const auto then = static_cast<std::int64_t>(count(object, name));
  return then == 0 ? never : human_age(then, now) + " ago";
}

std::string tracks_left_out(const json& object) {
  std::string text;
  for (const json& track : object.value("left_out", json::array()))
    text += fmt::format("    0x{:04x}  {:<12} not carried: {}\n", count(track, "pid"), text_of(track, "kind"),
                        text_of(track, "reason"));
  return text;
}

// "receiving from 203.0.113.7:40112 since 3m": of an input that enters through the bridge.
std::string source_lines(const json& source, std::int64_t now) {
  const std::string state = text_of(source, "state"), peer = text_of(source, "peer"),
                    error = text_of(source, "error");
  std::string text = "    " + state;
  if (!peer.empty()) text += (state == "receiving" ? " from " : " to ") + peer;
  if (const auto since = static_cast<std::int64_t>(count(source, "since_unix_ns")); since != 0)
    text += " since " + human_age(since, now);
  text += "\n";
  if (source.contains("connections"))
    text += fmt::format("    {}, {}\n", counted(count(source, "connections"), "connection"),
                        counted(count(source, "bytes"), "byte"));
  if (!error.empty()) text += "    ! " + error + "\n";
  std::string details;
  const json about = source.value("details", json::object()), drops = source.value("drops", json::object());
  for (const auto& [name, value] : about.items())
    details += fmt::format("{}{} {}", details.empty() ? "    " : ", ", name, value.get<std::string>());
  if (!details.empty()) text += details + "\n";
  for (const auto& [reason, value] : drops.items()) {
    if (value.get<std::uint64_t>() != 0)
      text += fmt::format("    left out {} {}\n", value.get<std::uint64_t>(), reason);
  }
  return text + tracks_left_out(source);
}

std::string buffer_line(const json& buffer) {
  std::string text = fmt::format("    buffer {:.0f} of {} ms, {},\n    underflows {}, overflows {}",
                                 static_cast<double>(count(buffer, "level_ns")) / 1e6,
                                 count(buffer, "configured_ms"), counted(count(buffer, "packets"), "packet"),
                                 count(buffer, "underflows"), count(buffer, "overflows"));
  const auto drift = buffer.find("clock_drift_ppb");
  if (drift != buffer.end() && drift->is_number_integer() && drift->get<std::int64_t>() != 0)
    text += fmt::format(", clock {:+.1f} ppm", static_cast<double>(drift->get<std::int64_t>()) / 1e3);
  return text + "\n";
}

// ", 99 % within 0.050 ms": of all departures since the fast path began, to the next bound of the classes.
std::string most_departures(const json& classes) {
  if (!classes.is_array() || classes.empty()) return "";
  const auto all = count(classes.back(), "within");
  for (const json& entry : classes) {
    if (count(entry, "within") * 100 < all * 99) continue;
    if (!entry.contains("late_ns") || !entry["late_ns"].is_number()) break;
    return fmt::format(", 99 % within {:.3f} ms", static_cast<double>(count(entry, "late_ns")) / 1e6);
  }
  return "";
}

// The switch between the inputs, and the constant rate.
std::string switch_block(const json& channel, std::int64_t now) {
  const json about = channel.value("switch", json());
  if (!about.is_object()) return "";
  std::string text;
  if (count(channel, "inputs_count") > 1) {
    const auto forced = count(about, "forced");
    const auto on_air = count(about, "on_air");
    text += on_air == 0 ? std::string("switch  no input on air yet")
                        : fmt::format("switch  input {} on air", on_air);
    if (forced != 0) text += fmt::format(", input {} forced", forced);
    text += fmt::format("\n    {}, {} of them without random access point",
                        counted(count(about, "switches"), "change"), count(about, "hard_switches"));
    if (count(about, "switches") != 0) text += ", last " + ago(about, "switched_unix_ns", now, "never");
    text += "\n";
    if (const auto left_out = count(about, "left_out"); left_out != 0)
      text += fmt::format("    left out {} of tracks without a place in the output\n",
                          counted(left_out, "packet"));
  }
  if (const auto nulls = count(about, "null_packets"), dropped = count(about, "rate_dropped");
      nulls + dropped != 0)
    text += fmt::format("rate    {} put in, {} beyond the rate,\n    latest departure {:.3f} ms late{}\n",
                        counted(nulls, "null packet"), dropped,
                        static_cast<double>(count(about, "departure_late_max_ns")) / 1e6,
                        most_departures(about.value("departures", json())));
  if (const auto crowded = count(about, "crowded"); crowded != 0)
    text += fmt::format("    {} left where a decoder's transport buffer may be full\n",
                        counted(crowded, "packet"));
  return text;
}

// One that the bridge sends: "output  rtmps://live.example.com/app".
std::string bridge_push_block(const json& push, std::int64_t now) {
  std::string text = fmt::format("output  {}\n    {}", text_of(push, "url"), text_of(push, "state"));
  if (const auto since = static_cast<std::int64_t>(count(push, "since_unix_ns")); since != 0)
    text += " since " + human_age(since, now);
  if (count(push, "bitrate_bps") != 0)
    text += fmt::format(", {} bit/s", human_bitrate(static_cast<double>(count(push, "bitrate_bps"))));
  text += fmt::format("\n    {}, {}, {}, {} skipped\n", counted(count(push, "bytes"), "byte"),
                      counted(count(push, "connections"), "connection"),
                      counted(count(push, "failures"), "failure"), count(push, "skipped"));
  if (const auto error = text_of(push, "error"); !error.empty()) text += "    ! " + error + "\n";
  return text + tracks_left_out(push);
}

}  // namespace headgate::control

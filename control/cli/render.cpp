#include "control/cli/render.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <utility>
#include <vector>

#include "control/cli/columns.h"
#include "control/cli/render_alarms.h"
#include "control/cli/render_json.h"
#include "control/cli/render_multiplex.h"
#include "control/cli/render_stream.h"
#include "control/cli/render_ways.h"
#include "control/protocol/counted.h"

namespace headgate::control {
namespace {

using nlohmann::json;
using protocol::counted;

constexpr std::size_t kWidestId = 20;  // beside the other columns

// What a port discarded that belongs to no channel, in a line: a wrong source or port in the map shows here.
std::string interface_line(const json& interface) {
  std::string text, line = fmt::format("interface {}: link {}", text_of(interface, "name"),
                                       interface.at("link_up").get<bool>() ? "up" : "DOWN");
  const char* before = "; dropped ";
  for (const json& drop : interface.at("drops")) {
    line += std::exchange(before, ", ");
    const std::string item = fmt::format("{} {}", count(drop, "count"), text_of(drop, "reason"));
    if (line.size() + item.size() > 78) {
      text += strip_end(std::move(line));
      line = "    ";
    }
    line += item;
  }
  return text + line + "\n";
}

std::string processes_line(const json& processes) {
  std::string text;
  for (const json& process : processes) {
    const std::string state = text_of(process, "state");
    text += fmt::format(
        "{}{} {}", text.empty() ? "" : ", ", text_of(process, "name"),
        state == "running" || state == "unknown" ? "pid " + std::to_string(count(process, "pid")) : state);
    if (process.value("crash_loop", false))
      text += " CRASH LOOP";
    else if (const auto deaths = count(process, "deaths"); deaths != 0)
      text += fmt::format(" (died {}x)", deaths);
  }
  return text;
}

std::string map_line(const json& status) {
  const json& map = status.at("map");
  std::string text =
      fmt::format("{}  {}  map {}", text_of(status, "node"),
                  status.value("ready", false) ? "ready" : "NOT READY", number_or_dash(map.at("number")));
  if (map.at("applied_unix_ns").is_number())
    text += fmt::format(", applied {} by {}", local_time(map["applied_unix_ns"].get<std::int64_t>()),
                        text_of(map, "applied_by"));
  text += "\n";
  if (!map.value("files_valid", true))
    text += "! the files have errors: headgate check --config FILE\n";
  else if (map.value("differs", false))
    text += "! the files differ from the running map: headgate plan, headgate apply\n";
  return text;
}

std::string service_name(std::uint64_t number) {
  return number == 0 ? "" : fmt::format(", program {}", number);
}

std::string heard(const char* what, const json& object, const char* name, std::int64_t now,
                  const char* never) {
  return count(object, name) == 0 ? never : what + ago(object, name, now, never);
}

// udp://[SOURCE@]GROUP:PORT
bool is_multicast(const std::string& url) {
  const auto at = url.find('@');
  const auto slashes = url.find("//");
  const auto begin = at != std::string::npos ? at + 1 : slashes != std::string::npos ? slashes + 2 : 0;
  const int first = std::atoi(url.c_str() + begin);
  return first >= 224 && first <= 239;
}

// What is missing, where nothing comes: the sender, or our membership.
std::string silence_line(const json& input, std::int64_t now) {
  constexpr std::int64_t kSilence = 2'000'000'000;
  const auto last = static_cast<std::int64_t>(count(input, "last_packet_unix_ns"));
  if (last != 0 && now - last <= kSilence) return "";
  std::string text = last == 0 ? "no datagram since the start" : "no datagram since " + local_time(last);
  if (!is_multicast(text_of(input, "url"))) return "    ! " + text + "\n";
  if (count(input, "joined_unix_ns") != 0)
    text += last == 0 ? "; membership reported" : "; membership was reported";
  else
    text += "; no membership reported";
  return "    ! " + text + "\n";
}

// Where it stands among several, and what makes it unfit.
std::string place_of(const json& input) {
  std::string text = input.value("active", false) ? "  on air" : "";
  if (const json troubles = input.value("troubles", json::array()); !troubles.empty())
    text += "  ! " + join(troubles);
  return text;
}

std::string input_block(const json& input, std::int64_t now) {
  const json source = input.value("source", json());
  const bool datagrams = !source.is_object();
  std::string text =
      fmt::format("input {}  {}{}\n", count(input, "number"), text_of(input, "url"), place_of(input));
  text += datagrams ? silence_line(input, now) : source_lines(source, now);
  text += fmt::format("    {} bit/s, ", human_bitrate(static_cast<double>(count(input, "bitrate_bps"))));
  if (datagrams) text += fmt::format("{} datagrams, ", count(input, "datagrams"));
  text += fmt::format("{} packets\n    last packet {}", count(input, "ts_packets"),
                      ago(input, "last_packet_unix_ns", now, "never"));
  if (datagrams) text += ", membership " + ago(input, "joined_unix_ns", now, "not reported");
  text += service_name(count(input, "program_number")) + "\n";
  if (const json buffer = input.value("buffer", json()); buffer.is_object()) text += buffer_line(buffer);
  text +=
      fmt::format("    CC errors {}, TEI {}, no sync {}, scrambled {}, duplicates {}, null {}\n",
                  count(input, "cc_errors"), count(input, "transport_errors"), count(input, "sync_errors"),
                  count(input, "scrambled"), count(input, "duplicates"), count(input, "null_packets"));
  if (text_of(input, "url").starts_with("rtp"))
    text += fmt::format("    RTP lost {}, duplicates {}, out of order {}\n", count(input, "rtp_lost"),
                        count(input, "rtp_duplicates"), count(input, "rtp_reordered"));
  text += fmt::format("    PCR {}, jumps {}, longest interval {:.1f} ms\n", count(input, "pcr_count"),
                      count(input, "pcr_discontinuities"),
                      static_cast<double>(count(input, "pcr_interval_max_ns")) / 1e6);
  text += services_line(input);
  text += indicator_lines(input);
  text += delivery_line(input);
  text += drops_line(input.at("drops"));
  if (!input.at("pids").empty())
    text += "    PID     WHAT                   bit/s    packets  CC errors  scrambled\n";
  for (const json& pid : input.at("pids")) {
    std::string what = text_of(pid, "what");
    if (pid.value("has_pcr", false)) what += what.empty() ? "PCR" : " + PCR";
    const auto gone = static_cast<std::int64_t>(count(pid, "gone_since_unix_ns"));
    const std::string rate = gone == 0 ? human_bitrate(static_cast<double>(count(pid, "bitrate_bps")))
                                       : "gone " + human_age(gone, now);
    // What is longer than its column takes of the one before.
    const std::size_t room = 28 - std::min<std::size_t>(28, std::max<std::size_t>(6, width(rate)));
    text += strip_end(fmt::format("    0x{:04x}  {}{}  {:>9}  {:>9}  {:>9}", count(pid, "pid"),
                                  padded(what, room), padded(rate, 28 - room, true), count(pid, "packets"),
                                  count(pid, "cc_errors"), count(pid, "scrambled")));
  }
  if (const auto beyond = count(input, "pids_beyond"); beyond != 0)
    text += fmt::format("    and {} more\n", counted(beyond, "PID"));
  return text;
}

std::string track_line(const json& track) {
  std::string text = fmt::format("    0x{:04x}  {:<12} {}", count(track, "pid"), text_of(track, "kind"),
                                 text_of(track, "codec"));
  if (count(track, "height") != 0)
    text += fmt::format(" {}x{}", count(track, "width"), count(track, "height"));
  if (count(track, "sample_rate") != 0)
    text += fmt::format(" {} Hz {} ch", count(track, "sample_rate"), count(track, "channels"));
  if (const auto language = text_of(track, "language"); !language.empty() && language != "und")
    text += " " + language;
  if (!track.value("carried", true)) text += " left out: " + text_of(track, "reason");
  return text + "\n";
}

double level(const json& levels, const char* name) {
  const auto found = levels.find(name);
  return found != levels.end() && found->is_number() ? found->get<double>() : 0;
}

// What was seen and heard of it, and what is wrong with that.
std::string watch_block(const json& watch) {
  if (!watch.is_object()) return "";
  std::string text = "watch\n";
  if (watch.contains("picture") && watch["picture"].is_object())
    text += fmt::format("    picture luma {} of 255, {} to {}\n", count(watch["picture"], "mean"),
                        count(watch["picture"], "darkest"), count(watch["picture"], "brightest"));
  for (const json& track : watch.value("tracks", json::array())) {
    if (!track.is_object() || !track.contains("levels") || !track["levels"].is_object()) continue;
    const json& levels = track["levels"];
    text += fmt::format("    0x{:04x}  {:.1f} LUFS, peak {:.1f} dBFS, correlation {:.2f}\n",
                        count(track, "pid"), level(levels, "short_term_lufs"), level(levels, "peak_dbfs"),
                        level(levels, "correlation"));
  }
  for (const json& finding : watch.value("findings", json::array())) {
    const std::string of =
        count(finding, "track") == 0 ? "" : fmt::format(" 0x{:04x}", count(finding, "track"));
    text += fmt::format("  ! {}{}: {}\n", text_of(finding, "kind"), of, text_of(finding, "text"));
  }
  return text;
}

// How the bridge carries the channel: its tracks, then HLS.
std::string bridge_block(const json& bridge, const json& serves) {
  std::string text;
  if (bridge.contains("tracks") && bridge["tracks"].is_array() && !bridge["tracks"].empty()) {
    text += "tracks\n";
    for (const json& track : bridge["tracks"]) text += track_line(track);
  }
  if (bridge.contains("watch")) text += watch_block(bridge["watch"]);
  if (bridge.contains("hls") && bridge["hls"].is_object()) {
    const json& hls = bridge["hls"];
    text += strip_end("segments of HLS  " + text_of(hls, "codecs"));
    text += fmt::format(
        "    {} listed from {}, {} made, {},\n    {}, {}\n", counted(count(hls, "segment_count"), "segment"),
        count(hls, "media_sequence"), count(hls, "segments_total"), counted(count(hls, "gaps"), "gap"),
        count(hls, "discontinuities") == 1 ? "1 discontinuity"
                                           : fmt::format("{} discontinuities", count(hls, "discontinuities")),
        counted(count(hls, "viewers"), "viewer"));
    text += fmt::format(
        "    {} bit/s on average, {} at most;\n    damaged PES packets {}, groups of pictures too long {}, "
        "write errors {}\n",
        human_bitrate(static_cast<double>(count(hls, "average_bandwidth"))),
        human_bitrate(static_cast<double>(count(hls, "bandwidth"))), count(hls, "damaged_pes"),
        count(hls, "gop_too_long"), count(hls, "write_errors"));
    if (const auto error = text_of(hls, "last_error"); !error.empty())
      text += "    last error: " + error + "\n";
  }
  // SRT and TS over HTTP carry all services.
  const bool takes_one = std::any_of(serves.begin(), serves.end(), [](const json& protocol) {
    return protocol == "hls" || protocol == "rtmp";
  });
  if (takes_one && bridge.value("program_unset", false))
    text +=
        "! program_unset: several services come in and the map names none; HLS and\n  RTMP take the first "
        "with clear media\n";
  return text;
}

// What players may fetch: addresses, who does, and what they don't get.
std::string serve_block(const json& output) {
  std::string text;
  for (const json& address : output.at("addresses"))
    text +=
        fmt::format("{:<8}{}\n", text.empty() ? text_of(output, "protocol") : "", address.get<std::string>());
  if (text.empty()) text = text_of(output, "protocol") + "\n";
  const char* players = text_of(output, "protocol") == "hls" ? "viewer" : "player";
  std::string line = output.at("sessions").is_number() ? counted(count(output, "sessions"), players)
                                                       : fmt::format("{}s unknown", players);
  if (output.at("bitrate_bps").is_number())
    line += fmt::format(", {} bit/s", human_bitrate(static_cast<double>(count(output, "bitrate_bps"))));
  if (output.at("bytes").is_number()) line += ", " + counted(count(output, "bytes"), "byte");
  if (const auto whose = text_of(output, "passphrase"); !whose.empty())
    line += fmt::format(", asks for the passphrase of the {}", whose);
  text += "    " + line + "\n";
  if (const auto closed = text_of(output, "closed"); !closed.empty())
    text += fmt::format("  ! closed: {}\n", closed);
  return text + tracks_left_out(output);
}

}  // namespace

std::string human_bitrate(double bits) {
  if (bits <= 0) return "-";
  if (bits >= 999.5e6) return fmt::format("{:.2f}G", bits / 1e9);
  if (bits >= 999.5e3) return fmt::format("{:.2f}M", bits / 1e6);
  return fmt::format("{:.0f}k", bits / 1e3);
}

std::string human_age(std::int64_t then, std::int64_t now) {
  if (then == 0) return "-";
  const std::int64_t seconds = std::max<std::int64_t>(0, (now - then) / 1'000'000'000);
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
  if (seconds < 86400) return fmt::format("{}h{:02}m", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{}d{:02}h", seconds / 86400, seconds / 3600 % 24);
}

std::string local_time(std::int64_t unix_ns) {
  const std::time_t seconds = unix_ns / 1'000'000'000;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  return text;
}

std::string render_status(const json& status, bool colour) {
  const std::int64_t now = status.at("now_unix_ns").get<std::int64_t>();
  std::string text = map_line(status);
  text += render_alarm_lines(status.at("alarms"), now, colour);
  text += "\n";
  std::size_t id_width = 7;
  for (const json& channel : status.at("channels"))
    id_width = std::max(id_width, std::min<std::size_t>(kWidestId, width(text_of(channel, "id"))));
  text +=
      strip_end(padded("CHANNEL", id_width) + "  STATE     IN  BITRATE  CC ERR  DROPS  OUT  VIEWERS  SINCE");
  for (const json& channel : status.at("channels")) {
    const std::string state = text_of(channel, "state");
    // An id is typed as it stands: one that is too long has a line of its own.
    std::string id = text_of(channel, "id");
    if (width(id) > id_width) text += std::exchange(id, "") + "\n";
    std::string line = padded(id, id_width) + "  " + painted(padded(state, 8), state, colour);
    line += padded(number_or_dash(channel.at("input")), 4, true);
    line += padded(human_bitrate(static_cast<double>(count(channel, "bitrate_bps"))), 9, true);
    line += padded(std::to_string(count(channel, "cc_errors")), 8, true) +
            padded(std::to_string(count(channel, "drops")), 7, true);
    line += padded(std::to_string(count(channel, "outputs")), 5, true) +
            padded(number_or_dash(channel.at("viewers")), 9, true);
    line += "  " + human_age(channel.at("since_unix_ns").get<std::int64_t>(), now);
    text += strip_end(line);
    if (const std::string reason = text_of(channel, "reason");
        (state != "ok" && state != "disabled") && !reason.empty())
      text += wrapped("  ", reason, 2);
    if (const std::string lately = indicators_lately(channel); !lately.empty())
      text += wrapped("  ", lately, 2);
  }
  if (status.at("channels").empty()) text += "(no channels)\n";
  text += "\n";
  for (const json& multiplex : status.value("multiplexes", json::array()))
    text += multiplex_text(multiplex, colour);
  for (const json& interface : status.value("interfaces", json::array())) text += interface_line(interface);
  return text + "\n" + wrapped("", processes_line(status.at("processes")), 4);
}

std::string render_channel(const json& channel, bool colour) {
  const std::int64_t now = channel.at("now_unix_ns").get<std::int64_t>();
  const std::string state = text_of(channel, "state");
  std::string text = text_of(channel, "id");
  if (channel.at("number").is_number()) text += fmt::format(" ({})", count(channel, "number"));
  if (text_of(channel, "name") != text_of(channel, "id")) text += "  " + text_of(channel, "name");
  if (!channel.at("tags").empty()) text += "  [" + join(channel["tags"]) + "]";
  const std::string reason = text_of(channel, "reason");
  text += fmt::format("\n{} since {}{}{}\n\n", painted(state, state, colour),
                      human_age(channel.at("since_unix_ns").get<std::int64_t>(), now),
                      reason.empty() ? "" : ": ", reason);
  for (const json& input : channel.at("inputs")) text += input_block(input, now);
  text += switch_block(channel, now);
  if (channel.at("inputs").empty()) text += "input: the fast path has none (disabled, or not running)\n";
  for (const json& interface : channel.value("interfaces", json::array())) {
    text += interface_line(interface);
    for (const json& drop : interface.at("drops"))
      text += fmt::format("    {}: {}\n", text_of(drop, "reason"), text_of(drop, "sentence"));
  }
  for (const json& network : channel.at("networks")) {
    const auto version = count(network, "igmp_version");
    // Without a querier a switch that snoops forgets what was reported.
    const bool unheard = count(network, "last_query_unix_ns") == 0;
    text += fmt::format("{}membership on {}{}: {}, {}, {}, {}\n", unheard ? "! " : "",
                        text_of(network, "interface"),
                        count(network, "vlan") == 0 ? "" : fmt::format(" VLAN {}", count(network, "vlan")),
                        version == 0 ? "IGMP" : fmt::format("IGMPv{}", version),
                        heard("last query ", network, "last_query_unix_ns", now, "no query seen"),
                        heard("last report ", network, "last_report_unix_ns", now, "no report sent"),
                        counted(count(network, "groups"), "group"));
    if (unheard) text += "  without a querier a snooping switch stops forwarding after some minutes\n";
  }
  for (const json& output : channel.at("push")) {
    if (output.contains("state")) {
      text += bridge_push_block(output, now);
      continue;
    }
    text += multicast_block(output, now);
  }
  for (const json& in : channel.value("multiplexes", json::array()))
    text += fmt::format("in multiplex {} as service {}\n", text_of(in, "id"),
                        number_or_dash(in.value("program_number", json())));
  for (const json& output : channel.value("serve", json::array())) text += serve_block(output);
  if (channel.at("bridge").is_object())
    text += bridge_block(channel["bridge"], channel.value("serves", json::array()));
  text += sound_block(channel, now);
  return text + "\n" + wrapped("processes: ", processes_line(channel.at("processes")), 4);
}

}  // namespace headgate::control

#include "control/cli/render_sessions.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "control/cli/columns.h"
#include "control/cli/render.h"
#include "control/cli/render_json.h"
#include "control/protocol/counted.h"

namespace headgate::control {
namespace {

using nlohmann::json;

constexpr std::size_t kAge = 6, kRate = 6, kLost = 6, kRoundTrip = 5;
constexpr std::size_t kWay = 14;  // "srt publisher"
constexpr std::size_t kLongestChannel = 14;

bool waits(const json& session) {
  const std::string state = text_of(session, "state");
  return state == "waiting" || state == "connecting";
}

std::string round_trip(const json& session) {
  const json rtt = session.value("rtt_ns", json());
  if (!rtt.is_number()) return "-";
  const double ms = rtt.get<double>() / 1e6;
  return fmt::format("{:.{}f}", ms, ms < 10 ? 1 : 0);
}

std::string short_count(std::uint64_t number) {
  if (number < 100'000) return number == 0 ? "-" : std::to_string(number);
  return number < 10'000'000 ? fmt::format("{}k", number / 1000) : fmt::format("{}M", number / 1'000'000);
}

struct Widths {
  std::size_t id = 2, channel = 7, address = 7;
};

Widths widths_of(const json& sessions) {
  Widths out;
  for (const json& session : sessions) {
    out.id = std::max(out.id, width(text_of(session, "id")));
    out.channel = std::max(out.channel, width(text_of(session, "channel")));
  }
  out.channel = std::min(out.channel, kLongestChannel);
  const std::size_t taken = out.id + out.channel + kWay + kAge + kRate + kLost + kRoundTrip + 7;
  out.address = taken + out.address < kColumns ? kColumns - taken : out.address;
  return out;
}

std::string row(const Widths& widths, const std::vector<std::string>& cells) {
  return padded(cells[0], widths.id) + " " + padded(fitted(cells[1], widths.channel), widths.channel) + " " +
         padded(cells[2], kWay) + " " + padded(fitted(cells[3], widths.address), widths.address) + " " +
         padded(cells[4], kAge, true) + " " + padded(cells[5], kRate, true) + " " +
         padded(cells[6], kLost, true) + " " + padded(cells[7], kRoundTrip, true);
}

std::string session_block(const json& session, const Widths& widths, std::int64_t now, bool colour) {
  const std::string rate = human_bitrate(static_cast<double>(count(session, "bitrate_bps")));
  const std::string address = text_of(session, "address");
  std::string line = row(
      widths, {text_of(session, "id"), text_of(session, "channel"),
               text_of(session, "protocol") + " " + text_of(session, "role"), address.empty() ? "-" : address,
               human_age(session.value("since_unix_ns", std::int64_t{0}), now), rate,
               short_count(count(session, "skipped")), round_trip(session)});
  std::string text = waits(session) ? painted(line, "degraded", colour) + "\n" : strip_end(std::move(line));
  const auto below = [&](const std::string& what) { text += fitted("    " + what, kColumns) + "\n"; };
  if (const std::string agent = text_of(session, "user_agent"); !agent.empty()) below(agent);
  if (const std::string url = text_of(session, "url"); !url.empty())
    below(url + (waits(session) ? ", " + text_of(session, "state") : ""));
  if (const std::string error = text_of(session, "error"); !error.empty())
    text += wrapped("    ! ", error, 6);
  return text;
}

}  // namespace

std::string render_sessions(const json& answer, bool colour) {
  const json sessions = answer.value("sessions", json::array());
  if (sessions.empty()) return "nobody is connected\n";
  const Widths widths = widths_of(sessions);
  std::string text =
      strip_end(row(widths, {"ID", "CHANNEL", "PROTOCOL, ROLE", "ADDRESS", "SINCE", "BIT/S", "LOST", "RTT"}));
  for (const json& session : sessions)
    text += session_block(session, widths, answer.value("now_unix_ns", std::int64_t{0}), colour);
  if (const std::uint64_t left_out = count(answer, "left_out"); left_out > 0)
    text += wrapped("",
                    fmt::format("{} of {} shown: those that lose most, then the newest; name a channel, or "
                                "--last N",
                                sessions.size(), protocol::counted(count(answer, "total"), "session")),
                    0);
  return text;
}

std::string render_kicked(const json& answer) {
  const json session = answer.value("kicked", json::object());
  const std::string address = text_of(session, "address"), role = text_of(session, "role");
  std::string text =
      fmt::format("{} ended: {} of {} by {}{}", text_of(session, "id"), role, text_of(session, "channel"),
                  text_of(session, "protocol"), address.empty() ? "" : ", " + address);
  if (role == "push" || role == "pull") text += "; it connects anew at once";
  if (text_of(session, "protocol") == "hls" && role == "player") text += "; it is refused for a minute";
  if (role == "publisher") text += "; an encoder that tries again is let in, as long as its key is in force";
  return wrapped("", text, 0);
}

}  // namespace headgate::control

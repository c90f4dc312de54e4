#include "control/cli/render_sessions.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <vector>

#include "control/cli/columns.h"
#include "control/cli/render.h"
#include "control/cli/render_json.h"
#include "control/protocol/counted.h"

namespace headgate::control {
namespace {

using nlohmann::json;

constexpr std::size_t kCells = 8, kChannel = 1, kAddress = 3, kFirstNumber = 4;  // columns
constexpr std::size_t kLongestChannel = 14, kShortestAddress = 7;

using Cells = std::array<std::string, kCells>;
using Widths = std::array<std::size_t, kCells>;

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

Cells cells_of(const json& session, std::int64_t now) {
  const std::string address = text_of(session, "address");
  return {text_of(session, "id"),
          text_of(session, "channel"),
          text_of(session, "protocol") + " " + text_of(session, "role"),
          address.empty() ? "-" : address,
          human_age(session.value("since_unix_ns", std::int64_t{0}), now),
          human_bitrate(static_cast<double>(count(session, "bitrate_bps"))),
          short_count(count(session, "skipped")),
          round_trip(session)};
}

// As wide as what stands in them; the addresses take what is left.
Widths widths_of(const std::vector<Cells>& rows) {
  Widths out{};
  for (const Cells& row : rows) {
    for (std::size_t i = 0; i < kCells; ++i) out[i] = std::max(out[i], width(row[i]));
  }
  out[kChannel] = std::min(out[kChannel], kLongestChannel);
  std::size_t others = kCells - 1;
  for (std::size_t i = 0; i < kCells; ++i) others += i == kAddress ? 0 : out[i];
  const std::size_t left = others < kColumns ? kColumns - others : 0;
  out[kAddress] = std::max(std::min(out[kAddress], left), kShortestAddress);
  return out;
}

std::string line_of(const Cells& cells, const Widths& widths) {
  std::string line;
  for (std::size_t i = 0; i < kCells; ++i)
    line += (i == 0 ? "" : " ") + padded(fitted(cells[i], widths[i]), widths[i], i >= kFirstNumber);
  return line;
}

std::string session_block(const json& session, std::string line, bool colour) {
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
  const std::int64_t now = answer.value("now_unix_ns", std::int64_t{0});
  std::vector<Cells> rows{{"ID", "CHANNEL", "PROTOCOL, ROLE", "ADDRESS", "SINCE", "BIT/S", "LOST", "RTT"}};
  for (const json& session : sessions) rows.push_back(cells_of(session, now));
  const Widths widths = widths_of(rows);
  std::string text = strip_end(line_of(rows[0], widths));
  for (std::size_t i = 0; i < sessions.size(); ++i)
    text += session_block(sessions[i], line_of(rows[i + 1], widths), colour);
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

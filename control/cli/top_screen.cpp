#include "control/cli/top_screen.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "control/cli/columns.h"
#include "control/cli/render.h"
#include "control/cli/render_alarms.h"
#include "control/cli/render_json.h"
#include "control/cli/render_stream.h"

namespace headgate::control {
namespace {

using nlohmann::json;

constexpr std::size_t kMostAlarms = 4;
constexpr std::size_t kWhole = 100'000;  // columns: an alarm is one line, cut
constexpr std::size_t kFixed = 55;       // columns of all but id and reason

int badness(const std::string& state) {
  constexpr const char* kWorstFirst[] = {"down", "degraded", "backup", "waiting", "ok", "disabled"};
  const auto found = std::find(std::begin(kWorstFirst), std::end(kWorstFirst), state);
  return static_cast<int>(found - std::begin(kWorstFirst));
}

std::string number_or_dash(const json& channel, const char* name) {
  const json value = channel.value(name, json());
  return value.is_number() ? std::to_string(value.get<std::uint64_t>()) : "-";
}

// An id column as wide as the ids need and the screen has room for.
std::size_t id_width(const std::vector<json>& channels, std::size_t columns) {
  const std::size_t room = columns > kFixed + 7 ? columns - kFixed : 7;
  std::size_t wanted = 7;
  for (const json& channel : channels) wanted = std::max(wanted, width(text_of(channel, "id")));
  return std::min({wanted, room, std::size_t{32}});
}

}  // namespace

const std::vector<std::string>& TopScreen::orders() {
  static const std::vector<std::string> kOrders{"state", "id", "bitrate", "errors", "viewers", "since"};
  return kOrders;
}

void TopScreen::take(const json& status, const json& alarms) {
  status_ = status;
  alarms_ = alarms.value("alarms", json::array());
  fresh_.clear();
  std::map<std::string, std::uint64_t> errors;
  for (const json& channel : status_.value("channels", json::array())) {
    const std::string id = text_of(channel, "id");
    errors[id] = count(channel, "cc_errors");
    const auto before = errors_.find(id);
    if (before != errors_.end() && errors[id] > before->second) fresh_[id] = errors[id] - before->second;
  }
  errors_ = std::move(errors);
  arrange();
}

void TopScreen::sort_by(const std::string& order) {
  order_ = order;
  arrange();
}

void TopScreen::arrange() {
  json channels = status_.value("channels", json::array());
  keep_matching(channels, filter_);
  shown_.assign(channels.begin(), channels.end());
  // Most first; the worst first among equals.
  const auto weight = [this](const json& channel) -> std::uint64_t {
    if (order_ == "bitrate") return count(channel, "bitrate_bps");
    if (order_ == "viewers") return count(channel, "viewers");
    if (order_ == "since") return count(channel, "since_unix_ns");
    const auto fresh = fresh_.find(text_of(channel, "id"));
    const std::uint64_t now = fresh == fresh_.end() ? 0 : fresh->second;
    return now * 1'000'000'000 + std::min<std::uint64_t>(count(channel, "cc_errors"), 999'999'999);
  };
  std::stable_sort(shown_.begin(), shown_.end(), [&](const json& a, const json& b) {
    if (order_ == "id") return text_of(a, "id") < text_of(b, "id");
    if (order_ != "state" && weight(a) != weight(b)) return weight(a) > weight(b);
    return badness(text_of(a, "state")) < badness(text_of(b, "state"));
  });
  const bool there = std::any_of(shown_.begin(), shown_.end(),
                                 [this](const json& channel) { return text_of(channel, "id") == selected_; });
  if (!there) selected_ = shown_.empty() ? "" : text_of(shown_.front(), "id");
}

std::string TopScreen::selected() const { return selected_; }

void TopScreen::move(int by) {
  if (shown_.empty()) return;
  const auto at = std::find_if(shown_.begin(), shown_.end(),
                               [this](const json& channel) { return text_of(channel, "id") == selected_; });
  const auto from = static_cast<long>(at == shown_.end() ? 0 : at - shown_.begin());
  const auto to = std::clamp<long>(from + by, 0, static_cast<long>(shown_.size()) - 1);
  selected_ = text_of(shown_[static_cast<std::size_t>(to)], "id");
}

std::string TopScreen::head_line(std::size_t columns) const {
  std::map<std::string, std::size_t> states;
  for (const json& channel : status_.value("channels", json::array())) ++states[text_of(channel, "state")];
  std::string text =
      fmt::format("{}  {}", text_of(status_, "node"), status_.value("ready", false) ? "ready" : "NOT READY");
  for (const char* state : {"down", "degraded", "backup", "waiting", "ok", "disabled"}) {
    if (const auto found = states.find(state); found != states.end())
      text += fmt::format("  {} {}", found->second, state);
  }
  const std::string right =
      fmt::format("by {}{}  {}", order_, filter_.pattern.empty() ? "" : "  /" + filter_.pattern,
                  local_time(status_.value("now_unix_ns", std::int64_t{0})).substr(11));
  if (width(text) + 2 + width(right) > columns) return fitted(text, columns);
  return padded(text, columns - width(right)) + right;
}

ScreenLine TopScreen::channel_line(const json& channel, std::size_t columns) const {
  const std::string id = text_of(channel, "id"), state = text_of(channel, "state");
  const std::size_t ids = id_width(shown_, columns);
  const auto fresh = fresh_.find(id);
  std::string errors = std::to_string(count(channel, "cc_errors"));
  if (fresh != fresh_.end()) errors = "+" + std::to_string(fresh->second) + " " + errors;
  std::string line = padded(fitted(id, ids), ids) + "  " + padded(state, 8);
  line += padded(number_or_dash(channel, "input"), 4, true);
  line += padded(human_bitrate(static_cast<double>(count(channel, "bitrate_bps"))), 9, true);
  line += padded(errors, 13, true) + padded(number_or_dash(channel, "viewers"), 8, true);
  line += padded(human_age(channel.value("since_unix_ns", std::int64_t{0}),
                           status_.value("now_unix_ns", std::int64_t{0})),
                 8, true);
  for (const std::string& why : {text_of(channel, "reason"), indicators_lately(channel)}) {
    if (!why.empty()) line += "  " + why;
  }
  return {fitted(line, columns), state, id == selected_, false};
}

std::vector<ScreenLine> TopScreen::lines(std::size_t rows, std::size_t columns, const std::string& note) {
  std::vector<ScreenLine> screen;
  screen.push_back({head_line(columns), "", false, true});
  std::size_t alarms = 0;
  const std::string text =
      render_alarm_lines(alarms_, status_.value("now_unix_ns", std::int64_t{0}), false, kWhole, false);
  for (std::size_t at = 0; at < text.size() && alarms < kMostAlarms; ++alarms) {
    const auto end = std::min(text.find('\n', at), text.size());
    screen.push_back({fitted(text.substr(at, end - at), columns), "critical", false, false});
    at = end + 1;
  }
  if (!note.empty()) screen.push_back({fitted(note, columns), "warning", false, true});
  const std::size_t ids = id_width(shown_, columns);
  screen.push_back(
      {fitted(padded("CHANNEL", ids) + "  STATE     IN  BITRATE    CC ERRORS VIEWERS   SINCE  WHY", columns),
       "", false, true});
  const std::size_t head = screen.size();
  const std::size_t room = rows > head + 1 ? rows - head - 1 : 1;
  const auto at = std::find_if(shown_.begin(), shown_.end(),
                               [this](const json& channel) { return text_of(channel, "id") == selected_; });
  const auto index = static_cast<std::size_t>(at == shown_.end() ? 0 : at - shown_.begin());
  if (index < first_) first_ = index;
  if (index >= first_ + room) first_ = index - room + 1;
  if (first_ + room > shown_.size()) first_ = shown_.size() > room ? shown_.size() - room : 0;
  for (std::size_t i = first_; i < shown_.size() && i < first_ + room; ++i)
    screen.push_back(channel_line(shown_[i], columns));
  while (screen.size() + 1 < rows) screen.push_back({});
  const std::size_t last = std::min(shown_.size(), first_ + room);
  const std::string at_foot =
      fmt::format("{}-{} of {}   ", shown_.empty() ? 0 : first_ + 1, last, shown_.size());
  std::string keys = "sort: s)tate i)d b)itrate e)rrors v)iewers n)ewest   / find   Enter why   q quit";
  if (width(at_foot + keys) > columns) keys = "sort: s i b e v n   / find   Enter why   q quit";
  screen.push_back({fitted(at_foot + keys, columns), "", false, true});
  if (screen.size() > rows) screen.resize(rows);
  return screen;
}

}  // namespace headgate::control

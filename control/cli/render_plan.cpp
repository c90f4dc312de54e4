// What a plan changes, and whom that interrupts.
#include <fmt/core.h>

#include "control/cli/render.h"
#include "control/cli/render_json.h"
#include "control/cli/render_values.h"
#include "control/protocol/counted.h"

namespace headgate::control {
namespace {

using nlohmann::json;
using protocol::counted;

std::string files_text(const json& answer) {
  std::string text;
  for (const json& file : answer.value("files", json::array())) {
    const std::string state = text_of(file, "state"), path = text_of(file, "path");
    const std::string map = answer.at("number").is_number()
                                ? fmt::format("map {}", answer["number"].get<std::uint32_t>())
                                : std::string("the running map");
    if (state == "gone")
      text += fmt::format("not read any more: {} (of {})\n", path, map);
    else if (state == "same")
      text += fmt::format("read {}: as in {}\n", path, map);
    else
      text += fmt::format("read {}: {} {}, changed {}\n", path, state == "new" ? "not in" : "differs from",
                          map, local_time(file.at("changed_unix_ns").get<std::int64_t>()));
  }
  return text;
}

// Of HLS nobody knows who plays, only who asks.
std::string player_of(const std::string& protocol) {
  if (protocol == "hls") return "HLS viewer";
  return protocol + " player";
}

// " (2 rtmp players)" of a channel that goes.
std::string sent_away(const json& answer, const std::string& id) {
  std::string text;
  const json sessions = answer.value("sessions", json::object()).value(id, json::object());
  for (const auto& [protocol, players] : sessions.items()) {
    if (players.get<std::uint64_t>() == 0) continue;
    text += (text.empty() ? "" : " and ") + counted(players.get<std::uint64_t>(), player_of(protocol));
  }
  return text.empty() ? "" : " (" + text + ")";
}

std::string listeners_text(const json& plan) {
  std::string text;
  for (const json& listener : plan.value("listeners", json::array())) {
    std::string players;
    for (const json& protocol : listener.at("protocols"))
      players += (players.empty() ? "" : " and ") + player_of(protocol.get<std::string>()) + "s";
    const json others = listener.value("others", json::array());
    const bool closes = listener.value("closes", true);
    text += fmt::format("! {}: {} {}: interrupts {} there{}\n", text_of(listener, "key"),
                        text_of(listener, "address"), closes ? "closes" : "has another passphrase", players,
                        closes && !others.empty() ? ", who must come again under " + join(others) : "");
  }
  return text;
}

std::string renditions_text(const json& plan, bool done) {
  std::string text;
  for (const json& change : plan.value("renditions", json::array())) {
    const std::string before = text_of(change, "before"), after = text_of(change, "after");
    const bool breaks = change.value("interrupts_viewers", false);
    text += fmt::format("{} rendition {}: {}{}\n",
                        before.empty()  ? '+'
                        : after.empty() ? '-'
                                        : '~',
                        text_of(change, "id"),
                        before.empty()  ? after
                        : after.empty() ? before
                                        : before + " -> " + after,
                        breaks ? (done ? " (interrupted its HLS viewers)" : " (interrupts its HLS viewers)")
                        : before.empty() ? ""
                                         : " (nobody is interrupted)");
  }
  return text;
}

std::string multiplexes_text(const json& plan, bool done) {
  std::string text;
  for (const json& change : plan.value("multiplexes", json::array())) {
    const std::string before = text_of(change, "before"), after = text_of(change, "after");
    const bool breaks = change.value("interrupts_media", false);
    text += fmt::format("{} multiplex {}: {}{}\n",
                        before.empty()  ? '+'
                        : after.empty() ? '-'
                                        : '~',
                        text_of(change, "id"),
                        before.empty()  ? after
                        : after.empty() ? before
                                        : before + " -> " + after,
                        breaks ? (done ? " (interrupted its multicast)" : " (interrupts its multicast)")
                        : before.empty() ? ""
                                         : " (the channels that stay are not interrupted)");
  }
  return text;
}

std::string broken_text(const json& answer, const json& change) {
  std::string broken;
  const auto add = [&](const std::string& what) { broken += (broken.empty() ? "" : " and ") + what; };
  const std::string id = text_of(change, "id");
  const bool media = change.value("interrupts_media", false);
  if (media) add("multicast out");
  for (const json& push : change.value("interrupts_pushes", json::array())) {
    const std::string url = push.get<std::string>();
    if (media && (url.starts_with("udp://") || url.starts_with("rtp://"))) continue;  // said with multicast
    add("push " + url);
  }
  const json sessions = answer.value("sessions", json::object()).value(id, json::object());
  for (const json& protocol : change.value("interrupts_viewers", json::array())) {
    const std::string name = protocol.get<std::string>(), what = player_of(name);
    add(sessions.contains(name) ? counted(sessions[name].get<std::uint64_t>(), what) : what + "s");
  }
  return broken;
}

}  // namespace

std::string render_plan(const json& answer, bool done) {
  const json& plan = answer.at("plan");
  std::string text = done ? "" : files_text(answer);
  for (const json& id : plan.at("added")) text += fmt::format("+ {}\n", id.get<std::string>());
  for (const json& change : plan.at("changed")) {
    const std::string broken = broken_text(answer, change);
    text += fmt::format("~ {}: {}{}\n", text_of(change, "id"), join(change.at("keys")),
                        broken.empty() ? " (nobody is interrupted)"
                                       : (done ? " (interrupted " : " (interrupts ") + broken + ")");
    text += values_text(change, "values");
  }
  for (const json& id : plan.at("removed"))
    text += fmt::format("- {}{}\n", id.get<std::string>(), sent_away(answer, id.get<std::string>()));
  text += renditions_text(plan, done);
  text += multiplexes_text(plan, done);
  for (const json& key : plan.at("node_keys"))
    text += fmt::format("~ node file: {}\n", key.get<std::string>());
  text += values_text(plan, "node_values") + listeners_text(plan);
  for (const json& process : plan.at("restarts")) {
    const bool fastpath = process.get<std::string>() == "fastpath";
    text +=
        fmt::format("! {} the {}: {}\n", done ? "restarted" : "restarts", fastpath ? "fast path" : "bridge",
                    fastpath ? "every channel pauses for about a second"
                             : "HLS viewers wait up to 2 s, multicast goes on");
  }
  if (!plan.at("refused").empty())
    text += fmt::format("! refused: {} can't change while the gateway runs\n", join(plan["refused"]));
  for (const json& warning : answer.value("warnings", json::array()))
    text += fmt::format("! {}\n", warning.get<std::string>());
  return text + fmt::format("{} added, {} changed, {} removed, {} untouched\n", plan.at("added").size(),
                            plan.at("changed").size(), plan.at("removed").size(),
                            plan.at("untouched").size());
}

std::string render_applied(const json& answer) {
  if (!answer.at("number").is_number()) return "";
  const auto number = answer["number"].get<std::uint32_t>();
  if (!answer.value("changed", true)) return fmt::format("nothing to change: map {} stays\n", number);
  if (!answer.contains("restores") || !answer["restores"].is_number())
    return fmt::format("applied as map {}\n", number);
  std::string text = fmt::format("rolled back to map {}, applied as map {}\n",
                                 answer["restores"].get<std::uint32_t>(), number);
  if (answer.value("files_differ", false))
    text +=
        "! the files still hold another map: the next apply (or reload) would bring it\n"
        "  back. Mend them first; headgate plan shows the difference\n";
  return text;
}

}  // namespace headgate::control

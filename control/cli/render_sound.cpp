// The part of a channel's page about AAC that is made of its sound.
#include <fmt/format.h>

#include "control/cli/render.h"
#include "control/cli/render_json.h"
#include "control/cli/render_ways.h"

namespace headgate::control {

using nlohmann::json;

namespace {

std::string since(const json& track, std::int64_t now) {
  const auto found = track.find("since_unix");
  if (found == track.end() || !found->is_number()) return "";
  return " for " + human_age(static_cast<std::int64_t>(found->get<double>() * 1e9), now);
}

std::string twin_lines(const json& track, std::int64_t now) {
  const std::string language = text_of(track, "language");
  const std::string state = text_of(track, "state");
  std::string text =
      fmt::format("    0x{:04x} {}{} -> 0x{:04x} aac  {}{}", count(track, "pid"), text_of(track, "kind"),
                  language.empty() ? "" : " " + language, count(track, "twin"), state, since(track, now));
  if (state == "running" || state == "late")
    text += fmt::format(", {:.1f} s behind", static_cast<double>(count(track, "lag_ms")) / 1000);
  text +=
      fmt::format("\n           {} frames, {} of them silence, {} gaps, {} too late\n",
                  count(track, "frames"), count(track, "filled"), count(track, "gaps"), count(track, "late"));
  if (const auto trouble = text_of(track, "trouble"); !trouble.empty()) text += "  ! " + trouble + "\n";
  return text;
}

}  // namespace

std::string sound_block(const json& channel, std::int64_t now) {
  const json& bridge = channel.at("bridge");
  if (!bridge.is_object() || !bridge.contains("sound") || !bridge["sound"].is_object()) return "";
  std::string text;
  for (const json& track : bridge["sound"].value("tracks", json::array())) {
    if (track.is_object() && track.contains("twin") && track["twin"].is_number())
      text += twin_lines(track, now);
  }
  if (text.empty()) return "";
  const json worker = channel.value("sound_worker", json());
  if (!worker.is_object()) return "aac made of the sound\n" + text + "  ! no worker\n";
  const std::string state = text_of(worker, "state");
  text += fmt::format("  {} worker {}, {} restarts\n", state == "running" ? " " : "!", state,
                      count(worker, "restarts"));
  if (const auto error = text_of(worker, "last_error"); !error.empty())
    text += "      the last one: " + error + "\n";
  return "aac made of the sound\n" + text;
}

}  // namespace headgate::control

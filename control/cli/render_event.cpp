// Lines of the event log, and what a switch answers.
#include <fmt/core.h>

#include "control/catalogue/catalogue.h"
#include "control/cli/columns.h"
#include "control/cli/render.h"
#include "control/cli/render_json.h"

namespace headgate::control {

using nlohmann::json;

std::string render_switch(const json& answer) {
  const std::string channel = text_of(answer, "channel");
  const bool forced = answer.at("input").is_number();
  if (!answer.value("changed", true))
    return forced ? fmt::format("{}: input {} is forced already\n", channel, count(answer, "input"))
                  : fmt::format("{}: automatic already\n", channel);
  if (!forced) return fmt::format("{}: automatic; failover in the map decides\n", channel);
  return fmt::format(
      "{}: input {} forced; it goes on air at its next random access point.\n"
      "headgate switch {} auto ends that; headgate status {} shows it\n",
      channel, count(answer, "input"), channel, channel);
}

std::string render_event(const json& event, bool colour, std::size_t columns, bool explain) {
  const std::string severity = padded(text_of(event, "severity"), 8);
  const std::string subject = text_of(event, "subject"), kind = text_of(event, "kind");
  const std::string time = local_time(event.at("unix_ns").get<std::int64_t>()) + "  ";
  const std::string_view means =
      explain ? catalogue::sentence_of(kind, count(event, "alarm") != 0) : std::string_view();
  std::string what = fmt::format("{}{}{}", subject, subject.empty() ? "" : ": ", text_of(event, "message"));
  // For programs that look for lines it stays one.
  const bool folds = columns != std::string::npos;
  if (!means.empty() && !folds) what += fmt::format(" ({})", means);
  std::string text = wrapped(time + severity + "  " + padded(kind, 17) + "  ", what, 4, columns);
  text.replace(time.size(), severity.size(),
               painted(severity, severity.starts_with("info") ? "ok" : text_of(event, "severity"), colour));
  if (!means.empty() && folds) text += wrapped("      ", std::string(means), 6, columns);
  return text;
}

}  // namespace headgate::control

// `headgate why CHANNEL`: the diagnosis on one screen.
#include "control/cli/why.h"

#include <fmt/core.h>

#include "control/catalogue/catalogue.h"
#include "control/cli/columns.h"
#include "control/cli/render.h"
#include "control/cli/render_json.h"

namespace headgate::control {
namespace {

using nlohmann::json;

struct Mark {
  const char* text;
  const char* colour;
};

Mark mark_of(const std::string& verdict) {
  if (verdict == "ok") return {"ok", "\033[32m"};
  if (verdict == "bad") return {"!!", "\033[1;31m"};
  return verdict == "off" ? Mark{"--", "\033[2m"} : Mark{"??", "\033[33m"};
}

std::string stage_block(const json& stage, bool colour) {
  constexpr std::size_t kName = 10, kIndent = 2 + 2 + kName + 2;
  const Mark mark = mark_of(text_of(stage, "verdict"));
  const std::string painted = colour ? std::string(mark.colour) + mark.text + "\033[0m" : mark.text;
  std::string text;
  for (const json& line : stage.value("evidence", json::array())) {
    const std::string begin = text.empty()
                                  ? fmt::format("{}  {:<{}}  ", mark.text, text_of(stage, "name"), kName)
                                  : std::string(kIndent, ' ');
    text += wrapped(begin, line.get<std::string>(), kIndent);
  }
  if (text.empty()) text = fmt::format("{}  {}\n", mark.text, text_of(stage, "name"));
  return painted + text.substr(2);
}

}  // namespace

std::string render_why(const json& why, std::int64_t now, bool colour) {
  const std::string state = text_of(why, "state"), culprit = text_of(why, "culprit");
  const auto since = why.value("since_unix_ns", std::int64_t{0});
  std::string text = fmt::format("{}  {}{}\n\n", text_of(why, "channel"), state,
                                 since == 0 ? "" : ", since " + human_age(since, now));
  for (const json& stage : why.value("stages", json::array())) text += stage_block(stage, colour);
  text += "\n";
  const bool fine = culprit == "none";
  const std::string who =
      fine ? "culprit  none" : fmt::format("culprit  {}", culprit == "unknown" ? "not known" : culprit);
  text += colour && !fine ? "\033[1m" + who + "\033[0m\n" : who + "\n";
  text += wrapped("         ", text_of(why, "verdict"), 9);
  if (const json alarm = why.value("alarm", json()); alarm.is_object()) {
    const std::string kind = text_of(alarm, "kind");
    text += wrapped("alarm    ", kind + " " + text_of(alarm, "subject"), 9);
    text += wrapped("         ", std::string(catalogue::sentence_of(kind, true)), 9);
  }
  if (const std::string remedy = text_of(why, "remedy"); !remedy.empty())
    text += wrapped("do       ", remedy, 9);
  return text;
}

}  // namespace headgate::control

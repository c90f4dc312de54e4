#include "control/diagnosis/diagnosis.h"

#include <algorithm>

#include "control/diagnosis/judgement.h"
#include "control/diagnosis/words.h"

namespace headgate::control {
namespace diagnosis {
namespace {

void judge_all(const Case& about, Judgement& judgement) {
  judge_map(about, judgement);
  judge_host(about, judgement);
  judge_gateway(about, judgement);
  judge_link(about, judgement);
  judge_membership(about, judgement);
  judge_arrival(about, judgement);
  judge_stream(about, judgement);
  judge_input(about, judgement);
  judge_ring(about, judgement);
  judge_bridge(about, judgement);
  judge_watch(about, true, judgement);
  judge_watch(about, false, judgement);
  judge_outputs(about, judgement);
  judge_players(about, judgement);
}

bool well(const Case& about) {
  return about.health.state == ChannelState::ok || about.health.state == ChannelState::backup;
}

// Of what an apply took away the last packets may still come while it is written down.
constexpr std::int64_t kLastOnItsWay = 2 * words::kSecondNs;

// Nothing that was looked at explains it.
Cause unexplained(const Case& about) {
  Cause cause;
  cause.culprit = Culprit::unknown;
  cause.verdict = about.health.reason.empty()
                      ? "Nothing that was seen explains it."
                      : "Nothing that was seen explains it: " + about.health.reason + ".";
  cause.remedy = about.input == nullptr
                     ? "Look at headgate events."
                     : fmt::format("Measure more: headgate probe {}, headgate status {}, headgate events.",
                                   about.input->url, about.channel.id);
  return cause;
}

std::string last_trouble(const Case& about) {
  const auto& events = about.view.events;
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    if (event->severity == "info") continue;
    return fmt::format(" Last trouble {} ago: {}.", words::age(about.age_of(event->unix_ns)), event->message);
  }
  return "";
}

Cause in_order(const Case& about) {
  Cause cause;
  cause.culprit = Culprit::none;
  if (about.health.state == ChannelState::backup)
    cause.verdict = fmt::format("It is on air from input {}; the preferred one is good again.{}",
                                about.health.active_input, last_trouble(about));
  else
    cause.verdict = fmt::format("Nothing has been wrong with it for {}.{}",
                                words::age(about.age_of(about.health.since_unix_ns)), last_trouble(about));
  return cause;
}

// An edit just before explains it better than whoever was waited for since: what was right before is known.
void blame_edit(const Case& about, Cause& cause) {
  if (!cause.by_edit || !about.view.applied) return;
  const auto& applied = *about.view.applied;
  // What came under the new map was not taken away by it.
  const bool silent = !about.flows() && about.seen != nullptr;
  const auto last = silent ? static_cast<std::int64_t>(about.seen->last_packet_unix_ns) : 0;
  if (last > applied.unix_ns + kLastOnItsWay) return;
  const auto since = cause.since_unix_ns != 0 ? cause.since_unix_ns : about.health.since_unix_ns;
  std::string keys = edited(about, since);
  if (keys.empty() && about.health.since_unix_ns != since) keys = edited(about, about.health.since_unix_ns);
  // It has not come yet since it was changed, and still has time for it.
  if (keys.empty() && silent && last == 0 && about.health.nothing_came && about.health.input_changed)
    keys = edited(about, applied.unix_ns);
  if (keys.empty() || keys == "added") return;
  cause.culprit = Culprit::map;
  cause.verdict = fmt::format("Changed by apply {} by {} {} ago: {}. Since then: {}", applied.number,
                              applied.who, words::age(about.age_of(applied.unix_ns)), keys, cause.verdict);
  cause.remedy = fmt::format(
      "Correct it in the map and headgate apply, or go back: headgate apply --rollback "
      "(headgate history). {}",
      cause.remedy);
}

}  // namespace

Cause judge(const Case& about, Judgement& judgement) {
  judge_all(about, judgement);
  const Cause* first = judgement.first();
  Cause cause = first != nullptr ? *first : well(about) ? in_order(about) : unexplained(about);
  blame_edit(about, cause);
  return cause;
}

}  // namespace diagnosis

namespace {

const config::Channel* find_channel_of(const GatewayView& view, const std::string& id) {
  const auto& channels = view.model->channels;
  const auto found =
      std::find_if(channels.begin(), channels.end(), [&](const auto& entry) { return entry.id == id; });
  return found == channels.end() ? nullptr : &*found;
}

const char* to_text(Stage::Verdict verdict) {
  switch (verdict) {
    case Stage::Verdict::ok:
      return "ok";
    case Stage::Verdict::bad:
      return "bad";
    case Stage::Verdict::off:
      return "off";
    case Stage::Verdict::unknown:
      break;
  }
  return "unknown";
}

}  // namespace

std::optional<Diagnosis> diagnose(const GatewayView& view, const std::string& id) {
  const config::Channel* channel = find_channel_of(view, id);
  if (channel == nullptr) return diagnose_multiplex(view, id);
  const diagnosis::Case about(view, *channel);
  diagnosis::Judgement judgement;
  const diagnosis::Cause cause = diagnosis::judge(about, judgement);
  Diagnosis result;
  result.channel = id;
  result.state = to_string(about.health.state);
  result.culprit = cause.culprit;
  result.verdict = cause.verdict;
  result.remedy = cause.remedy;
  // What harms nothing yet says nothing of how long the channel has been what it is.
  const bool tells = cause.since_unix_ns != 0 && cause.weight != diagnosis::Weight::advice;
  result.since_unix_ns = tells ? cause.since_unix_ns : about.health.since_unix_ns;
  if (about.alarm(cause.alarm_kind, cause.alarm_subject))
    result.alarm = std::pair(cause.alarm_kind, cause.alarm_subject);
  result.stages = judgement.take_stages();
  return result;
}

nlohmann::json to_json(const Diagnosis& about) {
  nlohmann::json stages = nlohmann::json::array();
  for (const Stage& stage : about.stages)
    stages.push_back(
        {{"name", stage.name}, {"verdict", to_text(stage.verdict)}, {"evidence", stage.evidence}});
  nlohmann::json result = {
      {"channel", about.channel}, {"state", about.state},   {"culprit", catalogue::to_string(about.culprit)},
      {"verdict", about.verdict}, {"remedy", about.remedy}, {"since_unix_ns", about.since_unix_ns},
      {"alarm", nullptr},         {"stages", stages}};
  if (about.alarm) result["alarm"] = {{"kind", about.alarm->first}, {"subject", about.alarm->second}};
  return result;
}

}  // namespace headgate::control

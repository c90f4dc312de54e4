// Why a multiplex is as it is: its channels first, each with its own culprit, then its rate and its outputs.
#include <algorithm>

#include "control/daemon/multiplex_status.h"
#include "control/diagnosis/judgement.h"
#include "control/diagnosis/words.h"
#include "control/protocol/counted.h"

namespace headgate::control {
namespace diagnosis {
namespace {

using protocol::counted;

// What is wrong with a channel is wrong with the multiplex, and for the same reason.
void judge_member(const Case& member, std::size_t missing, std::size_t all, Judgement& judgement) {
  const ChannelHealth& health = member.health;
  const bool silent = health.state == ChannelState::down || health.state == ChannelState::waiting;
  const std::string line = fmt::format("{}: {}{}{}", member.channel.id, to_string(health.state),
                                       health.reason.empty() ? "" : ", ", health.reason);
  if (!silent && health.state != ChannelState::degraded) return judgement.note(line);
  judgement.bad(line);
  Judgement own;
  Cause cause = judge(member, own);
  if (cause.culprit == Culprit::none) return;
  cause.verdict = silent ? fmt::format("{} of {} missing. {}: {}", missing, counted(all, "channel"),
                                       member.channel.id, cause.verdict)
                         : fmt::format("{} comes damaged: {}", member.channel.id, cause.verdict);
  cause.weight = silent ? Weight::useless : Weight::damage;
  if (missing == all) cause.weight = Weight::fatal;
  if (cause.since_unix_ns == 0) cause.since_unix_ns = health.since_unix_ns;
  judgement.cause(std::move(cause));
}

void judge_members(const GatewayView& view, const config::Multiplex& multiplex, const MultiplexHealth& health,
                   Judgement& judgement) {
  judgement.stage("channels");
  judgement.ok();
  std::vector<const config::Channel*> members;
  for (const config::Channel& channel : view.model->channels) {
    const bool in = std::find(multiplex.channels.begin(), multiplex.channels.end(), channel.id) !=
                    multiplex.channels.end();
    if (!in) continue;
    if (channel.enabled)
      members.push_back(&channel);
    else
      judgement.note(channel.id + ": disabled by the map");
  }
  if (members.empty())
    judgement.cause({Weight::fatal, Culprit::map, "None of its channels is enabled.",
                     "Take enabled: false out of the map, then headgate apply."});
  for (const config::Channel* channel : members)
    judge_member(Case(view, *channel), health.missing.size(), members.size(), judgement);
}

void judge_multiplex_rate(const GatewayView& view, const config::Multiplex& multiplex, Judgement& judgement) {
  judgement.stage("rate");
  const ChannelSnapshot* figures = find_channel(view.snapshot, multiplex.id);
  if (figures == nullptr) return judgement.note("the fast path does not send it (yet)");
  judgement.ok();
  judgement.note(
      fmt::format("{} of {} used", words::rate(figures->members_bps), words::rate(multiplex.bitrate)));
  const auto dropped = view.recent->rate_dropped.find(multiplex.id);
  if (dropped == view.recent->rate_dropped.end() || dropped->second == 0) return;
  judgement.bad(fmt::format("{} dropped: more than its rate", counted(dropped->second, "packet")));
  Cause cause;
  cause.culprit = Culprit::map;
  std::string over;
  for (const Alarm& alarm : view.alarms) {
    const bool ours = std::find(multiplex.channels.begin(), multiplex.channels.end(), alarm.subject) !=
                      multiplex.channels.end();
    if (alarm.kind != "multiplex_exceeded" || !ours) continue;
    over += (over.empty() ? "" : ", ") + alarm.subject;
    if (cause.alarm_kind.empty()) {
      cause.alarm_kind = alarm.kind;
      cause.alarm_subject = alarm.subject;
      cause.since_unix_ns = alarm.since_unix_ns;
    }
  }
  cause.verdict = fmt::format("Its channels are more than its {}: {} dropped{}.",
                              words::rate(multiplex.bitrate), counted(dropped->second, "packet"),
                              over.empty() ? "" : ", of those over their share: " + over);
  cause.remedy =
      "Raise the multiplex's bitrate in the map and headgate apply, or lower the encoders' rates; "
      "remux.bitrate of a channel names its share.";
  judgement.cause(std::move(cause));
}

}  // namespace
}  // namespace diagnosis

std::optional<Diagnosis> diagnose_multiplex(const GatewayView& view, const std::string& id) {
  const config::Multiplex* multiplex = find_multiplex(*view.model, id);
  if (multiplex == nullptr) return std::nullopt;
  const MultiplexHealth health = health_of(view, *multiplex);
  // What it sends is judged as a channel's outputs are.
  config::Channel sent;
  sent.id = id;
  sent.push = multiplex->push;
  diagnosis::Case about(view, sent);
  about.health.state = health.state;
  about.health.reason = health.reason;
  diagnosis::Judgement judgement;
  diagnosis::judge_host(about, judgement);
  diagnosis::judge_gateway(about, judgement);
  diagnosis::judge_members(view, *multiplex, health, judgement);
  diagnosis::judge_multiplex_rate(view, *multiplex, judgement);
  diagnosis::judge_sent(about, judgement);
  Diagnosis result;
  result.channel = id;
  result.state = to_string(health.state);
  const diagnosis::Cause* cause = judgement.first();
  if (cause != nullptr) {
    result.culprit = cause->culprit;
    result.verdict = cause->verdict;
    result.remedy = cause->remedy;
    result.since_unix_ns = cause->weight == diagnosis::Weight::advice ? 0 : cause->since_unix_ns;
    if (about.alarm(cause->alarm_kind, cause->alarm_subject))
      result.alarm = std::pair(cause->alarm_kind, cause->alarm_subject);
  } else if (health.state == ChannelState::ok) {
    result.culprit = catalogue::Culprit::none;
    result.verdict =
        fmt::format("All its {} come.", protocol::counted(multiplex->channels.size(), "channel"));
  } else {
    result.culprit = catalogue::Culprit::unknown;
    result.verdict = "Nothing that was seen explains it: " + health.reason + ".";
    result.remedy = fmt::format("Measure more: headgate status {}, headgate events.", id);
  }
  result.stages = judgement.take_stages();
  return result;
}

}  // namespace headgate::control

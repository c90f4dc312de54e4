// A push by RTMP, SRT or the like that does not get through: whose fault.
#include <algorithm>

#include "control/daemon/foreign.h"
#include "control/daemon/outputs.h"
#include "control/diagnosis/judgement.h"
#include "control/diagnosis/words.h"

namespace headgate::control::diagnosis {
namespace {

struct PushBlame {
  Culprit culprit;
  const char* what;  // of its URL
  std::string remedy;
};

// By the words of the bridge's connector; a far end's own words are its own fault.
PushBlame blame_for_push(const std::string& error) {
  const auto has = [&](const char* word) { return error.find(word) != std::string::npos; };
  if (has("can't resolve") || has("look-up"))
    return {
        Culprit::network, "can't be looked up",
        "Look the name up by hand (getent hosts NAME): a name server that is away (/etc/resolv.conf), or a "
        "wrong name in the map."};
  if (has("nreachable") || has("No route"))
    return {Culprit::network, "can't be reached",
            "Look at this machine's routes and its uplink: ip route get ADDRESS."};
  if (has("onnection refused"))
    return {Culprit::target, "has nobody who listens there",
            "Its server is down, or the port in the map is wrong: ask whoever runs it. It is tried again by "
            "itself."};
  if (has("no answer") || has("timed out") || has("within "))
    return {Culprit::target, "does not answer",
            "It is off, or a firewall or the way there takes the packets: ask whoever runs it. It is tried "
            "again by itself."};
  return {Culprit::target, "does not take the push",
          "Compare address and stream key with what the far end gives out; else ask whoever runs it. It is "
          "tried again by itself."};
}

// What a far end says may end as a sentence does.
std::string without_stop(std::string text) {
  while (text.ends_with('.') || text.ends_with(' ')) text.pop_back();
  return text;
}

// Pushes of the whole gateway that fail, and all that there are.
std::pair<std::size_t, std::size_t> all_pushes(const Case& about) {
  std::size_t failing = 0, all = 0;
  foreign::each_channel(about.view.bridge_status, [&](const std::string&, const nlohmann::json& channel) {
    for (const PushView& push : pushes_of(channel)) {
      ++all;
      failing += push.state != "sending" && !push.error.empty() ? 1U : 0U;
    }
  });
  return {failing, all};
}

Cause push_cause(Culprit culprit, std::string verdict, std::string remedy, std::string kind,
                 std::string subject) {
  return {Weight::damage,  culprit,           std::move(verdict), std::move(remedy), 0,
          std::move(kind), std::move(subject)};
}

}  // namespace

void judge_push(const Case& about, const config::Push& wanted, Judgement& judgement) {
  const std::string subject = about.channel.id + " " + wanted.url;
  if (config::closed(wanted)) {
    judgement.bad(wanted.url + ": closed, its key or passphrase file can't be read");
    return judgement.cause(push_cause(
        Culprit::map, fmt::format("The file with the secret of the push {} can't be read.", wanted.url),
        "Put the file back (headgate check names it), then headgate apply.", "key_unreadable", subject));
  }
  const auto pushes = pushes_of(about.bridge);
  const auto push =
      std::find_if(pushes.begin(), pushes.end(), [&](const auto& entry) { return entry.url == wanted.url; });
  if (push == pushes.end()) return judgement.note(wanted.url + ": the bridge tells nothing of it");
  const std::string since =
      push->since_unix_ns > 0 ? fmt::format(" for {}", words::age(about.age_of(push->since_unix_ns))) : "";
  if (push->state == "sending" || push->error.empty())
    return judgement.note(fmt::format("{}: {}{}", wanted.url, push->state, since));
  judgement.bad(fmt::format("{}: {}{} ({})", wanted.url, push->state, since, push->error));
  const auto [failing, all] = all_pushes(about);
  if (failing > 2 && failing == all)
    return judgement.cause(
        push_cause(Culprit::network,
                   fmt::format("None of the {} pushes of this gateway gets through; {} says: {}.", all,
                               wanted.url, without_stop(push->error)),
                   "Look at this machine's uplink and its name server.", "push_failing", subject));
  PushBlame blame = blame_for_push(push->error);
  judgement.cause(push_cause(blame.culprit,
                             fmt::format("{} {}: {}.", wanted.url, blame.what, without_stop(push->error)),
                             std::move(blame.remedy), "push_failing", subject));
}

}  // namespace headgate::control::diagnosis

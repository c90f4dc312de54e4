// What arrives of an input that enters through the bridge: by a publisher, a call, a fetch or a file.
#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "control/diagnosis/judgement.h"
#include "control/diagnosis/words.h"

namespace headgate::control::diagnosis {
namespace {

using config::InputKind;

bool has(const std::string& text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return text.find(word) != std::string::npos; });
}

struct Blame {
  Culprit culprit;
  std::string why, remedy;
};

// By the words that the bridge uses (docs/pull.md, docs/srt.md); a far end's own words are its own fault.
Blame blame_for(const std::string& error) {
  if (has(error, {"passphrase", "Unauthorized", "401", "403", "user or password", "does not know the stream",
                  "1401"}))
    return {
        Culprit::map, "the far end does not take our key, password or stream id",
        "Compare key, passphrase and stream id in the map's files with the far end's; then headgate apply."};
  if (has(error, {"can't open", "No such file", "is no file", "can't read"}))
    return {Culprit::map, "the file can't be read", "Correct the path in the map, or put the file there."};
  if (has(error, {"can't resolve", "look-up"}))
    return {Culprit::unknown, "its name has no address",
            "Look the name up by hand (getent hosts NAME): a wrong name in the map, or a name server that is "
            "away (/etc/resolv.conf)."};
  if (has(error, {"refused", "can't connect"}) && !has(error, {"nreachable", "No route"}))
    return {Culprit::source, "nobody listens there", "Ask whoever runs the far end to start it."};
  if (has(error, {"nreachable", "No route"}))
    return {Culprit::network, "there is no way there",
            "Look at this machine's routes and its uplink: ip route get ADDRESS."};
  if (has(error, {"no answer", "timed out", "within 5 s"}))
    return {
        Culprit::unknown, "it does not answer",
        "Call it from here by another program (ping, curl, srt-live-transmit): it is off, or a firewall or "
        "the way there takes the packets."};
  return {Culprit::source, "the far end fails", "Ask whoever runs the far end; the error is its own word."};
}

Cause cause_of_source(const Case& about, Culprit culprit, std::string verdict, std::string remedy) {
  const auto since =
      about.source != nullptr && about.source->since_unix_ns > 0 ? about.source->since_unix_ns : 0;
  auto [kind, subject] = about.silence_alarm();
  return {Weight::fatal, culprit,         std::move(verdict), std::move(remedy),
          since,         std::move(kind), std::move(subject), true};
}

void judge_publisher(const Case& about, Judgement& judgement) {
  const std::string error = about.source == nullptr ? "" : about.source->error;
  judgement.bad(error.empty() ? "nobody publishes" : "nobody publishes; the last encoder: " + error);
  judgement.cause(cause_of_source(
      about, Culprit::encoder,
      error.empty() ? "Nobody publishes to the channel."
                    : fmt::format("Nobody publishes to the channel; the last encoder left with: {}.", error),
      "Start the encoder, and look at its own log. headgate status shows the addresses; a wrong key is among "
      "the refusals of headgate events."));
}

// Which of what it carries did not come in time, or at all.
void note_drops(const Case& about, Judgement& judgement) {
  for (const auto& [reason, count] : about.source->drops) {
    if (count > 0) judgement.note(fmt::format("left out {} {} since it began", count, reason));
  }
}

bool bridge_silent(const Case& about) {
  const ProcessView* bridge = about.process("bridge");
  return bridge != nullptr && !bridge->answers;
}

void judge_silent_source(const Case& about, Judgement& judgement) {
  const SourceView* source = about.source;
  const std::string& url = about.input->url;
  if (source == nullptr || bridge_silent(about)) {
    judgement.unknown();
    return judgement.note("the bridge tells nothing of " + url);
  }
  if (source->state == "receiving") {
    judgement.bad(fmt::format("{}: connected{}, and nothing comes", url,
                              source->peer.empty() ? "" : " with " + source->peer));
    return judgement.cause(cause_of_source(
        about, about.input->kind == InputKind::publish ? Culprit::encoder : Culprit::source,
        fmt::format("{} is connected{}, but sends nothing that can be used.", url,
                    source->peer.empty() ? "" : " with " + source->peer),
        "Look at the encoder or server at the other end; headgate status shows what was left out of it."));
  }
  if (about.input->kind == InputKind::publish) return judge_publisher(about, judgement);
  if (about.input->kind == InputKind::srt_listener && source->error.empty()) {
    judgement.bad(url + ": waits for the sender to call");
    return judgement.cause(cause_of_source(about, Culprit::source,
                                           url + " waits: the sender does not call us.",
                                           "Start the sender; it must call this address and port, and the "
                                           "firewall between must let UDP through."));
  }
  if (source->error.empty()) {
    judgement.unknown();
    return judgement.note(fmt::format("{}: {}", url, source->state));
  }
  Blame blame = blame_for(source->error);
  judgement.bad(fmt::format("{}: {} ({})", url, source->state, source->error));
  judgement.cause(cause_of_source(about, blame.culprit,
                                  fmt::format("{}: {} ({}).", url, blame.why, source->error),
                                  std::move(blame.remedy)));
}

}  // namespace

void judge_source(const Case& about, Judgement& judgement) {
  if (!about.flows()) {
    if (about.seen != nullptr && about.seen->last_packet_unix_ns != 0)
      judgement.note(
          fmt::format("last packet {} ago", words::age(about.age_of(about.seen->last_packet_unix_ns))));
    return judge_silent_source(about, judgement);
  }
  judgement.ok();
  const std::string peer =
      about.source == nullptr || about.source->peer.empty() ? "" : " from " + about.source->peer;
  judgement.note(fmt::format("{}: {}{}", about.input->url, words::rate(about.seen->bitrate_bps), peer));
  if (about.source != nullptr) note_drops(about, judgement);
}

}  // namespace headgate::control::diagnosis

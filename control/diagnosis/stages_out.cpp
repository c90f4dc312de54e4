// What becomes of a channel that comes: choice of the input, ring and bridge, pictures and sound, outputs,
// players.
#include <algorithm>

#include "control/daemon/foreign.h"
#include "control/daemon/outputs.h"
#include "control/daemon/transcode.h"
#include "control/daemon/watched.h"
#include "control/diagnosis/judgement.h"
#include "control/diagnosis/words.h"
#include "control/protocol/counted.h"

namespace headgate::control::diagnosis {
namespace {

using protocol::counted;
using protocol::DropReason;

Cause lesser(Culprit culprit, std::string verdict, std::string remedy, std::string kind = "",
             std::string subject = "") {
  Cause cause;
  cause.culprit = culprit;
  cause.verdict = std::move(verdict);
  cause.remedy = std::move(remedy);
  cause.alarm_kind = std::move(kind);
  cause.alarm_subject = std::move(subject);
  return cause;
}

Culprit maker_of(const Case& about) {
  const bool published = about.input != nullptr && about.input->kind == config::InputKind::publish;
  return published ? Culprit::encoder : Culprit::source;
}

const char* role_of(const Case& about, const config::Input& input) {
  if (about.air != nullptr && about.air->on_air == input.number) return "on air";
  return input.number == about.channel.inputs.front().number ? "preferred" : "backup";
}

void note_inputs(const Case& about, Judgement& judgement) {
  for (const config::Input& input : about.channel.inputs) {
    const InputSnapshot* seen = about.find_input(input.number);
    const InputRecent* lately = about.find_recent(input.number);
    const SourceView* source = find_source(about.sources, input.number);
    std::string line = fmt::format("input {} ({}) {}: ", input.number, role_of(about, input), input.url);
    std::string troubles = seen == nullptr ? "" : troubles_of(seen->troubles);
    if (lately != nullptr && lately->flows && lately->cc_errors > 0)
      troubles += (troubles.empty() ? "" : ", ") + counted(lately->cc_errors, "CC error");
    if (source != nullptr && source->state != "receiving" && !source->error.empty())
      troubles += (troubles.empty() ? "" : ", ") + source->error;
    if (!troubles.empty())
      line += troubles;
    else
      line += lately != nullptr && lately->flows ? "good" : "nothing comes";
    judgement.note(std::move(line));
  }
}

bool bridge_answers(const Case& about) {
  const ProcessView* bridge = about.process("bridge");
  return bridge == nullptr || bridge->answers;
}

void judge_multicast(const Case& about, const config::Push& wanted, Judgement& judgement) {
  const auto& outputs = about.view.snapshot.outputs;
  const auto seen = std::find_if(outputs.begin(), outputs.end(), [&](const auto& entry) {
    return entry.channel == about.channel.id && wanted.url.starts_with(entry.url);
  });
  if (seen == outputs.end()) return judgement.note(wanted.url + ": the fast path does not send it (yet)");
  judgement.note(fmt::format("{}: {}, last packet {}", wanted.url, words::rate(seen->bitrate_bps),
                             seen->last_packet_unix_ns == 0
                                 ? "never"
                                 : words::age(about.age_of(seen->last_packet_unix_ns)) + " ago"));
  const auto lately = about.recent.outputs.find({about.channel.id, seen->url});
  if (lately == about.recent.outputs.end()) return;
  const auto dropped = [&](DropReason reason) { return lately->second[static_cast<std::size_t>(reason)]; };
  if (const auto count = dropped(DropReason::output_link_down); count > 0) {
    judgement.bad(fmt::format("{} dropped: {} has no link", counted(count, "datagram"), wanted.interface));
    judgement.cause(lesser(
        Culprit::network,
        fmt::format("{} can't leave: the port {} has no link.", wanted.url, wanted.interface),
        fmt::format("Check cable, optics and the switch port at the other end of {}.", wanted.interface),
        "link_down", wanted.interface));
  }
  if (const auto count = dropped(DropReason::output_queue_full); count > 0) {
    judgement.bad(
        fmt::format("{} dropped: the port took nothing (output_queue_full)", counted(count, "datagram")));
    judgement.cause(
        lesser(Culprit::network,
               fmt::format("The link of {} is slower than what is sent, or its receiver sends pause "
                           "frames: {} of {} lost.",
                           wanted.interface, counted(count, "datagram"), wanted.url),
               fmt::format("Compare the link's speed with the outputs' rates; ethtool -a at the switch "
                           "of {}.",
                           wanted.interface)));
  }
  if (const auto count = dropped(DropReason::output_no_buffer); count > 0) {
    judgement.bad(fmt::format("{} dropped for want of a buffer", counted(count, "datagram")));
    judgement.cause(
        lesser(about.starved() ? Culprit::host : Culprit::gateway,
               fmt::format("No buffer was left for {} of {}.", counted(count, "datagram"), wanted.url),
               "More load than this node can take: fewer channels, or more huge pages.",
               about.starved() ? "host_overload" : ""));
  }
}

void judge_rate_limit(const Case& about, Judgement& judgement) {
  const auto dropped = about.recent.rate_dropped.find(about.channel.id);
  if (dropped == about.recent.rate_dropped.end() || dropped->second == 0) return;
  judgement.bad(fmt::format("{} beyond remux.bitrate ({})", counted(dropped->second, "packet"),
                            words::rate(about.channel.remux.bitrate)));
  judgement.cause(
      lesser(Culprit::map,
             fmt::format("The stream is more than its remux.bitrate of {}: {} dropped.",
                         words::rate(about.channel.remux.bitrate), counted(dropped->second, "packet")),
             "Raise remux.bitrate in the map and headgate apply, or lower the encoder's rate.",
             "rate_exceeded", about.channel.id));
}

void judge_served(const Case& about, Judgement& judgement) {
  for (const ServedOutput& output : served_outputs(about.view.model->node, about.channel, about.bridge)) {
    if (output.closed.empty()) continue;
    judgement.bad(fmt::format("{}: closed: {}", output.protocol, output.closed));
    judgement.cause(lesser(Culprit::map,
                           fmt::format("It is not served by {}: {}.", output.protocol, output.closed),
                           "Put the file back (headgate check names it), then headgate apply.",
                           "passphrase_unreadable", about.channel.id));
  }
}

void judge_disk(const Case& about, Judgement& judgement) {
  const nlohmann::json& hls = foreign::member(about.bridge, "hls");
  const std::string problem = foreign::text(about.bridge, "problem");
  if (!problem.starts_with("HLS can't write")) return;
  judgement.bad(problem);
  judgement.cause(lesser(Culprit::host, problem + ".",
                         "Make room where run_dir lies (df -h), or give its tmpfs more memory.", "disk_full",
                         "run_dir"));
  if (const auto errors = foreign::count(hls, "write_errors"); errors && *errors > 0)
    judgement.note(fmt::format("{} since it began", counted(*errors, "write error")));
}

// What the bridge says of players that get nothing or not all, by what follows "HLS has no segment: ".
void judge_problem(const Case& about, const std::string& problem, Judgement& judgement) {
  judgement.bad(problem);
  judgement.cause(
      lesser(maker_of(about), "It comes, but players get nothing or not all: " + problem + ".",
             "The stream lacks what players need: ask whoever runs its encoder; headgate probe shows "
             "the stream.",
             "players_get_nothing", about.channel.id));
}

void judge_finding(const Case& about, const WatchFinding& finding, bool pictures, Judgement& judgement) {
  const std::string& kind = finding.kind;
  const bool of_pictures =
      kind == "black" || kind == "frozen" || kind == "still" || kind == "unwatched_pictures";
  if (of_pictures != pictures) return;
  std::string line = kind;
  if (finding.pid != 0) line += " " + words::pid(static_cast<std::uint16_t>(finding.pid & 0x1FFF));
  if (finding.since_unix_ns > 0) line += " for " + words::age(about.age_of(finding.since_unix_ns));
  if (!finding.text.empty()) line += ": " + finding.text;
  if (kind.starts_with("unwatched")) {
    judgement.unknown();
    return judgement.note(std::move(line));
  }
  const bool grave = kind == "black" || kind == "frozen" || kind == "silent";
  const bool loudness = kind == "loud" || kind == "quiet";
  judgement.bad(line);
  judgement.cause(
      {grave ? Weight::damage : Weight::advice, maker_of(about),
       fmt::format("The stream is whole, but its {} is not as it should be: {}.",
                   pictures ? "picture" : "sound", line),
       "Compare another output of the source: its camera, player, encoder or desk is at fault.",
       finding.since_unix_ns, std::string(pictures ? "picture_" : "sound_") + (loudness ? "loudness" : kind),
       finding.pid == 0 ? about.channel.id : fmt::format("{} pid 0x{:04x}", about.channel.id, finding.pid)});
}

void judge_workers(const Case& about, Judgement& judgement) {
  for (const TranscodeJob& job : transcode_jobs(about.view.transcode_status, about.channel.id)) {
    if (job.state == "running") continue;
    judgement.note(fmt::format("worker {} {}{}", job.name, job.state,
                               job.last_error.empty() ? "" : ": " + job.last_error));
    if (job.state != "quarantined") continue;
    judgement.cause(
        lesser(maker_of(about),
               fmt::format("The worker of {} ({}) died again and again: what comes in breaks it{}.", job.kind,
                           job.name, job.last_error.empty() ? "" : " (" + job.last_error + ")"),
               "The channel goes on with its original sound. Keep a recording of the input for a "
               "report.",
               "transcode_quarantined", job.name));
  }
}

// What leaves breaks TR 101 290 where what comes does not.
void judge_own_stream(const Case& about, Judgement& judgement) {
  for (const Alarm& alarm : about.view.alarms) {
    if (alarm.kind != "output_tr101290" || alarm.subject != about.channel.id) continue;
    judgement.bad("TR 101 290: " + alarm.message);
    Cause cause = lesser(
        Culprit::host,
        fmt::format("What this node sends breaks TR 101 290 where its inputs do not: {}.", alarm.message),
        "Look at the processor's load (headgate alarms: host_overload); capture the output "
        "for support.",
        alarm.kind, alarm.subject);
    cause.since_unix_ns = alarm.since_unix_ns;
    judgement.cause(std::move(cause));
  }
}

}  // namespace

void judge_input(const Case& about, Judgement& judgement) {
  judgement.stage("input");
  if (about.channel.inputs.size() < 2) return judgement.off("the channel has one input");
  judgement.ok();
  note_inputs(about, judgement);
  if (about.air == nullptr) return judgement.unknown();
  if (about.air->switched_unix_ns != 0 && about.air->switches > 0)
    judgement.note(fmt::format("{} so far, the last {} ago", counted(about.air->switches, "change"),
                               words::age(about.age_of(about.air->switched_unix_ns))));
  if (about.air->forced != 0) {
    judgement.note(fmt::format("input {} is forced", about.air->forced));
    if (about.air->forced == about.channel.inputs.front().number) return;
    return judgement.cause(
        {Weight::advice, Culprit::map,
         fmt::format("Input {} is forced by hand; failover does not work meanwhile.", about.air->forced),
         fmt::format("When the work is done: headgate switch {} auto.", about.channel.id),
         static_cast<std::int64_t>(about.air->switched_unix_ns), "failover_active", about.channel.id});
  }
  if (!about.on_backup()) return;
  const InputSnapshot* preferred = about.find_input(about.channel.inputs.front().number);
  if (preferred != nullptr && preferred->troubles != 0) {
    const std::string troubles = troubles_of(preferred->troubles);
    judgement.bad(fmt::format("input {} is unfit: {}", preferred->number, troubles));
    return judgement.cause({Weight::advice, Culprit::source,
                            fmt::format("Input {} is unfit ({}), so input {} is on air.", preferred->number,
                                        troubles, about.air->on_air),
                            "Mend the first input: the stages before this say what it lacks.",
                            static_cast<std::int64_t>(about.air->switched_unix_ns), "input_down",
                            fmt::format("{} input {}", about.channel.id, preferred->number)});
  }
  judgement.note(about.channel.failover.back
                     ? fmt::format("the preferred input is good again and returns after failover.hold")
                     : fmt::format("the preferred input is good again: headgate switch {} {} returns to it",
                                   about.channel.id, about.channel.inputs.front().number));
}

void judge_ring(const Case& about, Judgement& judgement) {
  judgement.stage("ring");
  if (!config::passes_bridge(about.channel)) return judgement.off("the channel does not pass the bridge");
  judgement.ok();
  const std::uint64_t full = about.dropped(DropReason::ring_full);
  if (full == 0) return judgement.note("nothing was dropped on the way to the bridge lately");
  judgement.bad(fmt::format("{} dropped on the way to the bridge (ring_full)", counted(full, "slot")));
  if (!bridge_answers(about)) return;  // told at the bridge
  judgement.cause(lesser(
      about.starved() ? Culprit::host : Culprit::gateway,
      about.starved() ? fmt::format("This machine is short of CPU, so the bridge does not keep up: {} lost.",
                                    counted(full, "slot"))
                      : fmt::format("The bridge does not keep up: {} lost lately.", counted(full, "slot")),
      about.starved() ? "Find what takes the CPU (top) and end it."
                      : "headgate events shows whether it died; else fewer channels on this "
                        "node. Multicast out is not touched.",
      about.starved() ? "host_overload" : ""));
}

void judge_bridge(const Case& about, Judgement& judgement) {
  judgement.stage("bridge");
  if (!config::passes_bridge(about.channel)) return judgement.off("the channel does not pass the bridge");
  const ProcessView* bridge = about.process("bridge");
  if (bridge == nullptr) return judgement.note("nothing is known of the bridge");
  const bool loops = bridge->process.crash_loop;
  if (!bridge->answers || loops) {
    judgement.bad(loops ? "the bridge dies again and again" : "the bridge does not answer");
    const bool host = about.starved() && !loops;
    Cause cause =
        lesser(host ? Culprit::host : Culprit::gateway,
               loops  ? "The bridge dies again and again: players and pushes of this channel get nothing."
               : host ? "The bridge does not answer, and this machine is short of CPU."
                      : "The bridge does not answer: players and pushes of this channel stand still.",
               loops  ? "Its last line in the log says why: journalctl -u headgate."
               : host ? "Find what takes the CPU (top) and end it."
                      : "It is killed and started again by itself after 10 s; multicast out goes on.",
               loops ? "crash_loop" : "process_silent", "bridge");
    // What enters through it comes to nobody.
    if (!about.flows() && !about.datagrams()) cause.weight = Weight::fatal;
    return judgement.cause(std::move(cause));
  }
  const std::string problem = foreign::text(about.bridge, "problem");
  judgement.ok();
  if (about.bridge.is_null()) return judgement.note("the bridge does not have the channel (yet)");
  if (problem.empty() || !about.flows()) return judgement.note("the bridge finds nothing wrong");
  if (!problem.starts_with("HLS can't write")) judge_problem(about, problem, judgement);
}

void judge_watch(const Case& about, bool pictures, Judgement& judgement) {
  judgement.stage(pictures ? "picture" : "sound");
  const auto seen = watched(about.bridge);
  if (!seen || !(pictures ? config::watches_pictures(about.channel) : config::watches_sound(about.channel)))
    return judgement.off("not watched");
  if (!about.flows() && about.health.active_input == 0) return judgement.off("nothing is on air");
  judgement.ok();
  if (!seen->verdict) judgement.unknown();
  for (const WatchFinding& finding : seen->findings) judge_finding(about, finding, pictures, judgement);
  if (!pictures) judge_workers(about, judgement);
  if (judgement.evidence_empty())
    judgement.note(seen->verdict ? "nothing is wrong with it" : "nothing can be said of it yet");
}

void judge_outputs(const Case& about, Judgement& judgement) {
  judgement.stage("outputs");
  const auto& pushes = about.channel.push;
  const bool pushes_any =
      std::any_of(pushes.begin(), pushes.end(), [](const auto& push) { return push.enabled; });
  if (!pushes_any && config::served(about.channel).empty()) return judgement.off("nothing is sent or served");
  judgement.ok();
  const bool on_air = about.health.active_input != 0 || about.flows();
  for (const config::Push& push : pushes) {
    if (!push.enabled) continue;
    if (!config::by_bridge(push))
      judge_multicast(about, push, judgement);
    else if (on_air && bridge_answers(about))
      judge_push(about, push, judgement);
  }
  judge_rate_limit(about, judgement);
  judge_own_stream(about, judgement);
  judge_served(about, judgement);
  judge_disk(about, judgement);
  if (judgement.evidence_empty()) judgement.note("served; nothing is wrong with it");
}

void judge_sent(const Case& about, Judgement& judgement) {
  judgement.stage("outputs");
  judgement.ok();
  for (const config::Push& push : about.channel.push) {
    if (push.enabled) judge_multicast(about, push, judgement);
  }
  judge_own_stream(about, judgement);
  if (judgement.evidence_empty()) judgement.off("it is sent nowhere");
}

void judge_players(const Case& about, Judgement& judgement) {
  judgement.stage("players");
  if (config::served(about.channel).empty()) return judgement.off("the channel is served to nobody");
  const auto sessions = sessions_of(about.view, about.channel.id);
  if (!sessions) return judgement.note("the bridge tells nothing of players");
  judgement.ok();
  judgement.note(counted(*sessions, "player"));
  const auto lost = about.recent.players_lost.find(about.channel.id);
  if (lost == about.recent.players_lost.end() || lost->second == 0) return;
  judgement.bad(fmt::format("slow players lost {} lately", counted(lost->second, "packet or frame")));
  judgement.cause({Weight::advice, Culprit::player,
                   fmt::format("It is sent whole; slow players lost {} lately.",
                               counted(lost->second, "packet or frame")),
                   "One player: its own network. Many at once, or of many channels: this machine's uplink.",
                   0, "", ""});
}

}  // namespace headgate::control::diagnosis

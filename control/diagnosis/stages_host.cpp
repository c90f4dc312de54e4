// What lies beneath all channels: the map, this machine, the fast path's process.
#include <algorithm>

#include "control/diagnosis/judgement.h"
#include "control/diagnosis/words.h"
#include "control/protocol/counted.h"

namespace headgate::control::diagnosis {
namespace {

using protocol::counted;

// An edit explains what began so soon after it.
constexpr std::int64_t kEditReachNs = 60 * words::kSecondNs;

std::string keys_of(const config::ChannelChange& change) {
  std::string text;
  for (const config::ValueChange& value : change.values) {
    if (text.size() > 200) return text + ", ...";
    text += (text.empty() ? "" : "; ") + value.key + ": ";
    text += value.before.empty()  ? "now " + value.after
            : value.after.empty() ? "no more " + value.before
                                  : value.before + " -> " + value.after;
  }
  if (!text.empty()) return text;
  for (const std::string& key : change.keys) text += (text.empty() ? "" : ", ") + key;
  return text;
}

void note_apply(const Case& about, Judgement& judgement) {
  const auto& applied = about.view.applied;
  if (!applied) return;
  std::string line = fmt::format("map {}, applied {} ago by {}", applied->number,
                                 words::age(about.age_of(applied->unix_ns)), applied->who);
  const LastApply& last = about.view.last_apply;
  const auto changed = last.changed.find(about.channel.id);
  if (changed != last.changed.end())
    line += "; changed here: " + keys_of(changed->second);
  else if (std::find(last.added.begin(), last.added.end(), about.channel.id) != last.added.end())
    line += "; added by it";
  judgement.note(std::move(line));
}

void judge_fastpath_process(const Case& about, const ProcessView* process, std::int64_t silent_ns,
                            Judgement& judgement) {
  const bool loops = process != nullptr && process->process.crash_loop;
  Cause cause;
  cause.weight = Weight::fatal;
  cause.alarm_subject = "fastpath";
  if (loops) {
    cause.culprit = Culprit::gateway;
    cause.alarm_kind = "crash_loop";
    cause.verdict =
        fmt::format("The fast path dies again and again ({} so far): nothing is taken in or sent.",
                    counted(process->process.deaths, "death"));
    cause.remedy =
        "Its last line in the log says why: journalctl -u headgate. If it began with an apply: headgate "
        "apply "
        "--rollback.";
    judgement.note("the fast path dies again and again");
  } else if (about.view.snapshot.epoch == 0) {
    cause.culprit = Culprit::gateway;
    cause.alarm_kind = "process_silent";
    cause.verdict = "The fast path does not run: nothing is taken in or sent.";
    cause.remedy = "journalctl -u headgate says why; systemctl restart headgate if nothing starts it again.";
    judgement.note("the fast path shows no counters");
  } else {
    const bool starved = about.starved_at(about.view.now_unix_ns - silent_ns);
    cause.culprit = starved ? Culprit::host : Culprit::gateway;
    cause.alarm_kind = starved ? "host_overload" : "process_silent";
    if (starved) cause.alarm_subject = "";
    cause.since_unix_ns = about.view.now_unix_ns - silent_ns;
    cause.verdict = fmt::format("The fast path has not moved for {}: all media stands still{}.",
                                words::age(silent_ns), starved ? ", and this machine is short of CPU" : "");
    cause.remedy = starved ? "Find what takes the CPU (top) and end it; give the fast path a core of "
                             "its own (fastpath.cores)."
                           : "It is killed and started again by itself after 10 s. If that repeats, "
                             "send the log around it to whoever maintains Headgate.";
    judgement.note(fmt::format("the fast path's counters stand still for {}", words::age(silent_ns)));
  }
  judgement.cause(std::move(cause));
}

}  // namespace

std::string edited(const Case& about, std::int64_t since) {
  const auto& applied = about.view.applied;
  if (!applied) return "";
  const LastApply& last = about.view.last_apply;
  // A second before it: the trouble may be seen before the apply is done.
  if (since < applied->unix_ns - words::kSecondNs || since > applied->unix_ns + kEditReachNs) return "";
  if (std::find(last.added.begin(), last.added.end(), about.channel.id) != last.added.end()) return "added";
  const auto changed = last.changed.find(about.channel.id);
  std::string keys;
  if (changed != last.changed.end()) {
    for (const std::string& key : changed->second.keys) {
      if (key == "inputs" || key == "program" || key == "enabled") keys += (keys.empty() ? "" : ", ") + key;
    }
  }
  for (const std::string& key : last.node_keys) {
    if (about.datagrams() && key.starts_with("interfaces." + about.input->interface))
      keys += (keys.empty() ? "" : ", ") + key;
  }
  return keys;
}

void judge_map(const Case& about, Judgement& judgement) {
  judgement.stage("map");
  judgement.ok();
  note_apply(about, judgement);
  if (!about.view.files_valid)
    judgement.note("the files have errors now: headgate check --config FILE");
  else if (about.view.map_differs)
    judgement.note("the files differ from the running map: headgate plan");
  if (!about.channel.enabled) {
    judgement.note("enabled: false");
    return judgement.cause({Weight::fatal, Culprit::map, "The map disables it (enabled: false).",
                            "If it shall run: take enabled: false out of the map, then headgate apply.", 0,
                            "", ""});
  }
  if (about.input != nullptr && config::closed(*about.input)) {
    judgement.note(fmt::format("input {}: its key or passphrase file can't be read", about.input->number));
    judgement.cause(
        {Weight::fatal, Culprit::map,
         fmt::format("The file with the secret of input {} can't be read, so the input is closed.",
                     about.input->number),
         "Put the file back (headgate check names it), then headgate apply.", 0, "key_unreadable",
         about.input_subject()});
  }
}

void judge_host(const Case& about, Judgement& judgement) {
  judgement.stage("host");
  const HostView& host = about.view.host;
  if (!host.known) return judgement.note("this machine was not looked at yet");
  judgement.ok();
  const HostReading& reading = host.reading;
  std::string line;
  if (reading.cpu_pressure) line = fmt::format("CPU pressure {:.0f} %, ", *reading.cpu_pressure);
  line += fmt::format("load {:.1f} on {}", reading.load, counted(reading.cpus, "CPU"));
  if (about.recent.busy_ratio > 0)
    line += fmt::format(", worker busy {}", words::percent(about.recent.busy_ratio));
  judgement.note(std::move(line));
  for (const HostCondition& condition : host.conditions) {
    judgement.note(condition.message);
    // A step of the clock harms nothing here: ages are not taken from it.
    if (condition.kind == "clock_stepped") continue;
    Cause cause{Weight::advice, Culprit::host,    "", "", condition.since_unix_ns,
                condition.kind, condition.subject};
    if (condition.kind == "disk_full") {
      cause.verdict = "A disk is nearly full: " + condition.message + ".";
      cause.remedy = "Make room there (df -h): HLS segments, events and applied maps need it.";
    } else {
      cause.verdict = "This machine has too much to do: " + condition.message + ".";
      cause.remedy =
          "Find what takes CPU or memory (top) and end it, or give the fast path a core of its own "
          "(fastpath.cores).";
    }
    judgement.cause(std::move(cause));
  }
}

void judge_gateway(const Case& about, Judgement& judgement) {
  judgement.stage("gateway");
  const ProcessView* process = about.process("fastpath");
  const auto heartbeat = about.view.snapshot.heartbeat_unix_ns;
  const std::int64_t silent = heartbeat == 0 ? 0 : about.age_of(heartbeat);
  const bool loops = process != nullptr && process->process.crash_loop;
  const bool stands = silent > std::chrono::nanoseconds(ChannelMonitor::kStalled).count();
  if (loops || stands || about.view.snapshot.epoch == 0)
    return judge_fastpath_process(about, process, silent, judgement);
  judgement.ok();
  if (process != nullptr && process->process.deaths > 0)
    judgement.note(fmt::format("the fast path runs; it died {} time{} before", process->process.deaths,
                               process->process.deaths == 1 ? "" : "s"));
  else
    judgement.note("the fast path runs");
  if (about.alarm("apply_pending", "")) {
    judgement.note("a process runs another map than the applied one");
    judgement.cause({Weight::damage, Culprit::gateway,
                     "A process runs another map than the applied one, and refuses that one.",
                     "headgate alarms names the process and its reason; headgate apply --rollback goes back.",
                     0, "apply_pending", ""});
  }
}

}  // namespace headgate::control::diagnosis

// What came as a transport stream: losses, damage, tables, clock, PIDs, rate.
#include <algorithm>

#include "control/daemon/pid_label.h"
#include "control/diagnosis/judgement.h"
#include "control/diagnosis/words.h"
#include "control/protocol/counted.h"

namespace headgate::control::diagnosis {
namespace {

using protocol::counted;
using protocol::DropReason;

// ServiceFilter::State + 1, 0 without a program.
constexpr std::uint64_t kWaitsForPat = 1, kProgramNotFound = 2, kWaitsForPmt = 3;
constexpr double kBitrateLow = 0.6;
constexpr std::int64_t kTellsOfClock = 3 * words::kSecondNs;

std::string in_window(const Case& about) {
  return fmt::format("in the last {}", words::age(about.recent.window_ns));
}

Culprit sender_of(const Case& about) {
  return about.input->kind == config::InputKind::publish ? Culprit::encoder : Culprit::source;
}

Cause damage(const Case& about, const char* alarm, Culprit culprit, std::string verdict, std::string remedy) {
  Cause cause;
  cause.alarm_kind = alarm;
  cause.alarm_subject = about.channel.id;
  cause.culprit = culprit;
  cause.verdict = std::move(verdict);
  cause.remedy = std::move(remedy);
  return cause;
}

Cause useless(const Case& about, const char* alarm, Culprit culprit, std::string verdict,
              std::string remedy) {
  Cause cause = damage(about, alarm, culprit, std::move(verdict), std::move(remedy));
  cause.weight = Weight::useless;
  return cause;
}

// " (117 of them on PID 0x0100 (h264))"
std::string worst_pid(const Case& about) {
  const InputRecent& lately = *about.lately;
  if (lately.worst_pid_cc_errors == 0) return "";
  const std::string pid = words::pid(lately.worst_pid) + track_words(about.bridge, lately.worst_pid);
  if (lately.worst_pid_cc_errors >= lately.cc_errors) return fmt::format(", all on PID {},", pid);
  return fmt::format(", {} of them on PID {},", lately.worst_pid_cc_errors, pid);
}

// By plain UDP nothing tells where packets were lost, but who else lost some.
void judge_losses_among_neighbours(const Case& about, const std::string& errors, Judgement& judgement) {
  const std::size_t flowing = about.neighbours == nullptr ? 0 : about.neighbours->flowing,
                    damaged = about.neighbours == nullptr ? 0 : about.neighbours->damaged.size(),
                    others = damaged > 0 ? damaged - 1 : 0;
  judgement.note(fmt::format("CC errors on {} of {} that come on {}; plain UDP has no numbers of its own",
                             damaged, counted(flowing, "input"), about.place()));
  if (about.holes_all_over())
    return judgement.cause(
        damage(about, "cc_errors", Culprit::network,
               fmt::format("{} {} here, and errors on {} of the {} inputs on {}: the network loses packets.",
                           errors, in_window(about), damaged, flowing, about.place()),
               "Look for drops on the switch ports before us, and for a link that is full."));
  const std::string probe = fmt::format("headgate probe {}", about.input->url);
  if (flowing > 1 && others * 2 < flowing - 1)
    return judgement.cause(damage(
        about, "cc_errors", Culprit::source,
        fmt::format("{} {} on this input, and none on {} on {}: its source or the first part of its way is "
                    "at fault.",
                    errors, in_window(about),
                    flowing == 2 ? "the other one" : fmt::format("most of the {} others", flowing - 1),
                    about.place()),
        fmt::format("Ask the source for its own errors; {} nearer to it shows whether they are there "
                    "already.",
                    probe)));
  if (flowing > 1)
    return judgement.cause(damage(
        about, "cc_errors", Culprit::unknown,
        fmt::format("{} {} here, and on {} of the {} on {} too, but not in like numbers: nothing tells "
                    "the source from the network.",
                    errors, in_window(about), others, counted(flowing - 1, "other input"), about.place()),
        fmt::format("If they go on: {} --time 30s here and nearer to the source.", probe)));
  judgement.cause(damage(
      about, "cc_errors", Culprit::unknown,
      fmt::format("{} {}. It comes alone on {} by plain UDP: nothing tells the source from the network.",
                  errors, in_window(about), about.place()),
      fmt::format("Probe it at the source and at the last switch; {} --time 30s here. RTP would number the "
                  "datagrams.",
                  probe)));
}

// Where packets went missing before they came to us: what separates the network from the source.
void judge_losses(const Case& about, Judgement& judgement) {
  const InputRecent& lately = *about.lately;
  if (lately.cc_errors == 0 && lately.rtp_lost == 0) return;
  const std::string errors = counted(lately.cc_errors, "CC error") + worst_pid(about);
  judgement.bad(fmt::format("{} {}", errors, in_window(about)));
  if (about.port_dropped(DropReason::nic_missed) + about.port_dropped(DropReason::nic_no_buffer) +
          about.port_dropped(DropReason::nic_error) >
      0)
    return;  // told at the port
  if (!about.datagrams()) {
    if (about.source != nullptr && about.source->drops.contains("srt_late") &&
        about.source->drops.at("srt_late") > 0)
      return judgement.cause(damage(
          about, "cc_errors", Culprit::network,
          fmt::format("{} {}: SRT lost packets on the way that no repetition mended in time.", errors,
                      in_window(about)),
          "A longer latency at either end, four times the round trip at least; then look at the path."));
    return judgement.cause(damage(about, "cc_errors", sender_of(about),
                                  fmt::format("{} {}, over a connection that loses nothing: the stream was "
                                              "broken before it was sent.",
                                              errors, in_window(about)),
                                  "Look at the far end's own input."));
  }
  if (about.input->protocol == config::DatagramProtocol::rtp) {
    if (lately.rtp_lost > 0) {
      judgement.note(fmt::format("{} missing by their RTP numbers", counted(lately.rtp_lost, "datagram")));
      return judgement.cause(damage(
          about, "cc_errors", Culprit::network,
          fmt::format("The network loses datagrams of {}: {} missing by their RTP numbers {}.",
                      about.input->url, lately.rtp_lost, in_window(about)),
          "Look for drops on the switch ports between the source and us, and for a link that is full."));
    }
    judgement.note("no RTP number is missing");
    return judgement.cause(
        damage(about, "cc_errors", Culprit::source,
               fmt::format("{} {}, and no RTP number is missing: the stream was broken before it was sent.",
                           errors, in_window(about)),
               "Ask whoever runs the source for the errors at the input of its multiplexer or encoder."));
  }
  judge_losses_among_neighbours(about, errors, judgement);
}

void judge_damage(const Case& about, Judgement& judgement) {
  const InputRecent& lately = *about.lately;
  const std::string url = about.input->url;
  if (lately.transport_errors > 0) {
    judgement.bad(fmt::format("{} marked as damaged (TEI) {}", counted(lately.transport_errors, "packet"),
                              in_window(about)));
    judgement.cause(damage(about, "transport_errors", sender_of(about),
                           fmt::format("The sender itself marks packets of {} as damaged (TEI): {} {}.", url,
                                       lately.transport_errors, in_window(about)),
                           "Its receiver has a bad signal: dish, level, demodulator; ask whoever runs it."));
  }
  if (lately.sync_errors > 0) {
    judgement.bad(
        fmt::format("{} without sync byte {}", counted(lately.sync_errors, "packet"), in_window(about)));
    judgement.cause(damage(about, "no_sync", sender_of(about),
                           fmt::format("Packets of {} come without sync byte: {} {}.", url,
                                       lately.sync_errors, in_window(about)),
                           "Look at the sender's output format: 188 bytes a packet, not encrypted."));
  }
  // Stuffing is never scrambled.
  const std::uint64_t carrying = lately.packets - std::min(lately.packets, lately.nulls);
  if (lately.scrambled * 2 > carrying && lately.scrambled > 0) {
    judgement.bad(fmt::format("{} of {} scrambled {}", lately.scrambled, counted(carrying, "packet"),
                              in_window(about)));
    judgement.cause(useless(about, "scrambled", sender_of(about), fmt::format("{} comes scrambled.", url),
                            "Its descrambler fails (CAM, card, entitlement): ask whoever runs the source."));
  }
}

// "; it has 3401, 3402"
std::string programs_of(const Case& about) {
  constexpr std::size_t kNamed = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(about.seen->services.size(), kNamed); ++i)
    text += fmt::format("{}{}", text.empty() ? "; it has " : ", ", about.seen->services[i].program_number);
  return about.seen->services.size() > kNamed ? text + ", ..." : text;
}

void judge_tables(const Case& about, Judgement& judgement) {
  const std::uint64_t state = about.seen->service_state;
  if (state == kProgramNotFound) {
    const bool had = about.lately->had_service;
    judgement.bad("the wanted program is not in its PAT");
    Cause cause =
        useless(about, "program_missing", had ? Culprit::source : Culprit::map,
                had ? fmt::format("The wanted program went out of {}.", about.input->url)
                    : fmt::format("{} comes, but never had the program that the map wants{}.",
                                  about.input->url, programs_of(about)),
                had ? "Ask the source for the program's new number or name, correct `program:` in the map, "
                      "headgate apply."
                    : fmt::format("headgate probe {} lists its programs; correct `program:` in the map, "
                                  "headgate apply.",
                                  about.input->url));
    cause.by_edit = true;
    return judgement.cause(std::move(cause));
  }
  if (state != kWaitsForPat && state != kWaitsForPmt) return;
  const char* table = state == kWaitsForPat ? "PAT" : "PMT";
  if (about.recent.window_ns < kTellsOfClock) return judgement.note(fmt::format("no {} yet", table));
  judgement.bad(fmt::format("no {}", table));
  judgement.cause(useless(about, "program_missing", sender_of(about),
                          fmt::format("{} comes without a {}.", about.input->url, table),
                          "Its multiplexer is at fault: ask whoever runs the source."));
}

void judge_clock(const Case& about, Judgement& judgement) {
  if (!about.lately->had_pcr || about.lately->pcrs > 0 || about.recent.window_ns < kTellsOfClock ||
      about.lately->packets == 0)
    return;
  judgement.bad(fmt::format("no PCR {}", in_window(about)));
  judgement.cause(damage(about, "pcr", sender_of(about),
                         fmt::format("{} lost its clock: no PCR {}.", about.input->url, in_window(about)),
                         "Its encoder or multiplexer is at fault: ask whoever runs the source."));
}

void judge_pids(const Case& about, Judgement& judgement) {
  std::string gone, first;
  std::int64_t since = 0;
  for (const GonePid& one : about.lately->gone) {
    if (!is_missed(about.bridge, one.pid)) continue;
    gone += (gone.empty() ? "" : ", ") + words::pid(one.pid) + track_words(about.bridge, one.pid);
    if (first.empty()) first = words::pid(one.pid);
    since = since == 0 ? one.last_unix_ns : std::min(since, one.last_unix_ns);
  }
  if (gone.empty()) return;
  const std::string ago = words::age(about.age_of(since));
  judgement.bad(fmt::format("came steadily and stopped {} ago: PID {}", ago, gone));
  Cause cause = useless(
      about, "pid_lost", sender_of(about),
      fmt::format("PID {} stopped {} ago, while the others of {} still come.", gone, ago, about.input->url),
      "The encoder of that track, or its multiplexer, is at fault: ask whoever runs the "
      "source.");
  cause.alarm_subject = fmt::format("{} pid {}", about.channel.id, first);
  cause.since_unix_ns = since;
  judgement.cause(std::move(cause));
}

// Against what the map says; true where it says something.
bool judge_named_rate(const Case& about, Judgement& judgement) {
  if (!about.channel.alarms.bitrate) return false;
  const config::RateRange& range = *about.channel.alarms.bitrate;
  const std::uint64_t rate = about.seen->bitrate_bps;
  const auto within = [&](std::uint64_t bps) { return bps >= range.min && bps <= range.max; };
  if (within(rate)) return true;
  // A second's dip is nobody's fault.
  if (within(about.lately->bitrate_bps) && !about.alarm("bitrate", about.channel.id)) return true;
  const bool below = rate < range.min;
  const std::string bounds =
      fmt::format("alarms.bitrate ({} to {})", words::rate(range.min), words::rate(range.max));
  judgement.bad(fmt::format("{} is {} {}", words::rate(rate), below ? "below" : "above", bounds));
  if (below && about.has_holes()) return true;  // what is missing was lost
  judgement.cause(
      damage(about, "bitrate", sender_of(about),
             below ? fmt::format("{} brings {}, below {}, and nothing of it is lost: the source sends less.",
                                 about.input->url, words::rate(rate), bounds)
                   : fmt::format("{} brings {}, above {}: the source sends more.", about.input->url,
                                 words::rate(rate), bounds),
             "Ask whoever runs its encoder or multiplexer what was changed; if it is meant, correct "
             "alarms.bitrate."));
  return true;
}

void judge_rate(const Case& about, Judgement& judgement) {
  if (judge_named_rate(about, judgement)) return;
  const InputRecent& lately = *about.lately;
  if (lately.usual_bps == 0 || about.recent.window_ns < Trends::kLookNs * 2) return;
  const double share = static_cast<double>(lately.bitrate_bps) / static_cast<double>(lately.usual_bps);
  if (share >= kBitrateLow) return;
  judgement.bad(fmt::format("{} instead of its usual {}", words::rate(lately.bitrate_bps),
                            words::rate(lately.usual_bps)));
  if (about.has_holes()) return;  // what is missing was lost
  judgement.cause(
      damage(about, "bitrate", sender_of(about),
             fmt::format("{} brings {} instead of its usual {}, and nothing of it is lost: the "
                         "source sends less.",
                         about.input->url, words::rate(lately.bitrate_bps), words::rate(lately.usual_bps)),
             "Ask whoever runs its encoder or multiplexer what was changed."));
}

}  // namespace

void judge_stream(const Case& about, Judgement& judgement) {
  judgement.stage("stream");
  if (about.seen == nullptr || about.lately == nullptr || !about.flows())
    return judgement.off("nothing comes that could be looked at");
  judgement.ok();
  judge_losses(about, judgement);
  judge_damage(about, judgement);
  judge_tables(about, judgement);
  judge_clock(about, judgement);
  judge_pids(about, judgement);
  judge_rate(about, judgement);
  judge_indicators(about, judgement);
  judgement.note(fmt::format("since it began: CC errors {}, TEI {}, no sync {}, PCR jumps {}",
                             about.seen->cc_errors, about.seen->transport_errors, about.seen->sync_errors,
                             about.seen->pcr_discontinuities));
}

}  // namespace headgate::control::diagnosis

// What came as a transport stream: losses, damage, tables, clock, PIDs, rate.
#include <algorithm>

#include "control/daemon/foreign.h"
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

// Where packets went missing before they came to us: what separates the network from the source.
void judge_losses(const Case& about, Judgement& judgement) {
  const InputRecent& lately = *about.lately;
  if (lately.cc_errors == 0 && lately.rtp_lost == 0) return;
  judgement.bad(fmt::format("{} {}", counted(lately.cc_errors, "CC error"), in_window(about)));
  if (about.port_dropped(DropReason::nic_missed) + about.port_dropped(DropReason::nic_no_buffer) +
          about.port_dropped(DropReason::nic_error) >
      0)
    return;  // told at the port
  const std::string errors = counted(lately.cc_errors, "CC error");
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
  const std::uint32_t flowing = about.neighbours == nullptr ? 0 : about.neighbours->flowing,
                      damaged = about.neighbours == nullptr ? 0 : about.neighbours->damaged;
  judgement.note(fmt::format("CC errors on {} of {} that come on {}; plain UDP has no numbers of its own",
                             damaged, counted(flowing, "input"), about.place()));
  if (about.holes_all_over())
    return judgement.cause(
        damage(about, "cc_errors", Culprit::network,
               fmt::format("{} {} here, and errors on {} of the {} inputs on {}: the network loses packets.",
                           errors, in_window(about), damaged, flowing, about.place()),
               "Look for drops on the switch ports before us, and for a link that is full."));
  if (flowing > 1)
    return judgement.cause(damage(
        about, "cc_errors", Culprit::source,
        fmt::format("{} {} on this input, and none on most of the {} others on {}: its source or the "
                    "first part of its way is at fault.",
                    errors, in_window(about), flowing - 1, about.place()),
        fmt::format("Ask the source for its own errors; headgate probe {} nearer to it shows whether they "
                    "are there already.",
                    about.input->url)));
  judgement.cause(
      damage(about, "cc_errors", Culprit::unknown,
             fmt::format("{} {}. It comes alone on {} by plain UDP: nothing tells the source from the "
                         "network.",
                         errors, in_window(about), about.place()),
             fmt::format("Probe it at the source and at the last switch; headgate probe {} --time 30s "
                         "here. RTP would number the datagrams.",
                         about.input->url)));
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

void judge_tables(const Case& about, Judgement& judgement) {
  const std::uint64_t state = about.seen->service_state;
  if (state == kProgramNotFound) {
    const bool had = about.lately->had_service;
    judgement.bad("the wanted program is not in its PAT");
    Cause cause = useless(
        about, "program_missing", had ? Culprit::source : Culprit::map,
        had ? fmt::format("The wanted program went out of {}.", about.input->url)
            : fmt::format("{} comes, but never had the program that the map wants.", about.input->url),
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

const nlohmann::json* track_of(const Case& about, std::uint64_t number) {
  for (const nlohmann::json& track : foreign::list(about.bridge, "tracks")) {
    if (foreign::count(track, "pid") == number) return &track;
  }
  return nullptr;
}

// " (aac eng)", "" where nobody knows it.
std::string name_of(const Case& about, std::uint16_t number) {
  if (number == 0) return " (PAT)";
  const nlohmann::json* track = track_of(about, number);
  if (track == nullptr) return "";
  const std::string kind = foreign::text(*track, "kind"), language = foreign::text(*track, "language");
  if (kind.empty()) return "";
  return language.empty() || language == "und" ? fmt::format(" ({})", kind)
                                               : fmt::format(" ({} {})", kind, language);
}

// One that the PMT of now does not name has gone by rights, as may service information and stuffing.
bool is_missed(const Case& about, std::uint16_t number) {
  constexpr std::uint16_t kFirstFree = 0x20, kNull = 0x1FFF;
  if (number == 0) return true;
  if (number < kFirstFree || number == kNull) return false;
  return foreign::list(about.bridge, "tracks").empty() || track_of(about, number) != nullptr;
}

void judge_pids(const Case& about, Judgement& judgement) {
  std::string gone, first;
  for (const std::uint16_t number : about.lately->gone) {
    if (!is_missed(about, number)) continue;
    gone += (gone.empty() ? "" : ", ") + words::pid(number) + name_of(about, number);
    if (first.empty()) first = words::pid(number);
  }
  if (gone.empty()) return;
  judgement.bad("came steadily and stopped: PID " + gone);
  Cause cause =
      useless(about, "pid_lost", sender_of(about),
              fmt::format("PID {} stopped, while the others of {} still come.", gone, about.input->url),
              "The encoder of that track, or its multiplexer, is at fault: ask whoever runs the "
              "source.");
  cause.alarm_subject = fmt::format("{} pid {}", about.channel.id, first);
  judgement.cause(std::move(cause));
}

// Against what the map says; true where it says something.
bool judge_named_rate(const Case& about, Judgement& judgement) {
  if (!about.channel.alarms.bitrate) return false;
  const config::RateRange& range = *about.channel.alarms.bitrate;
  const std::uint64_t rate = about.seen->bitrate_bps;
  if (rate >= range.min && rate <= range.max) return true;
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
  judgement.note(fmt::format("since it began: CC errors {}, TEI {}, no sync {}, PCR jumps {}",
                             about.seen->cc_errors, about.seen->transport_errors, about.seen->sync_errors,
                             about.seen->pcr_discontinuities));
}

}  // namespace headgate::control::diagnosis

// What the stream breaks of TR 101 290, and nothing else explains.
#include "control/diagnosis/judgement.h"
#include "control/diagnosis/words.h"
#include "mpegts/monitor/indicators.h"

namespace headgate::control::diagnosis {
namespace {

using mpegts::Indicator;

// Once or twice in a minute is told, and nobody is blamed: an encoder that began anew.
constexpr std::uint64_t kBlamed = 3;

// Packets that are missing or damaged: told above by their own counters, and the cause of most others.
constexpr Indicator kLosses[] = {Indicator::ts_sync_loss, Indicator::sync_byte_error,
                                 Indicator::continuity_count_error, Indicator::transport_error};

bool is_loss(Indicator indicator) {
  for (const Indicator loss : kLosses) {
    if (loss == indicator) return true;
  }
  return false;
}

bool lost_packets(const IndicatorSnapshot& indicators) {
  for (const Indicator loss : kLosses) {
    if (indicators.errors[loss] > 0) return true;
  }
  return false;
}

// The bridge itself makes a transport stream of what comes by RTMP: tables and PCR are ours, PTS are not.
bool is_senders(const Case& about, Indicator indicator) {
  const bool ours =
      about.input->kind == config::InputKind::publish || about.input->kind == config::InputKind::rtmp;
  return !ours || indicator == Indicator::pts_error || indicator == Indicator::pid_error;
}

const char* remedy_for(Indicator indicator) {
  switch (indicator) {
    case Indicator::pid_error:
      return "The encoder of that track stands still, or its multiplexer names what it does not send";
    case Indicator::crc_error:
      return "Tables are damaged before they are sent: the multiplexer, or what edits its tables";
    case Indicator::pcr_discontinuity_indicator_error:
      return "Its clock jumps without saying so: a file that is played in a loop, a splicer, an encoder that "
             "starts anew";
    case Indicator::pts_error:
      return "Its encoder stands still now and then, or leaves out pictures or sound";
    default:
      return "Its multiplexer's settings";
  }
}

}  // namespace

void judge_indicators(const Case& about, Judgement& judgement) {
  const IndicatorSnapshot& lately = about.lately->indicators;
  const Cause* known = judgement.first();
  const bool explained =
      lost_packets(lately) || about.starved() || (known != nullptr && known->weight != Weight::advice);
  for (const mpegts::IndicatorInfo& info : mpegts::kIndicators) {
    const std::uint64_t count = lately.of(info.indicator).value_or(0);
    if (count == 0 || is_loss(info.indicator)) continue;
    const std::string what =
        fmt::format("TR 101 290 {} {}: {} in the last minute ({})", info.clause, info.name, count, info.what);
    const bool minor = info.priority > 2 || count < kBlamed || !is_senders(about, info.indicator);
    if (minor || explained) {
      judgement.note(what + (explained && info.priority <= 2 ? ", which comes of it" : ""));
      continue;
    }
    judgement.bad(what);
    const bool published = about.input->kind == config::InputKind::publish;
    judgement.cause({Weight::advice, published ? Culprit::encoder : Culprit::source,
                     fmt::format("{} breaks TR 101 290 {}, {}, {} times in the last minute, and no packet is "
                                 "missing: it is sent so.",
                                 about.input->url, info.clause, info.name, count),
                     fmt::format("{}. headgate probe {} --time 30s is a page for whoever runs the source.",
                                 remedy_for(info.indicator), about.input->url)});
  }
}

}  // namespace headgate::control::diagnosis

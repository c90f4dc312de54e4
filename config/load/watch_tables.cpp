// The tables of what is heard, seen and reported: audio, watch and alarms of a channel.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "config/load/draft.h"

namespace headgate::config {
namespace {

using std::chrono::milliseconds;

std::vector<std::pair<std::string, Watching>> watchings() {
  return {{"auto", Watching::automatic}, {"never", Watching::never}, {"always", Watching::always}};
}

bool is_never(const Value& value) { return value.is_scalar() && value.text == "never"; }

// A time, or never. 0 in the model.
Field<AlarmsDraft> alarm(std::string name, milliseconds Alarms::*member, std::string default_text,
                         std::string doc) {
  static constexpr milliseconds kMin{1000}, kMax{86'400'000};
  const auto get = [member](AlarmsDraft& draft) -> milliseconds& { return draft.alarms.*member; };
  const auto parse = [](const Value& value) -> Parsed<milliseconds> {
    if (is_never(value)) return milliseconds(0);
    auto time = parse_duration(value, kMin, kMax);
    if (time) return time;
    std::string message = time.error();
    message.insert(std::min(message.rfind(", not "), message.size()), ", or never");
    return tl::unexpected(std::move(message));
  };
  return scalar<AlarmsDraft>(std::move(name),
                             R"({"type":"string","pattern":"^(never|[0-9.]+(ms|s|min|m|h|d))$"})", get, parse,
                             std::move(default_text), std::move(doc) + "; 1s to 1d, or never");
}

// "-31LUFS", "-15.5LUFS", in tenths.
Parsed<std::int32_t> parse_lufs(std::string_view text) {
  constexpr double kFloor = -70;  // EBU R128's absolute gate: below it there is no loudness
  double lufs = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), lufs, std::chars_format::fixed);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error != std::errc{} || !std::isfinite(lufs))
    return tl::unexpected<std::string>(
        fmt::format("must be a range like -31LUFS..-15LUFS, or never, not '{}'", shown(text)));
  if (unit.empty())
    return tl::unexpected<std::string>(fmt::format("needs a unit: write {}LUFS", shown(text)));
  if (unit != "LUFS")
    return tl::unexpected<std::string>(
        fmt::format("has the unknown unit '{}': write LUFS, as in -23LUFS", shown(unit)));
  if (lufs < kFloor || lufs > 0)
    return tl::unexpected<std::string>(fmt::format("must be -70LUFS to 0LUFS, not {}", shown(text)));
  return static_cast<std::int32_t>(std::lround(lufs * 10));
}

Parsed<std::optional<LoudnessRange>> parse_loudness(const Value& value) {
  const auto wrong = [](std::string message) { return tl::unexpected<std::string>(std::move(message)); };
  if (!value.is_scalar())
    return wrong(fmt::format("must be a range like -31LUFS..-15LUFS, or never, not {}", kind_name(value)));
  if (is_never(value)) return std::optional<LoudnessRange>();
  const std::string_view text = value.text;
  const std::size_t dots = text.find("..");
  if (dots == std::string_view::npos)
    return wrong(fmt::format("must be a range like -31LUFS..-15LUFS, or never, not '{}'", shown(text)));
  const auto min = parse_lufs(text.substr(0, dots));
  const auto max = parse_lufs(text.substr(dots + 2));
  if (!min || !max) return wrong(!min ? min.error() : max.error());
  if (*min >= *max)
    return wrong(fmt::format("must begin with the lower end: write {}..{}", text.substr(dots + 2),
                             text.substr(0, dots)));
  return std::optional<LoudnessRange>(LoudnessRange{*min, *max});
}

// "10/min"; never is 0.
Parsed<std::optional<ErrorRate>> parse_error_rate(const Value& value) {
  constexpr std::uint64_t kMax = 1'000'000;
  constexpr std::array<std::pair<std::string_view, std::chrono::seconds>, 3> kPer{
      {{"s", std::chrono::seconds(1)}, {"min", std::chrono::minutes(1)}, {"h", std::chrono::hours(1)}}};
  const auto wrong = [](std::string message) { return tl::unexpected<std::string>(std::move(message)); };
  if (!value.is_scalar())
    return wrong(fmt::format("must be a count in a time like 10/min, or never, not {}", kind_name(value)));
  if (is_never(value)) return std::optional<ErrorRate>(ErrorRate{});
  const std::string_view text = value.text;
  const std::size_t slash = text.find('/');
  const auto count = parse_number(text.substr(0, slash));
  if (!count)
    return wrong(fmt::format("must be a count in a time like 10/min, or never, not '{}'", shown(text)));
  if (slash == std::string_view::npos) return wrong(fmt::format("needs a time: write {}/min", shown(text)));
  const std::string_view unit = text.substr(slash + 1);
  for (const auto& [name, per] : kPer) {
    if (unit != name) continue;
    if (*count == 0 || *count > kMax)
      return wrong(fmt::format("must be 1/{} to {}/{}, or never, not {}", unit, kMax, unit, shown(text)));
    return std::optional<ErrorRate>(ErrorRate{*count, per});
  }
  return wrong(fmt::format("has the unknown time '{}': write s, min or h, as in 10/min", shown(unit)));
}

// "3Mbps..7Mbps"
Parsed<std::optional<RateRange>> parse_rate_range(const Value& value) {
  constexpr std::uint64_t kMin = 1'000, kMax = 10'000'000'000;
  const auto wrong = [](std::string message) { return tl::unexpected<std::string>(std::move(message)); };
  if (!value.is_scalar())
    return wrong(fmt::format("must be a range like 3Mbps..7Mbps, or never, not {}", kind_name(value)));
  if (is_never(value)) return std::optional<RateRange>();
  const std::string_view text = value.text;
  const std::size_t dots = text.find("..");
  if (dots == std::string_view::npos)
    return wrong(fmt::format("must be a range like 3Mbps..7Mbps, or never, not '{}'", shown(text)));
  const auto min = parse_bitrate(text.substr(0, dots), kMin, kMax);
  const auto max = parse_bitrate(text.substr(dots + 2), kMin, kMax);
  if (!min || !max) return wrong(!min ? min.error() : max.error());
  if (*min >= *max)
    return wrong(fmt::format("must begin with the lower end: write {}..{}", text.substr(dots + 2),
                             text.substr(0, dots)));
  return std::optional<RateRange>(RateRange{*min, *max});
}

}  // namespace

const Table<AudioDraft>& audio_table() {
  using D = AudioDraft;
  static const Table<D> kTable{
      "audio",
      {choice<D>(
          "transcode", [](D& d) -> AudioTranscode& { return d.audio.transcode; },
          std::vector<std::pair<std::string, AudioTranscode>>{{"auto", AudioTranscode::automatic},
                                                              {"never", AudioTranscode::never},
                                                              {"always", AudioTranscode::always}},
          "auto",
          "auto makes AAC beside MP2, AC-3, E-AC-3, LATM and DTS where an output needs it; always beside "
          "all that is not AAC-LC at 48 kHz; never keeps each output to what it can carry")}};
  return kTable;
}

const Table<WatchDraft>& watch_table() {
  using D = WatchDraft;
  static const Table<D> kTable{
      "watch",
      {duration<D>(
           "every", [](D& d) -> milliseconds& { return d.watch.every; }, milliseconds(1000),
           milliseconds(60'000), "5s", "how often a picture is looked at, and the thumbnail made"),
       choice<D>(
           "pictures", [](D& d) -> Watching& { return d.watch.pictures; }, watchings(), "auto",
           "black, frozen, still and the thumbnail; auto: where the channel is served, pushed by RTMP or "
           "SRT, comes by another way than multicast, or failover.when names frozen or black; always: a "
           "plain multicast relay too"),
       choice<D>(
           "sound", [](D& d) -> Watching& { return d.watch.sound; }, watchings(), "auto",
           "silence, clipping, phase and loudness; auto as for pictures, with silence in failover.when")}};
  return kTable;
}

const Table<AlarmsDraft>& alarms_table() {
  using D = AlarmsDraft;
  static const Table<D> kTable{
      "alarms",
      {alarm("black", &Alarms::black, "3s", "pictures are black for so long"),
       alarm("frozen", &Alarms::frozen, "3500ms", "a moving picture stopped within a shot, for so long"),
       alarm("still", &Alarms::still, "60s", "the picture stands still for so long, after a cut"),
       alarm("silence", &Alarms::silence, "3s", "every sound track is silent for so long"),
       alarm("clipping", &Alarms::clipping, "10s", "the sound is cut off at full scale, again and again"),
       alarm("phase", &Alarms::phase, "10s",
             "left and right are against each other: nothing is left in mono"),
       scalar<D>(
           "loudness", R"({"type":"string","pattern":"^(never|-?[0-9.]+LUFS\\.\\.-?[0-9.]+LUFS)$"})",
           [](D& d) -> std::optional<LoudnessRange>& { return d.alarms.loudness; }, parse_loudness,
           "-40LUFS..-8LUFS", "short-term loudness (EBU R128) is outside of this range, or never"),
       duration<D>(
           "loudness_after", [](D& d) -> milliseconds& { return d.alarms.loudness_after; },
           milliseconds(3000), milliseconds(86'400'000), "30s",
           "loudness is outside of its range for so long"),
       scalar<D>(
           "cc_errors", R"({"type":"string","pattern":"^(never|[0-9]+/(s|min|h))$"})",
           [](D& d) -> std::optional<ErrorRate>& { return d.alarms.cc_errors; }, parse_error_rate, "10/min",
           "so many continuity errors within that time, or never; where it is given, fewer do not make the "
           "channel degraded either"),
       scalar<D>(
           "bitrate",
           R"({"type":"string","pattern":"^(never|[0-9.]+(kbps|Mbps|Gbps)\\.\\.[0-9.]+(kbps|Mbps|Gbps))$"})",
           [](D& d) -> std::optional<RateRange>& { return d.alarms.bitrate; }, parse_rate_range, "never",
           "what comes in, as `headgate status` shows it, is outside of this range for 3 s, or never")}};
  return kTable;
}

}  // namespace headgate::config

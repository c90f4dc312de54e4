#include "dataplane/bridge/watch/channel_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace headgate::bridge::watch {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
// Without a report for so long there is nothing to judge by. Pictures: three looks, and what a job may take.
constexpr std::int64_t kPictureReports = 3;
constexpr std::int64_t kPicturePatience = 10'000 * kMillisecond;
constexpr std::int64_t kSoundPatience = 10'000 * kMillisecond;
// Nothing came for so long: what was expected meanwhile could not come.
constexpr std::int64_t kPause = 2'000 * kMillisecond;
// A track that is silent among others that are not (audio description, a second language) tells of itself
// late.
constexpr std::int64_t kTrackSilence = 15;

std::int64_t ns(std::uint32_t ms) { return std::int64_t{ms} * kMillisecond; }

const char* text_of(job::PictureVerdict verdict) {
  switch (verdict) {
    case job::PictureVerdict::shown:
      return "no picture came back";
    case job::PictureVerdict::undecodable:
      return "the decoder makes no picture of them";
    case job::PictureVerdict::crashed:
      return "the decoder's process died of them";
    case job::PictureVerdict::timed_out:
      return "decoding one takes too long";
    case job::PictureVerdict::refused:
      break;
  }
  return "they killed their decoder's processes too often";
}

}  // namespace

const char* to_string(Kind kind) noexcept {
  static constexpr std::array<const char*, kKinds> kNames{
      "black",          "frozen", "still", "silent", "track_silent",
      "clipping",       "phase",  "loud",  "quiet",  "unwatched_pictures",
      "unwatched_sound"};
  return kNames[static_cast<std::size_t>(kind)];
}

void ChannelWatch::configure(const protocol::WatchState& state) { state_ = state; }

void ChannelWatch::begin(std::int64_t now_ns, bool suspect) {
  begun_ns_ = now_ns;
  suspect_ = suspect;
  pictures_expected_ns_ = now_ns;
  picture_.restart(suspect);
  for (auto& [pid, track] : tracks_) track = TrackWatch(now_ns);
  findings_.clear();
}

void ChannelWatch::set_tracks(bool pictures, std::span<const std::uint32_t> sound, std::int64_t now_ns) {
  if (pictures && !pictures_expected_) pictures_expected_ns_ = now_ns;
  if (!pictures) picture_.restart(false);
  pictures_expected_ = pictures;
  const auto gone = [&](const auto& item) {
    return std::find(sound.begin(), sound.end(), item.first) == sound.end();
  };
  std::erase_if(tracks_, gone);
  for (const std::uint32_t pid : sound) tracks_.try_emplace(pid, now_ns);
}

void ChannelWatch::on_data(std::int64_t now_ns) {
  if (now_ns - std::exchange(data_ns_, now_ns) <= kPause) return;
  pictures_expected_ns_ = now_ns;
  for (auto& [pid, track] : tracks_) track.expect(now_ns);
}

void ChannelWatch::on_unit(std::size_t bytes, bool random_access, std::int64_t now_ns) {
  picture_.on_unit(bytes, random_access, now_ns);
}

void ChannelWatch::on_picture(const job::PictureResult& picture, std::int64_t taken_ns, std::int64_t now_ns) {
  if (taken_ns < begun_ns_) return;
  picture_.on_picture(picture, taken_ns);
  judge(now_ns);
}

void ChannelWatch::on_levels(std::uint32_t track, const job::SoundLevels& levels, std::int64_t now_ns) {
  const auto found = tracks_.find(track);
  if (found == tracks_.end()) return;
  found->second.on_levels(levels, now_ns, state_);
}

void ChannelWatch::on_tick(std::int64_t now_ns) { judge(now_ns); }

const Finding* ChannelWatch::find(Kind kind) const {
  const auto found = std::find_if(findings_.begin(), findings_.end(),
                                  [kind](const Finding& finding) { return finding.kind == kind; });
  return found == findings_.end() ? nullptr : &*found;
}

std::int64_t ChannelWatch::picture_patience() const {
  return kPictureReports * ns(state_.every_ms) + kPicturePatience;
}

const job::PictureResult* ChannelWatch::picture(std::int64_t now_ns) const {
  const bool fresh = picture_.last() && now_ns - picture_.last_ns() <= picture_patience();
  return fresh ? &*picture_.last() : nullptr;
}

bool ChannelWatch::has_verdict(std::int64_t now_ns) const {
  const bool pictures = state_.pictures && pictures_expected_;
  const bool sound = state_.sound && !tracks_.empty();
  if (!pictures && !sound) return false;
  if (pictures && picture(now_ns) == nullptr) return false;
  // Of one that was left for it, what looks wrong is not well until its time is over.
  const auto undecided = [this](const Condition& condition) {
    return suspect_ && condition.wrong() && !condition.told();
  };
  if (pictures && undecided(picture_.black_condition())) return false;
  return !sound || std::all_of(tracks_.begin(), tracks_.end(), [&](const auto& item) {
    return !undecided(item.second.silent) && item.second.last_ns() != 0 &&
           now_ns - item.second.last_ns() <= kSoundPatience;
  });
}

void ChannelWatch::judge(std::int64_t now_ns) {
  findings_.clear();
  if (state_.pictures) judge_pictures(now_ns);
  if (state_.sound) judge_sound(now_ns);
}

void ChannelWatch::judge_pictures(std::int64_t now_ns) {
  const std::int64_t last = std::max(picture_.last_ns(), pictures_expected_ns_);
  if (pictures_expected_ && now_ns - last > picture_patience()) {
    findings_.push_back({Kind::unwatched_pictures, 0, last, text_of(picture_.last_verdict())});
    return;
  }
  if (!picture_.last()) return;
  const job::PictureResult& seen = *picture_.last();
  if (picture_.black(now_ns, state_))
    findings_.push_back({Kind::black, 0, picture_.black_condition().since_ns(),
                         fmt::format("mean luma {} of 255, brightest {}", seen.mean, seen.brightest)});
  if (picture_.frozen(now_ns, state_)) {
    findings_.push_back({Kind::frozen, 0, picture_.frozen_condition().since_ns(), "stopped within a shot"});
  } else if (picture_.still(now_ns, state_)) {
    findings_.push_back({Kind::still, 0, picture_.still_condition().since_ns(), "the same picture since"});
  }
}

void ChannelWatch::judge_sound(std::int64_t now_ns) {
  std::size_t silent = 0;
  std::size_t fresh = 0;
  std::int64_t silent_since = 0;
  std::vector<Finding> of_tracks;
  for (auto& [key, value] : tracks_) {
    const auto pid = key;  // a lambda takes no structured binding
    auto& track = value;
    const std::int64_t last = std::max(track.last_ns(), track.expected_ns());
    if (now_ns - last > kSoundPatience) {
      of_tracks.push_back({Kind::unwatched_sound, pid, last, "no levels came"});
      continue;
    }
    if (!track.fresh(now_ns)) continue;
    ++fresh;
    const job::SoundLevels& heard = *track.last();
    const auto add = [&](Kind kind, Condition& condition, std::int64_t threshold, const auto& text) {
      if (threshold > 0 && condition.lasts(now_ns, track.last_ns(), threshold))
        of_tracks.push_back({kind, pid, condition.since_ns(), text()});
    };
    const auto level = [&] { return fmt::format("{:.0f} dBFS", heard.rms_dbfs); };
    if (state_.silence_ms > 0 && track.silent.lasts(now_ns, track.last_ns(), ns(state_.silence_ms))) {
      ++silent;
      silent_since = std::max(silent_since, track.silent.since_ns());
      if (track.last_ns() - track.silent.since_ns() >= kTrackSilence * ns(state_.silence_ms))
        of_tracks.push_back({Kind::track_silent, pid, track.silent.since_ns(), level()});
    }
    add(Kind::clipping, track.clipping, ns(state_.clipping_ms),
        [&] { return fmt::format("peak {:.1f} dBFS", heard.peak_dbfs); });
    add(Kind::phase, track.phase, ns(state_.phase_ms),
        [&] { return fmt::format("correlation {:.2f}", heard.correlation); });
    const auto loudness = [&] { return fmt::format("{:.1f} LUFS", heard.short_term_lufs); };
    add(Kind::loud, track.loud, ns(state_.loudness_ms), loudness);
    add(Kind::quiet, track.quiet, ns(state_.loudness_ms), loudness);
  }
  // Silence of one track that is not heard now is no silence of all.
  if (fresh > 0 && silent == tracks_.size())
    findings_.push_back(
        {Kind::silent, 0, silent_since, tracks_.size() == 1 ? "its only track" : "all tracks"});
  const bool all = find(Kind::silent) != nullptr;
  for (Finding& finding : of_tracks) {
    if (!all || finding.kind != Kind::track_silent) findings_.push_back(std::move(finding));
  }
}

}  // namespace headgate::bridge::watch

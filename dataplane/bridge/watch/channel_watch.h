// What is wrong with one input's pictures and sound, from what workers report of them: black, frozen, silent
// and the like, each from when on. Pure: reports and time are arguments. docs/watching.md tells how the
// limits were found. References: EBU R128, EBU Tech 3341 (loudness); ITU-R BS.1770-4.
//
// One ChannelWatch stands for one input at a time: begin() when another one comes on air. Time is any clock
// that only rises; nothing here is compared with the wall's.
//
// Pictures come seldom: `watch.every_ms` apart, or once a second while wants_look(). When wants_look() turns
// true, the owner looks at the random access point that came last, where it wasn't looked at (it shows what
// the picture was before), and then at the next ones.
//
// Threading: owned by one thread. Ownership: copies what it keeps.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/protocol/state.h"
#include "dataplane/bridge/watch/picture_watch.h"
#include "dataplane/bridge/watch/sound_watch.h"
#include "dataplane/job/message.h"

namespace headgate::bridge::watch {

enum class Kind : std::uint8_t {
  black,
  frozen,  // stopped within a shot
  still,   // stands for very long
  silent,  // all tracks
  track_silent,
  clipping,
  phase,
  loud,
  quiet,
  unwatched_pictures,  // there are pictures, and nothing can be said of them
  unwatched_sound,
};
inline constexpr std::size_t kKinds = 11;
const char* to_string(Kind kind) noexcept;  // "black", "track_silent"...

struct Finding {
  Kind kind{};
  std::uint32_t track = 0;    // PID; 0: the whole input
  std::int64_t since_ns = 0;  // began then
  std::string text;           // figures, "mean luma 2 of 255"
  bool operator==(const Finding&) const = default;
};

class ChannelWatch {
 public:
  explicit ChannelWatch(const protocol::WatchState& state) : state_(state) {}
  void configure(const protocol::WatchState& state);
  // Another input, or the stream began anew: what was seen and heard says nothing of it. `suspect`: its
  // picture counts as frozen until it is seen to move.
  void begin(std::int64_t now_ns, bool suspect = false);
  // What the input has to be watched: again when its tracks change. `sound`: PIDs of the tracks whose levels
  // will come. Without these there is nothing to miss.
  void set_tracks(bool pictures, std::span<const std::uint32_t> sound, std::int64_t now_ns);

  // First of all, whatever comes. After a pause it can't be expected that anything was seen or heard in it.
  void on_data(std::int64_t now_ns);
  // Every picture as it passes, not decoded: its coded_bytes().
  void on_unit(std::size_t bytes, bool random_access, std::int64_t now_ns);
  // `taken_ns`: when its random access point came; one from before begin() is not of this input.
  void on_picture(const job::PictureResult& picture, std::int64_t taken_ns, std::int64_t now_ns);
  void on_levels(std::uint32_t track, const job::SoundLevels& levels, std::int64_t now_ns);
  // A few times a second.
  void on_tick(std::int64_t now_ns);

  // Something may be wrong: look at the next random access point, a second after the last at the earliest.
  bool wants_look() const { return picture_.wants_look(); }
  std::int64_t wants_look_before_ns() const { return picture_.wants_look_before_ns(); }

  // Those that last longer than their threshold, as of the last call.
  const std::vector<Finding>& findings() const { return findings_; }
  const Finding* find(Kind kind) const;
  // Whether there is enough to judge by: all that is to be watched came lately. Without it the absence of a
  // finding means nothing.
  bool has_verdict(std::int64_t now_ns) const;

  // For status and metrics. The picture that was looked at last; null where that says nothing of now.
  const job::PictureResult* picture(std::int64_t now_ns) const;
  const std::map<std::uint32_t, TrackWatch>& tracks() const { return tracks_; }

 private:
  std::int64_t picture_patience() const;
  void judge(std::int64_t now_ns);
  void judge_pictures(std::int64_t now_ns);
  void judge_sound(std::int64_t now_ns);

  protocol::WatchState state_;
  std::int64_t begun_ns_ = 0;
  std::int64_t data_ns_ = 0;  // last; 0: none yet
  bool suspect_ = false;
  bool pictures_expected_ = false;
  std::int64_t pictures_expected_ns_ = 0;
  PictureWatch picture_;
  std::map<std::uint32_t, TrackWatch> tracks_;
  std::vector<Finding> findings_;
};

}  // namespace headgate::bridge::watch

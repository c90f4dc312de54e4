// Whether one track of an input is silent, clips, has left against right, or is too loud or too quiet. Pure.
// See channel_watch.h. References: EBU R128 and Tech 3341 (short-term loudness over 3 s). Threading: owned by
// one thread.
#pragma once

#include <cstdint>
#include <optional>

#include "control/protocol/state.h"
#include "dataplane/bridge/watch/condition.h"
#include "dataplane/job/message.h"

namespace headgate::bridge::watch {

// Nothing that anybody would hear.
bool is_silent(const job::SoundLevels& levels) noexcept;

class TrackWatch {
 public:
  // Levels that are older say nothing of now. Samples of two seconds may lie 1.6 s apart.
  static constexpr std::int64_t kFreshNs = 3'000'000'000;

  explicit TrackWatch(std::int64_t now_ns) : expected_ns_(now_ns) {}
  void on_levels(const job::SoundLevels& levels, std::int64_t now_ns, const protocol::WatchState& state);

  const std::optional<job::SoundLevels>& last() const { return last_; }
  std::int64_t last_ns() const { return last_ns_; }  // 0: none yet
  bool fresh(std::int64_t now_ns) const { return last_ns_ != 0 && now_ns - last_ns_ <= kFreshNs; }
  void expect(std::int64_t from_ns) { expected_ns_ = from_ns; }
  std::int64_t expected_ns() const { return expected_ns_; }  // since when levels are to come

  Condition silent;
  Condition clipping;
  Condition phase;
  Condition loud;
  Condition quiet;

 private:
  std::int64_t expected_ns_;
  std::optional<job::SoundLevels> last_;
  std::int64_t last_ns_ = 0;
  std::int64_t last_clipped_ns_ = 0;
  std::int64_t loudness_from_ns_ = 0;  // from then on the short-term loudness holds no silence
};

}  // namespace headgate::bridge::watch

// Whether an input's picture is black, or stands. Pure. See channel_watch.h. Threading: owned by one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "control/protocol/state.h"
#include "dataplane/bridge/watch/coded_sizes.h"
#include "dataplane/bridge/watch/condition.h"
#include "dataplane/job/message.h"

namespace headgate::bridge::watch {

// Nearly all of the picture is dark, and nothing stands out of it: no light, no detail, no subtitle.
bool is_black(const job::PictureResult& picture) noexcept;
// Within coding noise.
bool is_same_picture(const job::PictureResult& a, const job::PictureResult& b) noexcept;
// One may have become the other by motion, without a cut.
bool is_same_shot(const job::PictureResult& a, const job::PictureResult& b) noexcept;

class PictureWatch {
 public:
  // `suspect`: it counts as frozen until it is seen to move, for it was left for that.
  void restart(bool suspect);
  void on_unit(std::size_t bytes, bool random_access, std::int64_t now_ns) noexcept;
  void on_picture(const job::PictureResult& picture, std::int64_t taken_ns);

  bool wants_look() const;
  // When the sizes fell that a look is wanted for; 0: for none. The last random access point before it shows
  // what stopped.
  std::int64_t wants_look_before_ns() const;
  // As of the last look, or of now, as long as the coded sizes lie as low as then.
  bool black(std::int64_t now_ns, const protocol::WatchState& state);
  bool frozen(std::int64_t now_ns, const protocol::WatchState& state);
  bool still(std::int64_t now_ns, const protocol::WatchState& state);
  const Condition& black_condition() const { return black_; }
  const Condition& frozen_condition() const { return frozen_; }
  const Condition& still_condition() const { return still_; }
  const CodedSizes& sizes() const { return sizes_; }

  // Decoded ones only.
  const std::optional<job::PictureResult>& last() const { return last_; }
  std::int64_t last_ns() const { return last_ns_; }  // taken; 0: none yet
  job::PictureVerdict last_verdict() const { return verdict_; }

 private:
  // Looks in a row, each unlike the one before, after which a picture counts as one that moves.
  static constexpr int kMoves = 2;
  static constexpr int kLooksOfCollapse = 3;
  static constexpr int kEqualLooks = 3;

  bool looks_into_collapse() const;
  void judge_motion(const job::PictureResult& picture, bool black, std::int64_t taken_ns);
  std::int64_t vouched_ns(std::int64_t now_ns) const;

  CodedSizes sizes_;
  std::optional<job::PictureResult> last_;
  std::int64_t last_ns_ = 0;
  std::optional<job::PictureResult> before_;  // the last one that the next was unlike
  std::int64_t before_ns_ = 0;
  std::optional<job::PictureResult> second_last_;  // before that one
  job::PictureVerdict verdict_ = job::PictureVerdict::shown;
  int moves_ = 0;
  int streak_ = 0;                // looks in a row that were unlike the one before, at last
  std::int64_t collapse_ns_ = 0;  // when the one that is looked into began
  int looks_of_collapse_ = 0;
  bool suspect_ = false;
  bool stands_ = false;
  std::int64_t stands_since_ns_ = 0;
  int equal_looks_ = 0;
  bool stopped_ = false;  // the coded sizes fell when it began to stand
  bool within_shot_ = false;
  Condition black_;
  Condition frozen_;
  Condition still_;
};

}  // namespace headgate::bridge::watch

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
// How much two pictures differ: 0 the same. Coding noise stays below kSame.
double difference(const job::PictureResult& a, const job::PictureResult& b) noexcept;

class PictureWatch {
 public:
  void restart(std::int64_t now_ns);
  void on_unit(std::size_t bytes, bool random_access, std::int64_t now_ns) noexcept {
    sizes_.on_unit(bytes, random_access, now_ns);
  }
  void on_picture(const job::PictureResult& picture, std::int64_t taken_ns);

  bool wants_look() const;
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
  void judge_motion(const job::PictureResult& picture, std::int64_t taken_ns);
  std::int64_t vouched_ns(std::int64_t now_ns) const;

  CodedSizes sizes_;
  std::optional<job::PictureResult> last_;
  std::optional<job::PictureResult> moving_;  // the last that differed from the one before it
  std::int64_t last_ns_ = 0;
  std::int64_t vouched_ns_ = 0;
  job::PictureVerdict verdict_ = job::PictureVerdict::shown;
  bool has_moved_ = false;
  Condition black_;
  Condition frozen_;
  Condition still_;
};

}  // namespace headgate::bridge::watch

// Takes a channel's random access points to be looked at: one every `watch.every_ms`, evenly staggered over
// the channels, and more, a second apart at least, while something seems wrong. Keeps the last two, so that
// what was a moment ago, before it went wrong, can be looked at, too.
//
// A look takes the PES payload at the random access point and what completes its picture: the second field,
// the rest of an access unit that lies over several PES packets, or the beginning of the next, which shows
// that it is whole; at most kMaxFollowing. After a picture that can't be decoded the next random access point
// is looked at, too, once in `watch.every_ms`.
//
// Times are of a clock that only rises, ns. Threading: owned by the hub's thread. Memory: two random access
// points, each of at most PictureDesk::kMaxBytes. Ownership: the desk outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/bridge/hub/track.h"
#include "dataplane/bridge/transcode/picture_desk.h"

namespace headgate::bridge::transcode {

struct PictureTapCounters {
  std::uint64_t looks = 0;
  std::uint64_t shown = 0;      // results with a picture
  std::uint64_t failed = 0;     // undecodable, crashed, timed out, refused
  std::uint64_t skipped = 0;    // looks that were due and found no free place, or no answer
  std::uint64_t oversized = 0;  // random access points of more than PictureDesk::kMaxBytes
};

class PictureTap final : public hub::UnitSink, private PictureAsker {
 public:
  static constexpr std::size_t kMaxFollowing = 64;
  static constexpr std::int64_t kLeastApart = 1'000'000'000;
  // Of what comes more often (pictures coded by themselves) no more is kept.
  static constexpr std::int64_t kKeepApart = 400'000'000;

  struct Result {
    const job::PictureResult& picture;
    std::span<const std::uint8_t> jpeg;  // empty: not asked for, or there is none
    std::int64_t taken_ns = 0;
  };
  using OnResult = std::function<void(const Result&)>;

  // `id` is nobody else's among those of the desk, and the same after a restart.
  PictureTap(PictureDesk& desk, std::uint32_t id, std::uint32_t every_ms, OnResult on_result);
  ~PictureTap() override;
  PictureTap(const PictureTap&) = delete;
  PictureTap& operator=(const PictureTap&) = delete;

  void set_every(std::uint32_t every_ms) { every_ms_ = every_ms; }
  // Before what comes at that time.
  void set_time(std::int64_t now_ns) { now_ns_ = now_ns; }
  // Something may be wrong. `before_ns`: the last random access point before that time is to be looked at
  // first; 0: none is.
  void set_suspicious(bool suspicious, std::int64_t before_ns = 0) {
    suspicious_ = suspicious;
    before_ns_ = before_ns;
  }
  // A few times a second.
  void on_tick(std::int64_t now_ns);

  void on_configuration(std::shared_ptr<const hub::Configuration> configuration) override;
  void on_unit(const hub::Unit& unit) override;
  void on_discontinuity() override { forget(); }
  void on_loss() override { forget(); }

  const PictureTapCounters& counters() const { return counters_; }

 private:
  void on_picture(const job::PictureResult& picture, std::span<const std::uint8_t> jpeg) override;
  void on_lost() override;
  // A random access point, and what completes its picture.
  struct Kept {
    std::vector<std::uint8_t> bytes;
    bool has = false;
    std::size_t following = 0;
    bool whole = false;
    bool looked = false;
    std::int64_t ns = 0;
  };
  void forget();
  bool complete(const hub::Unit& unit, bool joinable);
  bool append(const hub::Unit& unit);
  std::int64_t slot() const;
  void look_if_due(bool at_random_access);
  void look_back();
  bool ask(Kept& kept, bool wants_jpeg);

  PictureDesk& desk_;
  std::uint32_t id_;
  std::uint32_t every_ms_;
  OnResult on_result_;
  std::int64_t now_ns_ = 0;
  bool suspicious_ = false;
  std::int64_t before_ns_ = 0;
  mpegts::StreamKind kind_ = mpegts::StreamKind::unknown;  // of the video; unknown: there is none

  Kept kept_;     // the last one
  Kept earlier_;  // the one before it

  bool asked_ = false;
  std::int64_t asked_ns_ = 0;  // when the picture under way was taken
  std::int64_t last_look_ns_ = 0;
  bool any_look_ = false;
  std::int64_t done_slot_ = -1;
  std::int64_t refused_slot_ = -1;
  std::int64_t repeated_slot_ = -1;
  std::vector<std::uint8_t> pes_;
  PictureTapCounters counters_;
};

}  // namespace headgate::bridge::transcode

// A channel's pictures made smaller: stands between the channel and its packager, sends the video to one
// worker for each size, and adds what comes back as tracks of their own (hub::Track::twin_of, ::name), with
// the times of the channel's timeline. Everything else passes unchanged and unhindered. A worker puts an IDR
// at each random access point of the source, so that what comes back can be cut where the source is cut.
// StreamBegin is repeated at each of them; a worker that knows it already goes on.
//
// Frames of the worker are not trusted: one whose time lies far from what was sent, or beyond what a worker
// that was told this bitrate can bring, is dropped, and after a loss all up to the next random access point.
//
// A worker that is late is waited for: viewers of its size get their segments later, nobody else does. Once
// it is more than kMostBehind late it gets nothing more until it has taken all, and not before a pause, which
// grows with each time. It goes on at a random access point, and what it makes is handed on once it has kept
// the pace for kTrial. What comes so late that its segment may be over is dropped. References: ITU-T H.264
// Annex B; ISO/IEC 13818-1:2022 2.4.3.6. Threading: owned by the hub's thread. Ownership: the sink and the
// maker of jobs outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/bridge/hub/track.h"
#include "dataplane/bridge/transcode/job.h"
#include "dataplane/job/message.h"

namespace headgate::bridge::transcode {

struct LadderStep {
  std::string name;         // in addresses: lower-case letters, digits, hyphens
  std::uint32_t width = 0;  // 0: by the source's display aspect ratio
  std::uint32_t height = 0;
  std::uint32_t bitrate_bps = 0;
  bool operator==(const LadderStep&) const = default;
};

struct LadderStatus {
  std::string name;
  std::uint64_t frames = 0;    // handed on
  std::uint64_t dropped = 0;   // times that can't be, references that are missing, too much at once
  std::uint64_t not_sent = 0;  // the ring to the worker was full
  std::uint64_t behind = 0;    // times that the worker fell behind
  std::uint64_t left_out = 0;  // pictures not sent or not handed on because it did
  std::string trouble;         // the worker's word, or that it falls behind; empty: none
};

class Ladder final : public hub::UnitSink {
 public:
  static constexpr std::int64_t kMostBehind = 4 * mpegts::kTicksPerSecond;
  static constexpr std::int64_t kFirstPause = 2 * mpegts::kTicksPerSecond;
  static constexpr std::int64_t kLongestPause = 60 * mpegts::kTicksPerSecond;
  static constexpr std::int64_t kTrial = 3 * mpegts::kTicksPerSecond;
  // Below the time that a segment waits for its parts (hls::Segmenter::kTwinLimit).
  static constexpr std::int64_t kLatest = 6 * mpegts::kTicksPerSecond;

  Ladder(hub::UnitSink& out, std::string channel);
  ~Ladder() override;

  // `maker` null: there is no transcode process; everything passes.
  void set(const std::vector<LadderStep>& steps, JobMaker* maker);
  std::vector<LadderStatus> status() const;

  void on_configuration(std::shared_ptr<const hub::Configuration> configuration) override;
  void on_unit(const hub::Unit& unit) override;
  void on_discontinuity() override;
  void on_loss() override;
  void on_cue(const hub::Cue& cue) override { out_.on_cue(cue); }

 private:
  struct Rung;
  void set_rungs();
  void publish();
  void feed(const hub::Unit& unit);
  void begin_stream(Rung& rung);
  bool keeps_pace(Rung& rung, const hub::Unit& unit);
  void fall_behind(Rung& rung, std::int64_t now);
  void on_message(Rung& rung, const ring::MessageHeader& header, std::span<const std::uint8_t> payload);
  bool allow(Rung& rung, std::size_t size);
  void on_frame(Rung& rung, const ring::MessageHeader& header, std::span<const std::uint8_t> frame);

  hub::UnitSink& out_;
  std::string channel_;
  std::vector<LadderStep> steps_;
  JobMaker* maker_ = nullptr;
  std::vector<std::unique_ptr<Rung>> rungs_;
  std::shared_ptr<const hub::Configuration> source_;
  std::vector<std::uint8_t> pes_;
  std::int64_t offset_ = 0;  // timeline minus the stream's own clock
  std::optional<std::int64_t> last_sent_;
  std::int64_t last_dts_ = 0;  // that came with it
  std::int64_t begun_at_ = 0;  // times before it are of before a break
};

}  // namespace headgate::bridge::transcode

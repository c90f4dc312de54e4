// A channel's pictures made smaller: stands between the channel and its packager, sends the video to one
// worker for each size, and adds what comes back as tracks of their own (hub::Track::twin_of, ::name), with
// the times of the channel's timeline. Everything else passes unchanged and unhindered. A worker puts an IDR
// at each random access point of the source, so that what comes back can be cut where the source is cut.
// StreamBegin is repeated at each of them; a worker that knows it already goes on.
//
// Frames of the worker are not trusted: one whose time lies far from what was sent, or beyond what a worker
// that was told this bitrate can bring, is dropped, and after a loss all up to the next random access point.
// References: ITU-T H.264 Annex B; ISO/IEC 13818-1:2022 2.4.3.6. Threading: owned by the hub's thread.
// Ownership: the sink and the maker of jobs outlive it.
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
  std::string trouble;         // the worker's word; empty: none
};

class Ladder final : public hub::UnitSink {
 public:
  Ladder(hub::UnitSink& out, std::string channel);
  ~Ladder() override;

  // `maker` null: there is no transcode process; everything passes.
  void set(const std::vector<LadderStep>& steps, JobMaker* maker);
  std::vector<LadderStatus> status() const;

  void on_configuration(std::shared_ptr<const hub::Configuration> configuration) override;
  void on_unit(const hub::Unit& unit) override;
  void on_discontinuity() override;
  void on_loss() override;

 private:
  struct Rung;
  void set_rungs();
  void publish();
  void feed(const hub::Unit& unit);
  void begin_stream(Rung& rung);
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
  std::int64_t begun_at_ = 0;  // times before it are of before a break
};

}  // namespace headgate::bridge::transcode

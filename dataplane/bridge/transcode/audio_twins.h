// AAC beside a channel's own sound: stands between the hub and the outputs, sends the sound to the channel's
// worker, and adds what comes back as tracks of their own ("twins", hub::Track::twin_of), with the times of
// the channel's timeline. Everything else passes unchanged and unhindered. Also where nothing is to be
// encoded the worker measures the sound, if that is wanted.
//
// A twin is there as soon as its original is, without waiting for the worker, and stays as long as that is
// wanted: whatever its worker does, nothing else of the channel notices. What is kPatience behind the
// original and has not come, and what its worker leaves out, is silence, marked with discontinuity_indicator
// and counted as a gap: players that find neither a frame nor silence stop their pictures, too. A twin that
// brings nothing for kGone (kFirstPatience at the beginning) is named idle, until a frame comes: outputs no
// longer offer it.
//
// Frames of the worker are not trusted: one that is no ADTS frame of AAC-LC at 48 kHz, or whose time is none
// of the grid, or lies behind the frame before it or ahead of the original, is dropped and counted.
//
// References: ISO/IEC 13818-1:2022 2.4.4.8 (PMT), 2.6.18 (ISO_639_language_descriptor); EN 300 468 6.4.11
// (supplementary_audio_descriptor). Threading: owned by the hub's thread. Ownership: the sink and the maker
// of jobs outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/protocol/state.h"
#include "dataplane/bridge/hub/track.h"
#include "dataplane/bridge/transcode/job.h"
#include "dataplane/bridge/transcode/lag.h"
#include "dataplane/job/message.h"

namespace headgate::bridge::transcode {

// What a channel's state asks of it.
struct SoundWishes {
  protocol::AudioTranscode policy = protocol::AudioTranscode::automatic;
  bool hls = false;      // it has an output of that kind
  bool rtmp = false;     // served, or pushed to
  bool measure = false;  // levels of all tracks
  bool operator==(const SoundWishes&) const = default;
};

// Whether AAC is made beside sound of this kind; `format` null: not known yet.
bool wants_twin(const SoundWishes& wishes, mpegts::StreamKind kind, const mpegts::es::AudioFormat* format);

struct TwinCounters {
  std::uint64_t frames = 0;     // handed on
  std::uint64_t filled = 0;     // those of them that are silence in place of what is missing
  std::uint64_t gaps = 0;       // places where frames are missing
  std::uint64_t late = 0;       // frames too far behind the original, or from before a break
  std::uint64_t unusable = 0;   // frames that are none, or whose times can't be
  std::uint64_t withdrawn = 0;  // times that it became idle
  std::uint64_t oversized = 0;  // PES packets that no worker is sent; in the totals only
};

// How a twin is doing.
enum class TwinState : std::uint8_t {
  starting,  // no frame yet
  running,
  late,    // by more than kLate
  silent,  // what comes is too late, or nothing does
  idle,    // for so long that it is not offered any more
};
const char* to_string(TwinState state);

// Of one track of the channel.
struct SoundStatus {
  mpegts::Pid pid;
  mpegts::StreamKind kind = mpegts::StreamKind::unknown;
  std::string language;
  std::optional<mpegts::Pid> twin;  // its PID, where there is to be one
  bool present = false;             // the twin is among the tracks now, and offered
  TwinState state = TwinState::starting;
  std::int64_t since_unix_ns = 0;  // of the state
  std::int64_t lag = 0;            // of the last frame behind the last packet, 27 MHz
  Lag delay;                       // of its last frames behind the newest of the original
  TwinCounters counters;
  std::uint32_t decode_errors = 0;
  std::string trouble;  // the worker's word; empty: none
};

class AudioTwins final : public hub::UnitSink {
 public:
  // Behind the original. A worker that stands is killed after as long; one that is merely short of CPU time
  // catches up a minute of sound in a second.
  static constexpr std::int64_t kPatience = 5 * mpegts::kTicksPerSecond;
  static constexpr std::int64_t kLate = mpegts::kTicksPerSecond;
  // Without a frame: longer than two workers that stand one after the other, each until it is killed. What
  // lasts longer is a worker in quarantine, or none at all.
  static constexpr std::int64_t kGone = 30 * mpegts::kTicksPerSecond;
  static constexpr std::int64_t kFirstPatience = 10 * mpegts::kTicksPerSecond;
  // Of each second so much is decoded where it is only measured.
  static constexpr std::uint16_t kSampledMs = 150;

  using OnLevels = std::function<void(mpegts::Pid, const job::SoundLevels&)>;

  // `suffix` tells jobs of one channel apart.
  AudioTwins(hub::UnitSink& out, std::string channel, std::string suffix = "");
  ~AudioTwins() override;

  // `maker` null: there is no transcode process; everything passes.
  void set(const SoundWishes& wishes, JobMaker* maker);
  void set_levels(OnLevels on_levels) { on_levels_ = std::move(on_levels); }

  void on_configuration(std::shared_ptr<const hub::Configuration> configuration) override;
  void on_unit(const hub::Unit& unit) override;
  void on_discontinuity() override;
  void on_loss() override;
  void on_cue(const hub::Cue& cue) override { out_.on_cue(cue); }

  // What outputs see; null before the hub knows the channel's streams.
  const std::shared_ptr<const hub::Configuration>& configuration() const { return published_; }
  std::vector<SoundStatus> tracks() const;
  // Null: there is nothing to do.
  const Job* job() const { return job_.get(); }
  // Of all tracks, those that are gone included.
  const TwinCounters& totals() const { return totals_; }

 private:
  struct Lane;
  void set_lanes();
  void decide(Lane& lane);
  void open_job();
  void publish(bool always);
  void assign_pids();
  void feed(Lane& lane, const hub::Unit& unit);
  void begin_stream(Lane& lane);
  enum class Filled : std::uint8_t { no, by_worker, here };
  void fill(Lane& lane, std::int64_t until);
  void watch_lag(Lane& lane);
  void end_stream(Lane& lane);
  void on_message(const ring::MessageHeader& header, std::span<const std::uint8_t> payload);
  void on_frame(Lane& lane, const ring::MessageHeader& header, std::span<const std::uint8_t> frame);
  bool admit(Lane& lane, const ring::MessageHeader& header);
  void hand_on(Lane& lane, std::int64_t pts, Filled filled, std::span<const std::uint8_t> frame);

  hub::UnitSink& out_;
  std::string channel_;
  std::string suffix_;
  SoundWishes wishes_;
  JobMaker* maker_ = nullptr;
  OnLevels on_levels_;
  std::unique_ptr<Job> job_;
  std::shared_ptr<const hub::Configuration> source_;     // of the hub
  std::shared_ptr<const hub::Configuration> published_;  // with the twins
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<Lane*> lane_of_track_;  // by number of the hub's unit; null: no sound
  std::uint16_t next_stream_ = 0;     // number of a lane in messages
  std::vector<std::uint8_t> pes_;
  TwinCounters totals_;
};

}  // namespace headgate::bridge::transcode

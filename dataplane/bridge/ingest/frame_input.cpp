#include "dataplane/bridge/ingest/frame_input.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace headgate::bridge::ingest {
namespace {

using mpegts::StreamKind;

// FLV's times are whole milliseconds: sound that is no farther off is taken to be where its samples say.
constexpr std::int64_t kRounding = mpegts::kTicksPerSecond / 1000;

bool is_aac(StreamKind kind) { return kind == StreamKind::aac_adts || kind == StreamKind::aac_latm; }

// PTS lies little before DTS at most (sources with reordered pictures and no delay), and not far behind it.
bool has_sane_times(const hub::Frame& frame) {
  constexpr std::int64_t kFarthest = std::int64_t{1} << 60;
  if (std::abs(frame.dts / 2) > kFarthest / 2 || std::abs(frame.pts / 2) > kFarthest / 2) return false;
  const std::int64_t apart = frame.pts - frame.dts;
  return apart >= -mpegts::kTicksPerSecond && apart <= 10 * mpegts::kTicksPerSecond;
}

bool is_complete(const hub::FrameFormat& format) {
  const auto any = [&](bool (*is)(StreamKind)) {
    return std::ranges::any_of(format.tracks, [&](const auto& track) { return is(track.kind); });
  };
  return any([](StreamKind k) { return mpegts::is_video(k); }) &&
         any([](StreamKind k) { return mpegts::is_audio(k); });
}

}  // namespace

FrameInput::FrameInput(mpegts::ProgramMuxer::Sink sink, Clock clock)
    : muxer_(std::move(sink)), clock_(std::move(clock)) {}

void FrameInput::set_service(const Service& service) {
  if (service == service_) return;
  service_ = service;
  if (!lanes_.empty()) set_program();
}

// Why a track can't be carried; "" where it can.
std::string FrameInput::open(Lane& lane) const {
  const hub::FrameTrack& track = lane.track;
  switch (track.kind) {
    case StreamKind::h264:
    case StreamKind::hevc:
      lane.pictures.emplace(track.kind);
      // Without one the parameter sets must stand in the frames.
      if (track.configuration.empty() || lane.pictures->set_configuration(track.configuration)) return {};
      return "its decoder configuration can't be read";
    case StreamKind::aac_adts:
    case StreamKind::aac_latm:
      lane.aac.emplace();
      return lane.aac->set_configuration(track.configuration) ? std::string{} : lane.aac->problem();
    case StreamKind::mpeg2_video:
    case StreamKind::mpeg_audio:
    case StreamKind::ac3:
    case StreamKind::eac3:
      return {};
    case StreamKind::opus:
      return "Opus audio: broadcast receivers know no Opus in transport streams";
    default:
      return "a kind of stream that has no place in the transport stream made here";
  }
}

void FrameInput::take_format(const hub::FrameFormat& format) {
  std::vector<Lane> old = std::exchange(lanes_, {});
  left_out_.clear();
  std::size_t carried = 0;
  for (const hub::FrameTrack& track : format.tracks) {
    const std::size_t index = lanes_.size();
    Lane& lane = lanes_.emplace_back();
    lane.track = track;
    std::string problem = open(lane);
    if (problem.empty() && carried >= kMaxTracks) problem = "more than 16 tracks";
    if (problem.empty()) {
      ++carried;
      lane.place = 0;
    } else {
      hub::Track out;
      out.pid = track.pid;
      out.kind = track.kind;
      out.language = track.language;
      out.reason = problem;
      left_out_.push_back({std::move(out), problem});
    }
    if (index < old.size() && old[index].track.kind == track.kind && old[index].track.audio == track.audio) {
      lane.from = old[index].from;
      lane.samples = old[index].samples;
    }
  }
  set_program();
}

void FrameInput::set_program() {
  mpegts::MuxProgram program;
  program.program_number = service_.number;
  program.service_name = service_.name;
  program.provider = service_.provider;
  for (const bool video : {true, false}) {
    for (Lane& lane : lanes_) {
      if (!lane.place || mpegts::is_video(lane.track.kind) != video) continue;
      lane.place = program.tracks.size();
      mpegts::MuxTrack track;
      track.kind = is_aac(lane.track.kind) ? StreamKind::aac_adts : lane.track.kind;
      track.language = lane.track.language;
      if (lane.aac) track.aac_profile_and_level = lane.aac->profile_and_level();
      if (lane.track.kind == StreamKind::mpeg_audio && lane.track.audio)
        track.sample_rate = lane.track.audio->sample_rate;
      program.tracks.push_back(std::move(track));
    }
    if (video) has_video_ = !program.tracks.empty();
  }
  // A format without a single track that can be carried is no reason to end the stream.
  if (!program.tracks.empty()) muxer_.set_program(program);
}

void FrameInput::on_format(std::shared_ptr<const hub::FrameFormat> format) {
  if (format == nullptr) return;
  if (holding_) {
    latest_ = std::move(format);
  } else {
    take_format(*format);
  }
}

void FrameInput::on_frame(std::shared_ptr<const hub::Frame> frame) {
  if (frame == nullptr) return;
  ++counters_.frames;
  counters_.bytes += frame->data.size();
  last_frame_ns_ = clock_();
  flushed_ = false;
  if (!holding_) return take_frame(*frame);
  if (held_.empty()) held_since_ns_ = last_frame_ns_;
  held_bytes_ += frame->cost();
  held_.push_back(std::move(frame));
  const bool enough = latest_ != nullptr && is_complete(*latest_);
  const bool long_enough = has_sane_times(*held_.back()) && has_sane_times(*held_.front()) &&
                           std::abs(held_.back()->dts - held_.front()->dts) >= kPatience;
  if (enough || long_enough || held_.size() >= kMaxHeld || held_bytes_ >= kMaxHeldBytes) release();
}

void FrameInput::release() {
  if (!holding_) return;
  if (latest_ == nullptr && held_.empty()) return;
  holding_ = false;
  held_bytes_ = 0;
  if (latest_ != nullptr) take_format(*std::exchange(latest_, nullptr));
  for (const auto& frame : std::exchange(held_, {})) take_frame(*frame);
}

// The time of sound by its samples, as long as the source's own, rounded as it is, says the same.
std::int64_t FrameInput::even(Lane& lane, const hub::Frame& frame, std::int64_t time) {
  const auto& format = lane.track.audio;
  if (!format || format->sample_rate == 0 || format->samples_per_frame == 0) return time;
  const auto counted =
      static_cast<std::int64_t>(lane.samples * std::uint64_t{mpegts::kTicksPerSecond} / format->sample_rate);
  if (!lane.from || std::abs(*lane.from + counted - time) > kRounding) {
    lane.from = time;
    lane.samples = 0;
  } else {
    time = *lane.from + counted;
  }
  const std::uint64_t of_frame =
      frame.duration > 0
          ? (static_cast<std::uint64_t>(frame.duration) * format->sample_rate + mpegts::kTicksPerSecond / 2) /
                mpegts::kTicksPerSecond
          : format->samples_per_frame;
  lane.samples += of_frame;
  return time;
}

bool FrameInput::pack(Lane& lane, const hub::Frame& frame, mpegts::MuxUnit& unit) {
  unit.data = frame.data;
  unit.random_access = frame.random_access && (unit.random_access || !has_video_);
  if (lane.pictures) {
    const auto made = lane.pictures->make(frame.data, frame.random_access, buffer_);
    if (!made) return false;
    unit.random_access = made->random_access;
    unit.data = buffer_;
  } else if (lane.aac) {
    if (!lane.aac->make(frame.data, buffer_)) return false;
    unit.data = buffer_;
  }
  return !unit.data.empty();
}

void FrameInput::take_frame(const hub::Frame& frame) {
  if (frame.track >= lanes_.size()) {
    ++counters_.unusable;
    return;
  }
  Lane& lane = lanes_[frame.track];
  if (!lane.place) {
    ++counters_.without_place;
    return;
  }
  const bool video = mpegts::is_video(lane.track.kind);
  mpegts::MuxUnit unit;
  unit.track = *lane.place;
  unit.random_access = video;
  if (!has_sane_times(frame) || !pack(lane, frame, unit)) {
    ++counters_.unusable;
    return;
  }
  unit.dts = times_.map(frame.track, frame.dts, last_frame_ns_);
  if (video) {
    unit.pts = unit.dts + (frame.pts - frame.dts);
  } else {
    unit.dts = unit.pts = even(lane, frame, unit.dts + (frame.pts - frame.dts));
  }
  muxer_.push(unit);
}

// Its times tell by themselves whether they go on.
void FrameInput::on_discontinuity() {
  for (Lane& lane : lanes_) lane.from.reset();
}

void FrameInput::end() {
  release();
  muxer_.flush();
  flushed_ = true;
}

void FrameInput::go_on() {
  end();
  times_.go_on();
  on_discontinuity();
  holding_ = true;
  latest_.reset();
}

void FrameInput::begin_anew() {
  go_on();
  times_.begin_anew();
  muxer_.mark_discontinuity();
}

void FrameInput::on_tick(std::int64_t now_ns) {
  if (holding_ && !held_.empty() && now_ns - held_since_ns_ > kSilenceNs) release();
  if (flushed_ || now_ns - last_frame_ns_ <= kSilenceNs) return;
  flushed_ = true;
  muxer_.flush();
}

FrameInput::Counters FrameInput::counters() const {
  Counters out = counters_;
  out.clock_jumps = times_.jumps();
  return out;
}

}  // namespace headgate::bridge::ingest

#include "mpegts/tstd/unit_times.h"

#include <algorithm>

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kLongestGap = 10 * kTicksPerSecond;  // between units with times, others in between

class VideoTimes final : public UnitTimes {
 public:
  explicit VideoTimes(const PmtStream& stream) : stream_(stream), parser_(stream_kind(stream)) {}

  bool on_pes(const TimedPes& pes, std::deque<TimedUnit>& out) override {
    if (const auto level = video_limits(pes.payload)) level_ = level;
    const auto split = parser_.split(pes.payload);
    bool first = true;
    for (std::size_t i = split.continues ? 1 : 0; i < split.units.size(); ++i) {
      const std::uint64_t begin = pes.position + split.units[i].offset;
      if (!waiting_.empty()) waiting_.back().end = begin;
      TimedUnit unit;
      unit.begin = begin;
      unit.packet = pes.packet_of(split.units[i].offset);
      waiting_.push_back(unit);
      ++undated_;
      if (first && pes.dts && !date(*pes.dts)) return false;
      first = false;
    }
    while (waiting_.size() > undated_ && waiting_.front().end != 0) {
      out.push_back(waiting_.front());
      waiting_.pop_front();
    }
    return waiting_.size() < kMostWaiting;
  }

  void restart() override {
    waiting_.clear();
    undated_ = 0;
    last_.reset();
  }

  std::optional<StreamLimits> limits() const override {
    if (!level_ || !parser_.format()) return std::nullopt;
    return video_stream_limits(stream_, *level_, parser_.buffering());
  }

 private:
  // The last unit's time, and that of those before it which have none.
  bool date(std::int64_t tick) {
    if (!last_) {  // what came before the first time has none
      waiting_.erase(waiting_.begin(), waiting_.end() - 1);
      undated_ = 1;
    }
    const std::int64_t from = last_.value_or(tick);
    if (tick < from || (undated_ > 1 && tick - from > kLongestGap)) return false;
    const auto count = static_cast<std::int64_t>(undated_);
    for (std::int64_t i = 1; i <= count; ++i)
      waiting_[waiting_.size() - static_cast<std::size_t>(count - i) - 1].tick =
          from + (tick - from) * i / count;
    undated_ = 0;
    last_ = tick;
    return true;
  }

  PmtStream stream_;
  es::VideoParser parser_;
  std::optional<VideoLimits> level_;
  std::deque<TimedUnit> waiting_;
  std::size_t undated_ = 0;  // the last ones of those
  std::optional<std::int64_t> last_;
};

class AudioTimes final : public UnitTimes {
 public:
  explicit AudioTimes(const PmtStream& stream) : stream_(stream), parser_(stream_kind(stream)) {}

  bool on_pes(const TimedPes& pes, std::deque<TimedUnit>& out) override {
    if (!begun_) {
      position_ = pes.position;
      parts_.clear();
    }
    for (const TimedPes::Part& part : pes.parts) parts_.push_back({pes.position + part.offset, part.packet});
    const std::uint64_t skipped = parser_.skipped_bytes();
    const auto frames = parser_.on_payload(pes.payload);
    if (const std::uint64_t more = parser_.skipped_bytes() - skipped; more != 0) {
      if (begun_) return false;
      position_ += more;  // the rest of a frame that began earlier
    }
    begun_ = begun_ || !frames.empty();
    const auto base_before = base_;
    base_ = pes.pts ? pes.pts : next_;
    const auto& format = parser_.format();
    for (const es::AudioFrame& frame : frames) {
      const auto base = frame.starts_before ? base_before : base_;
      TimedUnit unit;
      unit.begin = position_;
      unit.end = position_ += frame.data.size();
      unit.packet = packet_of(unit.begin);
      if (!base || !format || format->sample_rate == 0) continue;
      unit.tick = *base + ticks(frame.sample_offset);
      if (unit.tick + kRounding < latest_) return false;
      latest_ = unit.tick = std::max(unit.tick, latest_);
      next_ = unit.tick + ticks(format->samples_per_frame);
      out.push_back(unit);
    }
    return parts_.size() < kMostWaiting;
  }

  void restart() override {
    parser_.reset();
    begun_ = false;
    base_.reset();
    next_.reset();
    latest_ = INT64_MIN / 2;
  }

  std::optional<StreamLimits> limits() const override {
    if (!parser_.format()) return std::nullopt;
    return audio_stream_limits(stream_, parser_.format());
  }

 private:
  static constexpr std::int64_t kRounding = kTicksPerSecond / 1000;
  struct Part {
    std::uint64_t position;
    std::uint64_t packet;
  };

  std::int64_t ticks(std::uint64_t samples) const noexcept {
    return static_cast<std::int64_t>(samples * static_cast<std::uint64_t>(kTicksPerSecond) /
                                     parser_.format()->sample_rate);
  }
  std::uint64_t packet_of(std::uint64_t position) noexcept {
    while (parts_.size() > 1 && parts_[1].position <= position) parts_.pop_front();
    return parts_.empty() ? 0 : parts_.front().packet;
  }

  PmtStream stream_;
  es::AudioParser parser_;
  bool begun_ = false;
  std::uint64_t position_ = 0;
  std::deque<Part> parts_;
  std::optional<std::int64_t> base_, next_;
  std::int64_t latest_ = INT64_MIN / 2;
};

}  // namespace

std::uint64_t TimedPes::packet_of(std::size_t offset) const noexcept {
  const auto after = std::upper_bound(parts.begin(), parts.end(), offset,
                                      [](std::size_t at, const Part& part) { return at < part.offset; });
  return after == parts.begin() ? 0 : std::prev(after)->packet;
}

std::unique_ptr<UnitTimes> make_unit_times(const PmtStream& stream) {
  switch (stream_kind(stream)) {
    case StreamKind::mpeg2_video:
    case StreamKind::h264:
    case StreamKind::hevc:
      return std::make_unique<VideoTimes>(stream);
    case StreamKind::mpeg_audio:
    case StreamKind::aac_adts:
    case StreamKind::aac_latm:
    case StreamKind::ac3:
    case StreamKind::eac3:
      return std::make_unique<AudioTimes>(stream);
    default:
      return nullptr;
  }
}

}  // namespace headgate::mpegts

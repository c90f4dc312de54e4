// Frames of video: access units found in PES payloads, the two fields of a frame put together, NAL units
// behind lengths, parameter sets out of band. A frame is handed on when the next begins: only then it is
// known to be whole.
#include "dataplane/bridge/hub/frame_maker.h"
#include "dataplane/bridge/hub/parameter_sets.h"
#include "mpegts/es/nal_units.h"

namespace headgate::bridge::hub {
namespace {

using mpegts::StreamKind;
using mpegts::es::AccessUnit;
using mpegts::es::RandomAccess;
using mpegts::es::VideoFormat;

constexpr std::size_t kMaxOpenBytes = 8 * 1024 * 1024;
constexpr std::size_t kMaxOpenUnits = 512;
constexpr std::int64_t kUsualDuration = mpegts::kTicksPerSecond / 25;
constexpr std::int64_t kMaxSpread = 10 * mpegts::kTicksPerSecond;

class VideoFrames final : public FrameMaker {
 public:
  explicit VideoFrames(const Track& track) : track_(track), parser_(track.kind), sets_(track.kind) {}

  void on_payload(const PesTimes& times, std::span<const std::uint8_t> payload,
                  std::vector<MadeFrame>& out) override {
    const auto split = parser_.split(payload);
    bool begun = false;  // an access unit in this payload
    for (std::size_t i = 0; i < split.units.size(); ++i) {
      const AccessUnit& unit = split.units[i];
      const auto bytes = payload.subspan(unit.offset, unit.size);
      const bool continues = i == 0 && split.continues;
      if (continues || unit.second_field) {
        extend(unit, bytes);
      } else {
        // The time stamps are those of the first that begins here.
        const bool timed = times.timed && !begun;
        if (timed || open_units_.size() >= kMaxOpenUnits) close(timed ? &times.dts : nullptr, out);
        begin(unit, bytes, timed ? &times : nullptr);
      }
      begun = begun || !continues;
    }
    if (open_bytes_ > kMaxOpenBytes) {
      dropped_ += open_units_.size();
      reset();
    }
  }

  void flush(std::vector<MadeFrame>& out) override { close(nullptr, out); }

  void reset() override {
    open_units_.clear();
    open_bytes_ = 0;
  }

 private:
  struct OpenUnit {
    std::vector<std::uint8_t> bytes;
    bool random_access = false;
    std::optional<VideoFormat> format;
  };

  void begin(const AccessUnit& unit, std::span<const std::uint8_t> bytes, const PesTimes* times) {
    if (times != nullptr) {
      times_ = *times;
      has_times_ = true;
    }
    open_units_.push_back(
        {{bytes.begin(), bytes.end()}, unit.random_access != RandomAccess::none, parser_.format()});
    open_bytes_ += bytes.size();
  }

  void extend(const AccessUnit& unit, std::span<const std::uint8_t> bytes) {
    if (open_units_.empty()) {
      // The beginning is lost, or came before this began to look.
      if (!bytes.empty()) ++dropped_;
      return;
    }
    OpenUnit& last = open_units_.back();
    last.bytes.insert(last.bytes.end(), bytes.begin(), bytes.end());
    open_bytes_ += bytes.size();
    if (unit.random_access != RandomAccess::none) last.random_access = true;
  }

  std::int64_t step(const std::int64_t* next_dts) const {
    const auto& format = open_units_.front().format;
    if (format && format->frame_rate_num != 0) {
      return mpegts::kTicksPerSecond * format->frame_rate_den / format->frame_rate_num;
    }
    const auto count = static_cast<std::int64_t>(open_units_.size());
    if (next_dts != nullptr && *next_dts > times_.dts && *next_dts - times_.dts < kMaxSpread) {
      return (*next_dts - times_.dts) / count;
    }
    return kUsualDuration;
  }

  // All open units are whole; `next_dts`: where the next begins, null where that is not known.
  void close(const std::int64_t* next_dts, std::vector<MadeFrame>& out) {
    if (open_units_.empty()) return;
    const std::int64_t duration = step(next_dts);
    for (OpenUnit& unit : open_units_) {
      if (has_times_) {
        make(unit, out);
      } else {
        ++dropped_;
      }
      times_.dts += duration;
      times_.pts += duration;
    }
    reset();
  }

  void make(const OpenUnit& unit, std::vector<MadeFrame>& out) {
    const auto nals = mpegts::es::nal_units(unit.bytes);
    sets_.take(nals, unit.random_access);
    if (unit.random_access) update_track(unit);
    if (track_now_ == nullptr) {
      problem_ = "no random access point with its parameter sets came yet";
      ++dropped_;
      return;
    }
    auto frame = std::make_shared<Frame>();
    frame->data = sets_.frame_of(nals);
    if (frame->data.empty()) {
      ++dropped_;
      return;
    }
    frame->random_access = unit.random_access;
    frame->dts = times_.dts;
    frame->pts = times_.pts;
    out.push_back({std::move(frame), track_now_});
  }

  void update_track(const OpenUnit& unit) {
    if (sets_.configuration().empty()) return;
    if (track_now_ != nullptr && track_now_->configuration == sets_.configuration() &&
        track_now_->video == unit.format) {
      return;
    }
    if (!unit.format) return;
    auto track = std::make_shared<FrameTrack>();
    track->pid = track_.pid;
    track->kind = track_.kind;
    track->language = track_.language;
    track->configuration = sets_.configuration();
    track->video = unit.format;
    track_now_ = std::move(track);
  }

  Track track_;
  mpegts::es::VideoParser parser_;
  ParameterSets sets_;
  std::shared_ptr<const FrameTrack> track_now_;
  std::vector<OpenUnit> open_units_;  // the first has times_, each other a frame later than the one before
  std::size_t open_bytes_ = 0;
  PesTimes times_;
  bool has_times_ = false;
};

}  // namespace

std::unique_ptr<FrameMaker> make_video_frame_maker(const Track& track) {
  return std::make_unique<VideoFrames>(track);
}

}  // namespace headgate::bridge::hub

// Frames of sound: what AudioParser finds, with times counted in samples from the PES packet's PTS.
#include "dataplane/bridge/hub/frame_maker.h"
#include "mpegts/es/aac_config.h"

namespace headgate::bridge::hub {
namespace {

using mpegts::StreamKind;
using mpegts::es::AudioFormat;
using mpegts::es::AudioFrame;

constexpr std::size_t kLoasHeader = 3;  // ISO/IEC 14496-3 1.7.2

class AudioFrames final : public FrameMaker {
 public:
  explicit AudioFrames(const Track& track) : track_(track), parser_(track.kind) {}

  void on_payload(const PesTimes& times, std::span<const std::uint8_t> payload,
                  std::vector<MadeFrame>& out) override {
    const std::uint64_t carried = fed_ - used_ - parser_.skipped_bytes();
    const auto frames = parser_.on_payload(payload);
    fed_ += payload.size();
    std::int64_t base = times.timed ? times.pts : next_;
    for (const AudioFrame& frame : frames) {
      used_ += frame.data.size();
      const AudioFormat& format = *parser_.format();
      if (!times.timed && !has_time_) {
        ++dropped_;  // nothing says when to play it
        continue;
      }
      const std::int64_t from = frame.starts_before ? carry_base_ : base;
      const std::int64_t begin = from + ticks(frame.sample_offset, format.sample_rate);
      next_ = from + ticks(frame.sample_offset + format.samples_per_frame, format.sample_rate);
      if (frame.starts_before && !times.timed) base = next_;
      make(frame.data, format, begin, out);
    }
    if (times.timed) has_time_ = true;
    // A frame under way that neither ended nor began here keeps the time of where it began.
    if (!frames.empty() || carried == 0) carry_base_ = base;
    if (frames.empty() && times.timed && carried == 0) next_ = base;
    if (track_now_ == nullptr && frames.empty()) problem_ = "no frame of sound was found in its packets";
  }

  // A frame whose end is still to come is no frame.
  void flush(std::vector<MadeFrame>&) override { reset(); }
  void reset() override {
    parser_.reset();
    fed_ = used_ = 0;
    fed_ += parser_.skipped_bytes();
    has_time_ = false;
  }

 private:
  static std::int64_t ticks(std::uint64_t samples, std::uint32_t rate) {
    return rate == 0 ? 0 : static_cast<std::int64_t>(samples * mpegts::kTicksPerSecond / rate);
  }

  void make(std::span<const std::uint8_t> data, const AudioFormat& format, std::int64_t begin,
            std::vector<MadeFrame>& out) {
    const std::int64_t duration = ticks(format.samples_per_frame, format.sample_rate);
    if (track_.kind == StreamKind::aac_latm) {
      auto blocks = latm_.read(data.subspan(kLoasHeader));
      if (blocks.empty()) return drop("its LATM packing is not one program of one layer");
      const auto count = static_cast<std::int64_t>(blocks.size());
      for (std::int64_t i = 0; i < count; ++i) {
        push(std::move(blocks[static_cast<std::size_t>(i)]), format, latm_.configuration(),
             begin + duration * i / count, duration / count, out);
      }
    } else if (track_.kind == StreamKind::aac_adts) {
      const auto block = mpegts::es::adts_raw_data_block(data);
      if (!block) return drop("its ADTS frames hold several raw data blocks");
      auto configuration = mpegts::es::adts_configuration(data);
      // The program_config_element need not stand in every frame (channel_configuration 0).
      if (configuration.empty() && track_now_ != nullptr) configuration = track_now_->configuration;
      if (configuration.empty()) return drop("its channels are told by no program_config_element");
      push({block->begin(), block->end()}, format, configuration, begin, duration, out);
    } else {
      push({data.begin(), data.end()}, format, {}, begin, duration, out);
    }
  }

  void drop(const char* reason) {
    ++dropped_;
    problem_ = reason;
  }

  void push(std::vector<std::uint8_t>&& data, const AudioFormat& format,
            const std::vector<std::uint8_t>& configuration, std::int64_t begin, std::int64_t duration,
            std::vector<MadeFrame>& out) {
    if (track_now_ == nullptr || track_now_->configuration != configuration || track_now_->audio != format) {
      auto track = std::make_shared<FrameTrack>();
      track->pid = track_.pid;
      track->kind = track_.kind;
      track->language = track_.language;
      track->configuration = configuration;
      track->audio = format;
      track->twin_of = track_.twin_of;
      track_now_ = std::move(track);
    }
    auto frame = std::make_shared<Frame>();
    frame->random_access = true;
    frame->dts = frame->pts = begin;
    frame->duration = duration;
    frame->data = std::move(data);
    out.push_back({std::move(frame), track_now_});
  }

  Track track_;
  mpegts::es::AudioParser parser_;
  mpegts::es::LatmReader latm_;
  std::shared_ptr<const FrameTrack> track_now_;
  std::uint64_t fed_ = 0;        // bytes given to the parser,
  std::uint64_t used_ = 0;       // and those that became frames: the rest is skipped or under way
  std::int64_t carry_base_ = 0;  // what the offset of the frame under way counts from
  std::int64_t next_ = 0;        // end of the last frame
  bool has_time_ = false;
};

}  // namespace

std::unique_ptr<FrameMaker> make_audio_frame_maker(const Track& track) {
  return std::make_unique<AudioFrames>(track);
}

}  // namespace headgate::bridge::hub

#include "dataplane/bridge/rtmp/channel_stream.h"

#include <algorithm>

namespace headgate::bridge::rtmp {
namespace {

// A step of the timeline that is larger, either way, is a jump and not a gap.
constexpr std::int64_t kLargestStep = 10'000;
// From the last frame before a jump to the first after it.
constexpr std::int64_t kJoinStep = 40;

}  // namespace

void ChannelStream::on_format(std::shared_ptr<const hub::FrameFormat> format) {
  auto next = choose(*format, codecs_);
  const bool goes_on = carriage_ != nullptr && carriage_->video == next->video &&
                       carriage_->video_header == next->video_header;
  if (!goes_on) waiting_for_key_ = true;
  carriage_ = std::move(next);
}

std::int64_t ChannelStream::session_time(const hub::Frame& frame, bool video) {
  std::int64_t ms = to_ms(frame.dts) + offset_ms_;
  if (any_) {
    const bool back = joined_ ? ms < last_ms_ - kLargestStep : ms < last_ms_;
    if (back || ms > last_ms_ + kLargestStep) {
      const std::int64_t next = last_ms_ + kJoinStep;
      offset_ms_ += next - ms;
      ms = next;
      ++counters_.time_joins;
    }
    ms = std::max(ms, last_of_[video ? 1 : 0]);
    last_ms_ = std::max(last_ms_, ms);
  } else {
    any_ = true;
    last_ms_ = last_of_[0] = last_of_[1] = ms;
    // The other track's first frame may lie a little earlier.
    last_of_[video ? 0 : 1] = ms - kLargestStep;
  }
  joined_ = true;
  last_of_[video ? 1 : 0] = ms;
  return ms;
}

void ChannelStream::on_frame(std::shared_ptr<const hub::Frame> frame) {
  const bool video = carriage_ != nullptr && carriage_->video_track == frame->track;
  const bool audio = carriage_ != nullptr && carriage_->audio_track == frame->track;
  if (!video && !audio) {
    ++counters_.other_tracks;
    return;
  }
  if (video && waiting_for_key_) {
    if (!frame->random_access) {
      ++counters_.waiting_for_key;
      return;
    }
    waiting_for_key_ = false;
  }
  MediaMessage message;
  message.head =
      video ? video_head(carriage_->video, frame->random_access, to_ms(frame->pts) - to_ms(frame->dts))
            : audio_head(carriage_->audio, carriage_->audio_format);
  if (message.head.size + frame->data.size() > kLargestChunkSize) {
    ++counters_.oversized_frames;
    return;
  }
  message.type = video ? MessageType::video : MessageType::audio;
  message.random_access = video ? frame->random_access : !carriage_->video_track;
  message.time_ms = session_time(*frame, video);
  message.carriage = carriage_;
  message.frame = std::move(frame);
  bytes_ += message.frame->cost();
  if (message.random_access) {
    last_random_access_ = end();
    has_random_access_ = true;
  }
  log_.push_back(std::move(message));
  ++counters_.frames;
  while (log_.size() > 1 &&
         (bytes_ > limits_.bytes || log_.back().time_ms - log_.front().time_ms > limits_.time_ms)) {
    pop();
  }
  on_media();
}

void ChannelStream::pop() {
  bytes_ -= log_.front().frame->cost();
  log_.pop_front();
  ++first_;
}

std::optional<std::uint64_t> ChannelStream::random_access() const {
  if (!has_random_access_ || last_random_access_ < first_) return std::nullopt;
  return last_random_access_;
}

std::uint64_t ChannelStream::start() const {
  const auto latest = random_access();
  if (!latest) return end();
  std::uint64_t start = *latest;
  if (at(start).type == MessageType::video) return start;
  while (start > first_ && at(start - 1).random_access && at(start - 1).carriage == at(start).carriage &&
         head_ms() - at(start - 1).time_ms <= limits_.radio_start_ms) {
    --start;
  }
  return start;
}

void ChannelStream::trim(std::uint64_t needed) {
  const std::uint64_t keep = std::min(needed, start());
  while (first_ < keep && !log_.empty()) pop();
}

}  // namespace headgate::bridge::rtmp

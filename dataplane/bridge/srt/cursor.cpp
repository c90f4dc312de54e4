#include "dataplane/bridge/srt/cursor.h"

#include <algorithm>

namespace headgate::bridge::srt {

void Cursor::begin(std::vector<Chunk> start, std::uint64_t place, std::int64_t now_us) {
  start_.assign(std::make_move_iterator(start.begin()), std::make_move_iterator(start.end()));
  place_ = place;
  due_ns_ = now_us * 1000;
  begun_ = true;
}

std::optional<Message> Cursor::paced(const Chunk& chunk, std::int64_t now_us) {
  const std::int64_t pause =
      last_arrival_ns_ < 0 ? 0 : std::clamp<std::int64_t>(chunk->arrival_ns - last_arrival_ns_, 0, kMaxPause);
  const std::int64_t step = pause / kStartSpeed;
  if (due_ns_ + step > now_us * 1000) return std::nullopt;
  // What libsrt would not take for a while is not made up for in a burst. Counted from when this one is due:
  // a longer pause before it would never be over.
  due_ns_ = std::max(due_ns_, (now_us - kMaxBehindPace) * 1000 - step);
  return Message{chunk, std::max(now_us, last_source_us_)};
}

std::optional<Message> Cursor::next(const MessageQueue& queue, std::int64_t now_us) {
  if (!begun_) return std::nullopt;
  if (!start_.empty()) return paced(start_.front(), now_us);
  if (place_ < queue.first()) {
    dropped_ += queue.first() - place_;
    place_ = queue.first();
    jump(queue, now_us);
  }
  if (waiting_ && !find_access_point(queue, now_us)) return std::nullopt;
  if (place_ >= queue.end()) {
    catching_up_ = false;
    return std::nullopt;
  }
  if (catching_up_) return paced(queue.at(place_).chunk, now_us);
  if (now_us - queue.at(place_).source_us > max_lag_) {
    jump(queue, now_us);
    if (waiting_) return std::nullopt;
  }
  const Message& message = queue.at(place_);
  return Message{message.chunk, std::max(message.source_us, last_source_us_)};
}

void Cursor::advance(const Message& sent) {
  const std::int64_t arrival = sent.chunk->arrival_ns;
  if (last_arrival_ns_ >= 0) {
    due_ns_ += std::clamp<std::int64_t>(arrival - last_arrival_ns_, 0, kMaxPause) / kStartSpeed;
  }
  last_arrival_ns_ = arrival;
  last_source_us_ = sent.source_us;
  if (!start_.empty()) {
    start_.pop_front();
  } else {
    ++place_;
  }
}

// To the newest random access point that is still fresh enough, or to the end and wait for one.
void Cursor::jump(const MessageQueue& queue, std::int64_t now_us) {
  ++jumps_;
  catching_up_ = false;
  const auto access_point = queue.last_access_point(place_);
  if (access_point && now_us - queue.at(*access_point).source_us <= max_lag_) {
    dropped_ += *access_point - place_;
    place_ = *access_point;
    waiting_ = false;
    return;
  }
  dropped_ += queue.end() - place_;
  place_ = queue.end();
  if (!waiting_) waiting_since_ = now_us;
  waiting_ = true;
}

bool Cursor::find_access_point(const MessageQueue& queue, std::int64_t now_us) {
  if (const auto access_point = queue.last_access_point(place_)) {
    dropped_ += *access_point - place_;
    place_ = *access_point;
    waiting_ = false;
  } else if (now_us - waiting_since_ > kMaxWaitForAccessPoint) {
    waiting_ = false;
  } else {
    dropped_ += queue.end() - place_;
    place_ = queue.end();
  }
  return !waiting_;
}

}  // namespace headgate::bridge::srt

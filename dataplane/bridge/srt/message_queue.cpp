#include "dataplane/bridge/srt/message_queue.h"

#include <algorithm>
#include <cstring>

namespace headgate::bridge::srt {

void MessageQueue::add(Chunk chunk, std::int64_t source_us) {
  constexpr std::size_t kFull = hub::TsChunk::kMaxPackets;
  if (open_ && (chunk->random_access || open_->packets + chunk->packets > kFull)) append_open();
  if (!open_ && chunk->packets == kFull) {
    append({std::move(chunk), source_us});
    return;
  }
  if (!open_) {
    open_ = std::make_shared<hub::TsChunk>(*chunk);
    open_since_ = source_us;
  } else {
    std::memcpy(open_->bytes.data() + open_->data().size(), chunk->bytes.data(), chunk->data().size());
    open_->packets = static_cast<std::uint8_t>(open_->packets + chunk->packets);
    open_->gap = open_->gap || chunk->gap;
  }
  if (open_->packets == kFull) append_open();
}

void MessageQueue::append_open() {
  append({std::move(open_), open_since_});
  open_.reset();
}

void MessageQueue::append(Message message) {
  measure(message);
  bytes_ += sizeof(hub::TsChunk);
  if (message.chunk->random_access) access_points_.push_back(end());
  messages_.push_back(std::move(message));
}

// The peak of full seconds, forgotten by an eighth each second, so that one quiet second changes little.
void MessageQueue::measure(const Message& message) {
  if (second_began_ == 0) second_began_ = message.source_us;
  const std::int64_t elapsed = message.source_us - second_began_;
  if (elapsed >= 1'000'000) {
    const std::int64_t rate = second_bytes_ * 1'000'000 / elapsed;
    rate_ = std::max(rate, rate_ - rate_ / 8);
    second_began_ = message.source_us;
    second_bytes_ = 0;
  }
  second_bytes_ += static_cast<std::int64_t>(message.chunk->data().size());
}

void MessageQueue::tick(std::int64_t now_us) {
  if (open_ && now_us - open_since_ >= kJoinWithin) append_open();
  std::uint64_t keep = first_;
  std::size_t bytes = bytes_;
  while (keep < end() && (bytes > kMaxBytes || now_us - at(keep).source_us > kMaxTime)) {
    bytes -= sizeof(hub::TsChunk);
    ++keep;
  }
  forget_before(keep);
}

void MessageQueue::forget_before(std::uint64_t place) {
  while (first_ < place && !messages_.empty()) {
    messages_.pop_front();
    bytes_ -= sizeof(hub::TsChunk);
    ++first_;
  }
  while (!access_points_.empty() && access_points_.front() < first_) access_points_.pop_front();
}

std::optional<std::uint64_t> MessageQueue::last_access_point(std::uint64_t from) const {
  if (access_points_.empty() || access_points_.back() < from) return std::nullopt;
  return access_points_.back();
}

}  // namespace headgate::bridge::srt

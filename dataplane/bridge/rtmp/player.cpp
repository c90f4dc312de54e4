#include "dataplane/bridge/rtmp/player.h"

#include <algorithm>

namespace headgate::bridge::rtmp {
namespace {

// One chunk stream for each kind of message.
std::uint32_t chunk_stream_of(MessageType type) {
  switch (type) {
    case MessageType::audio:
      return 4;
    case MessageType::data_amf0:
      return 5;
    case MessageType::video:
      return 6;
    case MessageType::command_amf0:
      return kFirstFreeChunkStream;
    default:
      return 2;  // protocol control (5.4)
  }
}

std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Passes over what was sent already, then adds.
class Skipper {
 public:
  Skipper(Gather& out, std::size_t skip) : out_(out), skip_(skip) {}
  bool add(std::span<const std::uint8_t> bytes) {
    const std::size_t over = std::min(skip_, bytes.size());
    skip_ -= over;
    bytes = bytes.subspan(over);
    return bytes.empty() || out_.add(bytes);
  }
  template <typename Write>
  bool header(Write write) {
    std::uint8_t* place = out_.reserve(kLongestHeader + sizeof(TagHead::bytes));
    if (place == nullptr) return false;
    const std::size_t size = write(place);
    const std::size_t over = std::min(skip_, size);
    skip_ -= over;
    std::copy(place + over, place + size, place);
    if (size > over) out_.commit(size - over);
    return true;
  }

 private:
  Gather& out_;
  std::size_t skip_;
};

}  // namespace

bool Gather::add(std::span<const std::uint8_t> bytes) {
  if (count_ == kBuffers) return false;
  buffers_[count_++] = {const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  total_ += bytes.size();
  return true;
}

std::uint8_t* Gather::reserve(std::size_t size) {
  if (count_ == kBuffers || used_ + size > scratch_.size()) return nullptr;
  return scratch_.data() + used_;
}

void Gather::commit(std::size_t size) {
  add({scratch_.data() + used_, size});
  used_ += size;
}

void Player::send(MessageType type, std::uint32_t stream, std::span<const std::uint8_t> body) {
  const std::uint32_t time = stream == 0 ? 0 : last_timestamp_;
  append_message(own_, {chunk_stream_of(type), type, stream, time, 0}, body, chunk_size_);
}

void Player::announce_chunk_size() {
  send(MessageType::set_chunk_size, 0, four_bytes(kChunkSize));
  chunk_size_ = kChunkSize;
}

void Player::begin(ChannelStream& channel, std::uint32_t stream) {
  channel_ = &channel;
  stream_ = stream;
  cursor_ = channel.start();
  waiting_ = cursor_ == channel.end();
  paused_ = false;
  carriage_ = nullptr;
  base_ms_.reset();
  last_timestamp_ = 0;
}

void Player::receive_video(bool on) {
  if (on && !video_) waiting_ = true;
  video_ = on;
}

std::uint64_t Player::needed() const {
  if (channel_ == nullptr) return ~std::uint64_t{0};
  return paused_ || waiting_ ? channel_->end() : cursor_;
}

bool Player::carries(const MediaMessage& message) const {
  return message.type == MessageType::video ? video_ && takes(codecs_, message.carriage->video)
                                            : audio_ && takes(codecs_, message.carriage->audio);
}

std::uint32_t Player::timestamp_of(std::int64_t time_ms) const {
  return static_cast<std::uint32_t>(std::max<std::int64_t>(time_ms - base_ms_.value_or(time_ms), 0));
}

ChunkHeader Player::header_of(const MediaMessage& message) const {
  return {chunk_stream_of(message.type), message.type, stream_, timestamp_of(message.time_ms),
          static_cast<std::uint32_t>(message.size())};
}

void Player::skip_to(std::uint64_t place) {
  skipped_ += place - cursor_;
  channel_->counters().skipped_frames += place - cursor_;
  ++channel_->counters().cuts;
  cursor_ = place;
}

// Keeps the cursor on what is to be sent: moves a player on that is too far behind, or lost its place.
void Player::follow() {
  const auto latest = channel_->random_access();
  if (cursor_ < channel_->begin()) {
    skip_to(channel_->begin());
    waiting_ = true;
  }
  if (!waiting_ && latest && *latest > cursor_ &&
      channel_->head_ms() - channel_->at(cursor_).time_ms > limits_.age_ms)
    skip_to(*latest);
  if (waiting_) {
    if (latest && *latest >= cursor_) {
      cursor_ = *latest;
      waiting_ = false;
    } else {
      cursor_ = channel_->end();
    }
  }
  while (cursor_ < channel_->end() && !carries(channel_->at(cursor_))) ++cursor_;
}

void Player::announce(const MediaMessage& first) {
  const Carriage& now = *first.carriage;
  const Carriage* before = carriage_.get();
  last_timestamp_ = timestamp_of(first.time_ms);
  if (before == nullptr || before->metadata != now.metadata) {
    std::vector<std::uint8_t> body;
    if (publishing_) body = Amf0Writer().string("@setDataFrame").take();
    body.insert(body.end(), now.metadata.begin(), now.metadata.end());
    send(MessageType::data_amf0, stream_, body);
  }
  const bool new_video =
      before == nullptr || before->video != now.video || before->video_header != now.video_header;
  if (new_video && takes(codecs_, now.video) && !now.video_header.empty())
    send(MessageType::video, stream_, now.video_header);
  const bool new_audio =
      before == nullptr || before->audio != now.audio || before->audio_header != now.audio_header;
  if (new_audio && takes(codecs_, now.audio) && !now.audio_header.empty())
    send(MessageType::audio, stream_, now.audio_header);
  carriage_ = first.carriage;
}

void Player::prepare() {
  if (channel_ == nullptr || paused_) return;
  follow();
  if (cursor_ == channel_->end()) return;
  const MediaMessage& next = channel_->at(cursor_);
  if (!base_ms_) base_ms_ = next.time_ms;
  if (next.carriage != carriage_) announce(next);
}

bool Player::emit(Gather& out, const MediaMessage& message, const ChunkHeader& header, std::size_t from) {
  Skipper skipper(out, from);
  const auto head = message.head.span();
  const bool begun = skipper.header([&](std::uint8_t* place) {
    const std::size_t size = write_header(header, place);
    std::copy(head.begin(), head.end(), place + size);
    return size + head.size();
  });
  if (!begun) return false;
  std::span<const std::uint8_t> data = message.frame->data;
  std::size_t room = kChunkSize - head.size();
  while (true) {
    const std::size_t piece = std::min(data.size(), room);
    if (!skipper.add(data.first(piece))) return false;
    data = data.subspan(piece);
    if (data.empty()) return true;
    room = kChunkSize;
    if (!skipper.header([&](std::uint8_t* place) { return write_continuation(header, place); })) return false;
  }
}

bool Player::gather(Gather& out) {
  out.clear();
  prepare();
  if (partial_ && !emit(out, partial_->message, partial_->header, partial_->sent)) return true;
  if (own_.size() > own_sent_ && !out.add(as_bytes(own_).subspan(own_sent_))) return true;
  if (channel_ == nullptr || paused_ || waiting_) return out.total() > 0;
  for (std::uint64_t at = cursor_; at < channel_->end() && out.total() < limits_.gather_bytes; ++at) {
    const MediaMessage& message = channel_->at(at);
    if (message.carriage != carriage_) break;
    if (!carries(message)) continue;
    if (!emit(out, message, header_of(message), 0)) break;
  }
  return out.total() > 0;
}

void Player::on_sent(std::size_t bytes) {
  if (partial_) {
    const std::size_t left = chunked_size(partial_->header, kChunkSize) - partial_->sent;
    const std::size_t taken = std::min(bytes, left);
    partial_->sent += taken;
    bytes -= taken;
    if (taken < left) return;
    partial_.reset();
  }
  const std::size_t taken = std::min(bytes, own_.size() - own_sent_);
  own_sent_ += taken;
  bytes -= taken;
  if (own_sent_ < own_.size()) return;
  own_.clear();
  own_sent_ = 0;
  while (bytes > 0) {
    const MediaMessage& message = channel_->at(cursor_++);
    if (!carries(message)) continue;
    const ChunkHeader header = header_of(message);
    const std::size_t size = chunked_size(header, kChunkSize);
    last_timestamp_ = header.timestamp;
    if (bytes < size) {
      partial_ = Partial{message, header, bytes};
      return;
    }
    bytes -= size;
  }
}

}  // namespace headgate::bridge::rtmp

// A channel as RTMP sends it: a log of messages that all its players share. A player is a place in the log,
// so a frame is stored once however many players there are, and what a slow one holds back is bounded by the
// log. Times: milliseconds that go on over discontinuities and never fall within a track. Threading: owned by
// the server's thread. Memory: StreamLimits; frames are shared with the feed.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/bridge/hub/frame.h"
#include "dataplane/bridge/rtmp/chunk.h"
#include "dataplane/bridge/rtmp/flv.h"

namespace headgate::bridge::rtmp {

struct StreamLimits {
  std::size_t bytes = 16 * 1024 * 1024;
  std::int64_t time_ms = 12'000;
  // What radio gives a player to begin with.
  std::int64_t radio_start_ms = 1'000;
};

// The body is `head`, then the frame's bytes.
struct MediaMessage {
  std::shared_ptr<const hub::Frame> frame;
  std::shared_ptr<const Carriage> carriage;
  TagHead head;
  MessageType type = MessageType::video;
  bool random_access = false;  // a player can begin here
  std::int64_t time_ms = 0;
  std::size_t size() const { return head.size + frame->data.size(); }
};

struct StreamCounters {
  std::uint64_t frames = 0;            // in the log
  std::uint64_t other_tracks = 0;      // frames of tracks that RTMP doesn't carry
  std::uint64_t waiting_for_key = 0;   // video before its first random access point
  std::uint64_t oversized_frames = 0;  // longer than a message can be
  std::uint64_t time_joins = 0;        // the timeline jumped and was joined
  std::uint64_t sessions = 0;          // that ever began to play
  std::uint64_t bytes = 0;             // sent, with the protocol's own
  std::uint64_t skipped_frames = 0;    // by slow players
  std::uint64_t cuts = 0;              // times that a slow player was moved on
  std::uint64_t slow_clients = 0;      // cut off
};

class ChannelStream : public hub::FrameSink {
 public:
  explicit ChannelStream(std::string id, const StreamLimits& limits = {})
      : id_(std::move(id)), limits_(limits) {}

  // Only what the other end takes; before the first format.
  void set_codecs(const Codecs& codecs) { codecs_ = codecs; }
  // Called when there is something new to send.
  std::function<void()> on_media = [] {};

  void on_format(std::shared_ptr<const hub::FrameFormat> format) override;
  void on_frame(std::shared_ptr<const hub::Frame> frame) override;
  void on_discontinuity() override { joined_ = false; }

  const std::string& id() const { return id_; }
  // Messages have running numbers: begin() is the oldest kept, end() the one to come.
  std::uint64_t begin() const { return first_; }
  std::uint64_t end() const { return first_ + log_.size(); }
  const MediaMessage& at(std::uint64_t number) const { return log_[number - first_]; }
  // Where a player that joins begins; end(): it waits for the next random access point.
  std::uint64_t start() const;
  // The latest random access point that is kept, or nothing.
  std::optional<std::uint64_t> random_access() const;
  std::int64_t head_ms() const { return log_.empty() ? 0 : log_.back().time_ms; }
  // Nobody needs what lies before; the latest random access point stays.
  void trim(std::uint64_t needed);
  std::size_t bytes() const { return bytes_; }
  // What is carried now; null before the first format.
  const std::shared_ptr<const Carriage>& carriage() const { return carriage_; }
  StreamCounters& counters() { return counters_; }
  const StreamCounters& counters() const { return counters_; }

 private:
  std::int64_t session_time(const hub::Frame& frame, bool video);
  void pop();

  std::string id_;
  StreamLimits limits_;
  Codecs codecs_;
  std::shared_ptr<const Carriage> carriage_;
  std::deque<MediaMessage> log_;
  std::uint64_t first_ = 0;
  std::uint64_t last_random_access_ = 0;
  bool has_random_access_ = false;
  bool waiting_for_key_ = true;
  std::size_t bytes_ = 0;
  bool joined_ = false;
  bool any_ = false;
  std::int64_t offset_ms_ = 0;
  std::int64_t last_ms_ = 0;
  std::int64_t last_of_[2] = {0, 0};  // sound, video
  StreamCounters counters_;
};

}  // namespace headgate::bridge::rtmp

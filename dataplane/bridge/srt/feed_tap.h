// Hands the chunks of a channel's feed to the sending thread. Threading: owned by the hub's thread. The feed
// may go at any time, and says so.
#pragma once

#include "dataplane/bridge/hub/ts_feed.h"
#include "dataplane/bridge/srt/worker.h"

namespace headgate::bridge::srt {

class FeedTap : public hub::TsSink {
 public:
  // `key`: the worker's, of this tap alone.
  FeedTap(Worker& worker, std::uint32_t key) : worker_(worker), key_(key) {}
  ~FeedTap() override { set_feed(nullptr); }
  FeedTap(const FeedTap&) = delete;
  FeedTap& operator=(const FeedTap&) = delete;

  void set_feed(hub::TsFeed* feed);
  hub::TsFeed* feed() const { return feed_; }
  std::uint32_t key() const { return key_; }
  std::size_t sessions = 0;

  void on_chunk(const std::shared_ptr<const hub::TsChunk>& chunk) override;
  // Its sessions stay: the server ends them, or finds the feed that came in its place.
  void on_end() override { feed_ = nullptr; }

 private:
  static constexpr std::int64_t kMaxAge = 50'000;  // us between the arrival of a chunk and its coming here

  Worker& worker_;
  const std::uint32_t key_;
  hub::TsFeed* feed_ = nullptr;
  std::int64_t last_us_ = 0;
};

}  // namespace headgate::bridge::srt

#include "dataplane/bridge/srt/feed_tap.h"

#include <algorithm>

#include "dataplane/bridge/hub/unix_time.h"

namespace headgate::bridge::srt {

void FeedTap::set_feed(hub::TsFeed* feed) {
  if (feed_ != nullptr) feed_->remove(this);
  feed_ = feed;
  if (feed_ != nullptr) feed_->add(this);
}

void FeedTap::on_chunk(const std::shared_ptr<const hub::TsChunk>& chunk) {
  // A jump of the system's clock must not reach the receivers' clock.
  const std::int64_t age =
      std::clamp<std::int64_t>((hub::unix_now_ns() - chunk->arrival_ns) / 1000, 0, kMaxAge);
  last_us_ = std::max(last_us_, srt_time_now() - age);
  worker_.add_chunk(key_, chunk, last_us_);
}

}  // namespace headgate::bridge::srt

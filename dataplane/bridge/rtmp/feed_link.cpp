#include "dataplane/bridge/rtmp/feed_link.h"

namespace headgate::bridge::rtmp {

class FeedLinks::Link : public hub::FrameSink {
 public:
  Link(Server& server, hub::FrameFeed& feed, std::string id, std::shared_ptr<hub::OutputStats> stats)
      : server_(server),
        id_(std::move(id)),
        sink_(server.open(id_)),
        stats_(std::move(stats)),
        base_(*stats_) {
    if (feed.format() != nullptr) {
      sink_.on_format(feed.format());
      for (const auto& frame : feed.group()) sink_.on_frame(frame);
    }
    feed.add(this);
  }
  void on_format(std::shared_ptr<const hub::FrameFormat> format) override {
    sink_.on_format(std::move(format));
  }
  void on_frame(std::shared_ptr<const hub::Frame> frame) override { sink_.on_frame(std::move(frame)); }
  void on_discontinuity() override { sink_.on_discontinuity(); }
  void on_end() override {
    count();
    stats_->sessions = 0;
    ended_ = true;
    server_.close(id_);
  }
  bool ended() const { return ended_; }
  void count() {
    const ChannelStream* stream = ended_ ? nullptr : server_.channel(id_);
    if (stream == nullptr) return;
    const StreamCounters& c = stream->counters();
    stats_->sessions = server_.players(id_);
    stats_->sessions_total = base_.sessions_total + c.sessions;
    stats_->bytes = base_.bytes + c.bytes;
    stats_->skips = base_.skips + c.cuts;
    stats_->skipped = base_.skipped + c.skipped_frames;
    stats_->cut = base_.cut + c.slow_clients;
    stats_->unusable = base_.unusable + c.waiting_for_key + c.oversized_frames;
  }

 private:
  Server& server_;
  std::string id_;
  hub::FrameSink& sink_;
  std::shared_ptr<hub::OutputStats> stats_;
  hub::OutputStats base_;  // what an earlier link of the channel counted
  bool ended_ = false;
};

void FeedLinks::link(const std::string& id, hub::FrameFeed& feed, std::shared_ptr<hub::OutputStats> stats) {
  auto& place = links_[id];
  if (place != nullptr && !place->ended()) return;
  place = std::make_shared<Link>(server_, feed, id, std::move(stats));
}

void FeedLinks::count() {
  std::erase_if(links_, [](const auto& item) { return item.second->ended(); });
  for (auto& [id, link] : links_) link->count();
}

}  // namespace headgate::bridge::rtmp

// Ties the frames of channels to the RTMP server: a player may join at any time and begins with the group of
// pictures that the feed holds. A link ends with its feed (FrameSink::on_end). Threading: owned by the
// server's thread. The server outlives the links, and these outlive the feeds.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "dataplane/bridge/hub/frame_feed.h"
#include "dataplane/bridge/hub/output_stats.h"
#include "dataplane/bridge/rtmp/server.h"

namespace headgate::bridge::rtmp {

class FeedLinks {
 public:
  explicit FeedLinks(Server& server) : server_(server) {}

  // Links a channel whose feed is not linked yet. One that went has told by on_end().
  void link(const std::string& id, hub::FrameFeed& feed, std::shared_ptr<hub::OutputStats> stats);
  // Brings the channels' statistics up to date.
  void count();

 private:
  class Link;
  Server& server_;
  std::map<std::string, std::shared_ptr<Link>> links_;
};

}  // namespace headgate::bridge::rtmp

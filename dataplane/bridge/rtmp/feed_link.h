// Ties a channel's frames to the RTMP server for as long as it lives: a player may join at any time and
// begins with the group of pictures that the feed holds. Threading: owned by the server's thread. The server
// and the feed outlive the link.
#pragma once

#include <string>
#include <utility>

#include "dataplane/bridge/hub/frame_feed.h"
#include "dataplane/bridge/rtmp/server.h"

namespace headgate::bridge::rtmp {

class FeedLink {
 public:
  FeedLink(Server& server, hub::FrameFeed& feed, std::string id)
      : server_(server), feed_(feed), id_(std::move(id)), sink_(server.open(id_)) {
    if (feed.format() != nullptr) {
      sink_.on_format(feed.format());
      for (const auto& frame : feed.group()) sink_.on_frame(frame);
    }
    feed_.add(&sink_);
  }
  ~FeedLink() {
    feed_.remove(&sink_);
    server_.close(id_);
  }
  FeedLink(const FeedLink&) = delete;
  FeedLink& operator=(const FeedLink&) = delete;

 private:
  Server& server_;
  hub::FrameFeed& feed_;
  std::string id_;
  hub::FrameSink& sink_;
};

}  // namespace headgate::bridge::rtmp

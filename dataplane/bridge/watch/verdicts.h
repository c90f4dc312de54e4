// Writes what the watches found to run_dir/bridge/watch, for the fast path (control/protocol/watch_page.h).
// Threading: owned by the thread that owns the watches.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "control/protocol/watch_page.h"

namespace headgate::bridge::watch {

class ChannelWatch;

class Verdicts {
 public:
  // Without a page nothing is published, and failover works by the rest. Made anew where it is taken away:
  // keep().
  explicit Verdicts(std::string path) : path_(std::move(path)) {}
  tl::expected<void, std::string> open();
  // About once a second: the file is still there, or is made anew.
  void keep();

  // What `watch` says now of the channel's input. Times of the watch are `now_ns`, those of the page
  // `unix_ns`.
  void publish(std::uint32_t handle, std::uint32_t input, const ChannelWatch& watch, std::int64_t now_ns,
               std::int64_t unix_ns);
  // The channel is gone, or nothing is watched in it any more.
  void forget(std::uint32_t handle);
  // Channels beyond kMaxWatched entries.
  std::uint64_t unpublished() const { return unpublished_; }

 private:
  protocol::WatchEntry* entry_for(std::uint32_t handle, std::uint32_t input);

  std::string path_;
  std::optional<protocol::WatchMapping> page_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::size_t> places_;  // by handle and input
  std::uint64_t unpublished_ = 0;
};

}  // namespace headgate::bridge::watch

// The bridge's side of the watch page: which entry is whose, and how a verdict gets there. References:
// control/protocol/watch_page.h. Threading: owned by the bridge's media thread, the page's only writer.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "control/protocol/watch_page.h"
#include "dataplane/bridge/watch/channel_watch.h"

namespace headgate::bridge::app {

class WatchBoard {
 public:
  // An entry of the page for as long as it lives.
  class Place {
   public:
    Place() = default;
    explicit Place(protocol::WatchEntry* entry) : entry_(entry) {}
    Place(Place&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(entry_, other.entry_);
      return *this;
    }
    ~Place() { leave(); }
    // Where there is nothing to judge by, the last verdict goes stale.
    void tell(const watch::ChannelWatch& watch, std::int64_t now_ns, std::int64_t unix_ns);

   private:
    void leave();
    protocol::WatchEntry* entry_ = nullptr;  // null: the page is full, or there is none
  };

  static tl::expected<WatchBoard, std::string> create(const std::string& path);
  Place take(std::uint32_t handle, std::uint32_t input);

 private:
  explicit WatchBoard(protocol::WatchMapping mapping) : mapping_(std::move(mapping)) {}
  protocol::WatchMapping mapping_;
};

}  // namespace headgate::bridge::app

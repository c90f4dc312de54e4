// The bridge's channels as the state file wants them, and the way of a slot to its channel.
// Threading: owned by the thread that runs the io_context.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "dataplane/bridge/app/channel.h"

namespace headgate::bridge::app {

class Bridge {
 public:
  explicit Bridge(std::string hls_directory) : hls_directory_(std::move(hls_directory)) {}

  // Makes the channels match. One that did not change is not touched; a removed one's files go.
  void apply(const protocol::BridgeState& state);

  void on_slot(const ring::Slot& slot);
  void on_gap();  // the ring began anew

  Channel* find(std::string_view id);
  const std::map<std::string, std::unique_ptr<Channel>, std::less<>>& channels() const { return channels_; }
  std::uint64_t slots() const { return slots_; }
  std::uint64_t unknown_slots() const { return unknown_slots_; }  // of handles that no channel has

 private:
  std::string hls_directory_;
  std::map<std::string, std::unique_ptr<Channel>, std::less<>> channels_;
  std::unordered_map<std::uint32_t, Channel*> by_handle_;
  std::uint64_t slots_ = 0;
  std::uint64_t unknown_slots_ = 0;
};

}  // namespace headgate::bridge::app

// The bridge's channels as the state file wants them, and the way of a slot to its channel.
// Threading: owned by the thread that runs the io_context.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "dataplane/bridge/app/channel.h"
#include "dataplane/bridge/app/rendition.h"

namespace headgate::bridge::app {

class Bridge {
 public:
  // What `workers` names outlives the bridge.
  explicit Bridge(std::string hls_directory, const Workers& workers = {})
      : hls_directory_(std::move(hls_directory)), workers_(workers), ladder_jobs_(workers.jobs) {}

  // Makes the channels match. One that did not change is not touched; a removed one's files go.
  void apply(const protocol::BridgeState& state);

  void on_slot(const ring::Slot& slot);
  void on_gap();  // the ring began anew
  void on_tick(std::chrono::steady_clock::time_point now);

  Channel* find(std::string_view id);
  Rendition* find_rendition(std::string_view id);
  const std::map<std::string, std::unique_ptr<Rendition>, std::less<>>& renditions() const {
    return renditions_;
  }
  const std::map<std::string, std::unique_ptr<Channel>, std::less<>>& channels() const { return channels_; }
  const Workers& workers() const { return workers_; }
  const hls::MemoryBudget& memory() const { return memory_; }
  std::uint64_t slots() const { return slots_; }
  std::uint64_t unknown_slots() const { return unknown_slots_; }  // of handles that no channel has

 private:
  void apply_renditions(const protocol::BridgeState& state);

  // Media in open segments, of all channels.
  static constexpr std::size_t kOpenSegments = std::size_t{1024} * 1024 * 1024;

  std::string hls_directory_;
  Workers workers_;
  transcode::JobMaker* ladder_jobs_;
  hls::MemoryBudget memory_{kOpenSegments, 0};  // before the channels: they give back to it
  std::map<std::string, std::unique_ptr<Channel>, std::less<>> channels_;
  std::map<std::string, std::unique_ptr<Rendition>, std::less<>> renditions_;
  std::unordered_map<std::uint32_t, Channel*> by_handle_;
  std::uint64_t slots_ = 0;
  std::uint64_t unknown_slots_ = 0;
};

}  // namespace headgate::bridge::app

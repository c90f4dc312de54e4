// Who fetched media playlists of late: distinct address and user agent, an estimate, for HLS knows no
// sessions and caches hide viewers. One viewer that fetches several playlists counts once. Threading: owned
// by one thread. Memory: bounded.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string_view>
#include <unordered_map>

namespace headgate::bridge::hls {

class Viewers {
 public:
  using Time = std::chrono::steady_clock::time_point;
  void on_viewer(std::string_view client, std::string_view user_agent, Time now,
                 std::chrono::milliseconds patience) {
    const std::size_t key =
        std::hash<std::string_view>{}(client)*31 + std::hash<std::string_view>{}(user_agent);
    const auto found = seen_.find(key);
    if (found != seen_.end()) {
      found->second = now;
      return;
    }
    if (seen_.size() >= kMost) forget(now, patience);
    if (seen_.size() < kMost) seen_.emplace(key, now);
  }
  std::size_t count(Time now, std::chrono::milliseconds patience) {
    forget(now, patience);
    return seen_.size();
  }
  void clear() { seen_.clear(); }

 private:
  static constexpr std::size_t kMost = 20'000;  // remembered; more are not counted
  void forget(Time now, std::chrono::milliseconds patience) {
    std::erase_if(seen_, [&](const auto& viewer) { return now - viewer.second > patience; });
  }
  std::unordered_map<std::size_t, Time> seen_;
};

}  // namespace headgate::bridge::hls

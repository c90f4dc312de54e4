// Who fetched media playlists of late: distinct address and user agent, an estimate, for HLS knows no
// sessions and caches hide viewers. One viewer that fetches several playlists counts once. One that the
// operator ended is refused for kRefusedFor; afterwards it is a new one. Threading: owned by one thread.
// Memory: bounded.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dataplane/bridge/hub/session_info.h"
#include "dataplane/bridge/hub/unix_time.h"
#include "dataplane/bridge/net/text.h"

namespace headgate::bridge::hls {

class Viewers {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kRefusedFor{60};

  // `last_number`: of all viewers of this process. False: it is to be refused.
  bool on_viewer(std::string_view client, std::string_view user_agent, Time now,
                 std::chrono::milliseconds patience, std::uint64_t& last_number) {
    const std::size_t key = key_of(client, user_agent);
    auto found = seen_.find(key);
    if (found != seen_.end() && found->second.refused_until != Time{}) {
      if (now < found->second.refused_until) return false;
      seen_.erase(found);
      found = seen_.end();
    }
    if (found != seen_.end()) {
      found->second.last = now;
      return true;
    }
    if (seen_.size() >= kMost) forget(now, patience);
    if (seen_.size() >= kMost) return true;
    Viewer viewer;
    viewer.number = ++last_number;
    viewer.since_unix_ns = hub::unix_now_ns();
    viewer.since = viewer.last = now;
    viewer.client = client;
    viewer.user_agent = net::printable(user_agent, hub::kLongestUserAgent);
    seen_.emplace(key, std::move(viewer));
    return true;
  }
  // It was answered a segment. False: it is to be refused instead.
  bool on_segment(std::string_view client, std::string_view user_agent, std::size_t bytes, Time now) {
    const auto found = seen_.find(key_of(client, user_agent));
    if (found == seen_.end()) return true;
    if (now < found->second.refused_until) return false;
    found->second.bytes += bytes;
    return true;
  }
  std::size_t count(Time now, std::chrono::milliseconds patience) {
    const std::size_t refused = forget(now, patience);
    return seen_.size() - refused;
  }
  void list(const std::string& channel, Time now, std::chrono::milliseconds patience,
            std::vector<hub::SessionInfo>& out) {
    forget(now, patience);
    for (const auto& [key, viewer] : seen_) {
      if (viewer.refused_until == Time{}) out.push_back(info_of(viewer, channel, now));
    }
  }
  // Nothing: there is no viewer of that number.
  std::optional<hub::SessionInfo> kick(std::uint64_t number, const std::string& channel, Time now) {
    for (auto& [key, viewer] : seen_) {
      if (viewer.number != number || viewer.refused_until != Time{}) continue;
      viewer.refused_until = now + kRefusedFor;
      return info_of(viewer, channel, now);
    }
    return {};
  }
  void clear() { seen_.clear(); }

 private:
  static constexpr std::size_t kMost = 20'000;  // remembered; more are not counted
  static constexpr std::chrono::seconds kFirstRate{10};
  struct Viewer {
    std::uint64_t number = 0;
    std::int64_t since_unix_ns = 0;
    Time since;
    Time last;
    Time refused_until;  // Time{}: it is not
    std::string client;
    std::string user_agent;
    std::uint64_t bytes = 0;
  };

  static std::size_t key_of(std::string_view client, std::string_view user_agent) {
    return std::hash<std::string_view>{}(client)*31 + std::hash<std::string_view>{}(user_agent);
  }
  static hub::SessionInfo info_of(const Viewer& viewer, const std::string& channel, Time now) {
    hub::SessionInfo out;
    out.id = "hls-" + std::to_string(viewer.number);
    out.channel = channel;
    out.protocol = "hls";
    out.role = "player";
    out.state = "playing";
    out.address = viewer.client;
    out.user_agent = viewer.user_agent;
    out.since_unix_ns = viewer.since_unix_ns;
    out.bytes = viewer.bytes;
    // Segments come one by one, several at the start: an average, and no rate before there is one.
    const std::chrono::duration<double> age = std::max<Time::duration>(now - viewer.since, kFirstRate);
    out.bitrate_bps = static_cast<std::uint64_t>(static_cast<double>(viewer.bytes) * 8 / age.count());
    return out;
  }
  // How many of those that stay are refused.
  std::size_t forget(Time now, std::chrono::milliseconds patience) {
    std::size_t all_refused = 0;
    std::erase_if(seen_, [&](const auto& entry) {
      const Viewer& viewer = entry.second;
      const bool refused = now < viewer.refused_until;
      if (refused) ++all_refused;
      return viewer.refused_until != Time{} ? !refused : now - viewer.last > patience;
    });
    return all_refused;
  }
  std::unordered_map<std::size_t, Viewer> seen_;
};

}  // namespace headgate::bridge::hls

// The targets that channels are pushed to, as the state wants them: one that did not change keeps its
// connection. Threading: owned by the bridge's media thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/protocol/state.h"
#include "dataplane/bridge/app/bridge.h"
#include "dataplane/bridge/hub/session_info.h"
#include "dataplane/bridge/push/push.h"

namespace headgate::bridge::app {

class Pushes {
 public:
  // Null: the channel has no feed for it.
  using Make = std::function<std::unique_ptr<push::Push>(Channel&, const protocol::BridgePush&)>;
  explicit Pushes(Make make) : make_(std::move(make)) {}

  // Before Bridge::apply(): ends those that the state has no more, or that lose their channel.
  void end_unwanted(const Bridge& bridge, const protocol::BridgeState& state);
  // After it: makes those that are missing.
  void make_missing(Bridge& bridge);
  // In the order of the state.
  std::vector<push::Push*> of(const Channel& channel) const;
  void list(std::vector<hub::SessionInfo>& out);
  // Ends its connection and makes another at once; nothing: there is none of that number. As it was.
  std::optional<hub::SessionInfo> kick(std::uint64_t number, Bridge& bridge);
  void stop() { pushes_.clear(); }

 private:
  using Key = std::pair<std::string, std::string>;  // channel, url
  struct Held {
    std::uint64_t number = 0;  // of its session
    std::unique_ptr<push::Push> push;
  };
  static hub::SessionInfo info_of(const Key& key, const Held& held);
  Make make_;
  std::map<Key, Held> pushes_;
  std::uint64_t last_number_ = 0;
};

}  // namespace headgate::bridge::app

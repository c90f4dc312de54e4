// The inputs that enter through the bridge and what fetches each. One that did not change keeps its
// connection. Threading: owned by the bridge's media thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>
#include <tl/expected.hpp>

#include "control/protocol/state.h"
#include "dataplane/bridge/hub/session_info.h"
#include "dataplane/bridge/ingest/entry.h"
#include "dataplane/bridge/ingest/source.h"

namespace headgate::bridge::app {

class Sources {
 public:
  // Null: nothing fetches it, publishers come by themselves.
  using Make = std::function<std::unique_ptr<ingest::Source>(ingest::Entry&)>;
  // A publish input goes: its publisher is to be sent away.
  using Gone = std::function<void(ingest::Entry&)>;
  Sources(std::string ring_path, Make make, Gone gone)
      : entries_(std::move(ring_path)), make_(std::move(make)), gone_(std::move(gone)) {}

  tl::expected<void, std::string> apply(const protocol::BridgeState& state);
  // The channel's input for publishers; null: it has none.
  ingest::Entry* publishable(std::string_view channel) {
    return entries_.find(channel, protocol::SourceKind::publish);
  }
  void on_tick(std::int64_t now_ns) { entries_.on_tick(now_ns); }
  // `sources` of each channel in the bridge's status.
  std::map<std::string, nlohmann::json> status() const;
  // Those that are fetched, or come to a port of an input's own; publishers are told by their servers.
  void list(std::vector<hub::SessionInfo>& out) const;
  // The input of that number; null: there is none.
  ingest::Entry* find(std::uint64_t number) const;
  hub::SessionInfo info_of(ingest::Entry& entry) const;
  // Ends its connection and makes another at once.
  void reconnect(ingest::Entry& entry);
  void stop() { sources_.clear(); }

 private:
  ingest::Entries entries_;
  Make make_;
  Gone gone_;
  struct Held {
    std::uint64_t number = 0;  // of its session
    std::unique_ptr<ingest::Source> source;
  };
  std::map<ingest::Entry*, Held> sources_;
  std::uint64_t last_number_ = 0;
};

}  // namespace headgate::bridge::app

// The inputs that enter through the bridge and what fetches each. One that did not change keeps its
// connection. Threading: owned by the bridge's media thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>
#include <tl/expected.hpp>

#include "control/protocol/state.h"
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
  void stop() { sources_.clear(); }

 private:
  ingest::Entries entries_;
  Make make_;
  Gone gone_;
  std::map<const ingest::Entry*, std::unique_ptr<ingest::Source>> sources_;
};

}  // namespace headgate::bridge::app

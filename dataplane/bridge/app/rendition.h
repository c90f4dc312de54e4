// One programme at several bitrates: its members' playlists under one address (hls/adaptive.h), and who plays
// it. Holds nothing of its channels, which may come and go. Threading: owned by the bridge's media thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/protocol/state.h"
#include "dataplane/bridge/hls/adaptive.h"
#include "dataplane/bridge/hls/viewers.h"
#include "dataplane/bridge/http/router.h"
#include "dataplane/bridge/transcode/ladder.h"

namespace headgate::bridge::app {

class Channel;

struct RenditionMemberStatus {
  std::string channel;
  std::string part;  // of pictures made smaller
  bool plays = false;
  std::string codecs;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint64_t bandwidth = 0;
  std::optional<transcode::LadderStatus> ladder;
};

class Rendition : public http::RenditionView {
 public:
  using FindChannel = std::function<Channel*(const std::string& id)>;
  Rendition(const protocol::RenditionState& state, FindChannel find);

  // The name in addresses of a derived member's pictures, and of its job.
  static std::string part_of(const protocol::RenditionState& state, const protocol::RenditionMember& member);

  const protocol::RenditionState& state() const { return state_; }
  std::vector<RenditionMemberStatus> status();
  std::size_t viewers();

  const std::string& display_name() const override { return state_.id; }
  std::uint32_t segment_ms() const override;
  hls::SegmentStore::Text multivariant() override;
  bool find_playlist(std::string_view channel, std::string_view name, hls::SegmentStore::Text& text) override;
  bool on_viewer(const http::Request& request, std::uint64_t& last_number) override;
  void list_viewers(std::vector<hub::SessionInfo>& out);
  std::optional<hub::SessionInfo> kick_viewer(std::uint64_t number);

 private:
  std::vector<hls::Member> members() const;
  std::chrono::milliseconds patience() const;

  protocol::RenditionState state_;
  FindChannel find_;
  hls::Adaptive adaptive_;
  hls::Viewers viewers_;
};

}  // namespace headgate::bridge::app

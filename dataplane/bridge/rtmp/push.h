// Sends a channel to an RTMP server as an encoder would: see docs/rtmp.md. Each target stands alone: its own
// connection, its own place in its own log of the channel's frames, which it shares with the feed. While the
// channel brings nothing no connection is opened. Threading: owned by the thread that runs the io_context.
// Memory: StreamLimits of a log (the frames themselves are shared), and what the kernel holds unsent.
#pragma once

#include <memory>

#include "control/protocol/state.h"
#include "dataplane/bridge/hub/frame_feed.h"
#include "dataplane/bridge/push/push.h"
#include "dataplane/bridge/rtmp/client.h"

namespace boost::asio {
class io_context;
}

namespace headgate::bridge::rtmp {

struct PushLimits {
  ClientLimits client;
  StreamLimits stream;
  std::chrono::milliseconds merge_time{20};  // frames that come within it go out in one system call
  std::chrono::milliseconds first_pause{1'000};
  std::chrono::milliseconds longest_pause{30'000};
  // A connection that held so long lets the pauses begin anew.
  std::chrono::milliseconds good_time{10'000};
  // Without a frame for so long the channel counts as silent.
  std::chrono::milliseconds silence{10'000};
};

// An address that can't be read is told in the push's status. Not from within a call of the feed.
std::unique_ptr<push::Push> make_push(boost::asio::io_context& context, hub::FrameFeed& feed,
                                      protocol::BridgePush target, const PushLimits& limits = {});

}  // namespace headgate::bridge::rtmp

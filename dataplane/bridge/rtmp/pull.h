// Plays a stream from an RTMP server into an input, and comes back after a loss: see docs/rtmp.md. The input
// is taken with the first media, for many servers let one play what nobody publishes. Threading: owned by the
// thread that runs the io_context. Ownership: the entry outlives it.
#pragma once

#include <memory>

#include "dataplane/bridge/ingest/entry.h"
#include "dataplane/bridge/ingest/source.h"
#include "dataplane/bridge/rtmp/client.h"

namespace boost::asio {
class io_context;
}

namespace headgate::bridge::rtmp {

struct PullLimits {
  ClientLimits client;
  std::chrono::milliseconds first_pause{1'000};
  std::chrono::milliseconds longest_pause{30'000};
  std::chrono::milliseconds good_time{10'000};  // a connection that held so long lets the pauses begin anew
};

// An address that can't be read is told in the input's status.
std::unique_ptr<ingest::Source> make_pull(boost::asio::io_context& context, ingest::Entry& entry,
                                          const PullLimits& limits = {});

}  // namespace headgate::bridge::rtmp

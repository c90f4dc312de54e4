// Inputs that the bridge fetches by itself and that are transport streams already: a file played in real
// time and looped, a stream over HTTP, live HLS. Each connects, feeds its Entry at the pace of the stream's
// own clock (within about 10 ms; the fast path does the fine work), and after a failure tries again with
// growing pauses, until it is destroyed. What each takes and refuses: docs/pull.md. Threading: owned by the
// thread that runs `context`; name look-ups have threads of their own. Ownership: `entry` outlives the
// source.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "dataplane/bridge/ingest/entry.h"
#include "dataplane/bridge/ingest/source.h"

namespace headgate::bridge::pull {

// BridgeInput::address is the path.
std::unique_ptr<ingest::Source> make_file(boost::asio::io_context& context, ingest::Entry& entry);
// BridgeInput::address is http(s)://[USER:PASSWORD@]HOST[:PORT]/PATH?QUERY.
std::unique_ptr<ingest::Source> make_http_ts(boost::asio::io_context& context, ingest::Entry& entry);
std::unique_ptr<ingest::Source> make_hls(boost::asio::io_context& context, ingest::Entry& entry);

}  // namespace headgate::bridge::pull

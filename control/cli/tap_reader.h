// The packets of an input of the running gateway, read from the ring that the fast path copies them into
// (dataplane/ring), with the times at which it took them in. Threading: one owner.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <tl/expected.hpp>

#include "mpegts/monitor/stream_analyzer.h"

namespace headgate::control {

// Reads for `time` or until the ring's writer has gone. Returns how many datagrams it lost, being too slow.
tl::expected<std::uint64_t, std::string> read_tap(const std::string& ring, std::chrono::milliseconds time,
                                                  mpegts::StreamAnalyzer& analyzer);

}  // namespace headgate::control

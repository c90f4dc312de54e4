// PAT and PMT at the head of a segment: one section each, carried streams only, PIDs as in the source,
// counters derived from the segment's number, so that they go on from segment to segment and are the same on
// every node. References: ISO/IEC 13818-1:2022 2.4.4.3, 2.4.4.8; RFC 8216 3.2 ("SHOULD contain a PAT and a
// PMT"). Threading: pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/bridge/hub/track.h"

namespace headgate::bridge::hls {

std::vector<std::uint8_t> make_psi(const hub::Configuration& configuration, std::int64_t k);

}  // namespace headgate::bridge::hls

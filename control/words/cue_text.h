// Splice information (ANSI/SCTE 35) as `headgate probe` and events say it. Threading: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mpegts/scte35/splice_info.h"

namespace headgate::control::words {

// Of ticks of 90 kHz.
double seconds(std::uint64_t ticks);
std::string hex(const std::vector<std::uint8_t>& bytes);
// A upid of printable characters as they are (Ad-ID, URI …), else in hex.
std::string upid_text(const std::vector<std::uint8_t>& upid);
// "splice_insert event 42 out for 30.0 s, auto return"
std::string command_text(const mpegts::SpliceInfo& info);
// "segmentation event 7  Provider Advertisement Start 1/2 for 30.0 s  upid 0x09 …"
std::string segment_text(const mpegts::SegmentationDescriptor& segment);

}  // namespace headgate::control::words

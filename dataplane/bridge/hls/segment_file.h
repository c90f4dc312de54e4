// The bytes of one segment's file: PAT, PMT, whole PES packets. A file of one track alone has a PMT of its
// own; where the clock of the service is not among its packets it gets one, made of its time stamps, since a
// programme without PCR is none (ISO/IEC 13818-1:2022 2.4.2.1, 2.7.2). AC-3 and E-AC-3 are also named the way
// that Apple's players look for (ATSC A/52 annex A: stream types 0x81 and 0x87). Nothing depends on what was
// before: the same packets give the same bytes on every node. Threading: pure functions; spans in a
// SegmentFile point into its own memory and into what it was made of.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/bridge/hub/track.h"

namespace headgate::bridge::hls {

// A PES packet in an open segment.
struct SegmentItem {
  std::int64_t key;  // DTS, never falling within a track
  std::int64_t dts;
  std::int64_t pts;
  std::size_t offset;
  std::size_t size;
  std::uint8_t track;
  bool timed;
};

struct SegmentFile {
  std::size_t track = 0;                              // whose file it is; 0: the main one
  std::size_t size = 0;                               // bytes; 0: there is nothing of this track
  std::vector<std::span<const std::uint8_t>> pieces;  // to be written one after the other
  std::vector<std::uint8_t> made;                     // tables and clock
};

// `apart`: the first track, with a clock that has a PID of its own, in `whole`, each other track that players
// take in one of `parts`. Otherwise all in `whole`.
// `begin`: PTS of the segment's first picture.
void build_files(const hub::Configuration& configuration, bool apart, std::int64_t k, std::int64_t begin,
                 std::span<const std::uint8_t> bytes, std::span<const SegmentItem> items, SegmentFile& whole,
                 std::vector<SegmentFile>& parts);

// The file of one track alone; empty where there is nothing of it among the items. Smaller pictures made here
// are of use only where they begin as the segment does: whose encoder came in later has nothing to show.
void build_part(const hub::Configuration& configuration, std::int64_t k, std::size_t track,
                std::int64_t begin, std::span<const std::uint8_t> bytes, std::span<const SegmentItem> items,
                SegmentFile& file);

}  // namespace headgate::bridge::hls

// What is made here (hub::Track::twin_of) and comes after the segment it belongs to was handed on: kept by
// segment until it is complete. References: segmenter.h. Threading: owned by one thread. Memory: `most` bytes
// a segment and track, within the budget; the owner says when they end.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/bridge/hls/budgeted_bytes.h"
#include "dataplane/bridge/hls/segment_file.h"
#include "dataplane/bridge/hub/track.h"

namespace headgate::bridge::hls {

class LateTwins {
 public:
  // Number of the segment, place among its parts, the finished file.
  using OnPart = std::function<void(std::int64_t, std::size_t, const SegmentFile&)>;
  // `budget` null: none.
  LateTwins(std::size_t most, MemoryBudget* budget, OnPart on_part)
      : most_(most), budget_(budget), on_part_(std::move(on_part)) {}

  struct Segment {
    std::int64_t k = 0;
    std::int64_t start_pts = 0;
    std::int64_t end = 0;
    std::int64_t end_pts = 0;
    std::shared_ptr<const hub::Configuration> configuration;
  };
  // `awaited`: which of `parts` are not complete; what there is of them is among the items.
  void keep(const Segment& segment, std::span<const SegmentFile> parts, const std::vector<bool>& awaited,
            std::span<const std::uint8_t> bytes, std::span<const SegmentItem> items);

  enum class Taken : std::uint8_t {
    no,  // it belongs to no segment here; those before it are complete now
    yes,
    early,  // before the first
    full,   // or the budget has no more
  };
  Taken take(const SegmentItem& item, std::span<const std::uint8_t> packets);
  // Those that ended before `time` get no more.
  void end_before(std::int64_t time);

 private:
  struct Twin {
    std::size_t track;
    std::size_t part;
    BudgetedBytes bytes;
    std::vector<SegmentItem> items;
  };
  struct Late {
    Segment segment;
    std::vector<Twin> twins;
  };
  bool add(Twin& twin, SegmentItem item, std::span<const std::uint8_t> packets);
  void end(Late& late, std::size_t at);

  std::size_t most_;
  MemoryBudget* budget_;
  OnPart on_part_;
  std::deque<Late> late_;
};

}  // namespace headgate::bridge::hls

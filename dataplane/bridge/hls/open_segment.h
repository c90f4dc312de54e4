// A segment that the segmenter fills, or what it keeps while none is open. Threading: owned by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/bridge/hls/segmenter.h"

namespace headgate::bridge::hls {

struct Segmenter::Open {
  explicit Open(MemoryBudget* budget) : bytes(budget) {}
  void reset() {
    kind = Kind::preroll;
    discontinuity = first = ended = forced = false;
    independent = true;
    configuration.reset();
    bytes.clear();
    items.clear();
    formats.clear();
    present = 0;
  }

  enum class Kind : std::uint8_t { media, preroll, gap };
  Kind kind = Kind::preroll;
  std::int64_t k = 0;
  std::int64_t start = 0;
  std::int64_t start_pts = 0;
  bool independent = true;
  bool discontinuity = false;
  bool first = false;  // follows no media: what belongs before it has no place
  bool ended = false;
  bool forced = false;  // nothing more belongs to it
  std::int64_t end = 0;
  std::int64_t end_pts = 0;
  std::shared_ptr<const hub::Configuration> configuration;
  BudgetedBytes bytes;
  std::vector<Item> items;
  std::vector<TrackFormat> formats;
  std::uint64_t present = 0;  // bit per track that has a unit here
};

}  // namespace headgate::bridge::hls

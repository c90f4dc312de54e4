// Makes chunks of a channel's ring slots for every output that carries transport streams, and keeps those
// since the last random access point, with the tables in front, so that a player that joins begins at once.
// Services are not cut here: what the fast path left in the channel goes out whole, but for
// discontinuity_indicator where the clock jumps and the source has not set it. References: ISO/IEC
// 13818-1:2022 2.4.4 (PAT, PMT), 2.4.3.5 (random_access_indicator). Threading: owned by the hub's thread.
// Memory: at most kMaxCachedBytes and kMaxCachedTime.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/bridge/hub/ts_chunk.h"
#include "dataplane/ring/ring.h"

namespace headgate::bridge::hub {

class TsFeed {
 public:
  static constexpr std::size_t kMaxCachedBytes = 16 * 1024 * 1024;
  static constexpr std::int64_t kMaxCachedTime = 12'000'000'000;  // ns

  TsFeed();
  ~TsFeed();

  void on_slot(const ring::Slot& slot);
  void on_gap();

  // The sink outlives its subscription, which ends with on_end() at the latest. Neither may be called from
  // within a TsSink's on_chunk. A new sink sends start() by itself, then what it is called with; add() calls
  // nothing. Where start() is empty, a later chunk with random_access may be preceded by a start() of then,
  // whose last chunk it is.
  void add(TsSink* sink);
  void remove(TsSink* sink);
  // Forgets all sinks but `except`, with on_end() to each.
  void end(const TsSink* except);

  // What a joining player gets first: PAT and PMT as they stand, then everything from the last random access
  // point of the video on (radio: from the last chunk). Empty until there is one.
  std::vector<std::shared_ptr<const TsChunk>> start() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::bridge::hub

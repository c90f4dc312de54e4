// Copies of what inputs take in, each into a ring file of its own for one reader (`headgate probe`). Bounded:
// at most kMaxTaps rings of 11 MiB; what finds no room is dropped and is a gap to the reader. A tap ends with
// its time, with its reader, or when none came. Threading: main thread; the producers are the worker's while
// a snapshot that it works by names them. Ownership: owns the rings and removes their files.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "dataplane/fastpath/worker/runtime.h"
#include "dataplane/ring/ring.h"

namespace headgate::fastpath {

class Taps {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kReaderBound{5};  // to come, and to stay after the time

  struct Wish {
    std::string channel;
    std::uint32_t input = 0;
    std::string url;
    std::chrono::milliseconds time{0};
  };
  using Ended = std::vector<std::unique_ptr<ring::Producer>>;

  // Rings that a process before left in the folder are removed.
  explicit Taps(std::string folder);
  ~Taps();
  Taps(const Taps&) = delete;
  Taps& operator=(const Taps&) = delete;

  // The new ring's path. The worker copies once a marked snapshot is published.
  tl::expected<std::string, std::string> open(const Wish& wish, Time now);
  // Names the taps in the routes of their inputs.
  void mark(Snapshot& snapshot) const;
  // Those that are over, gone from later marks; to be kept until the worker has left the snapshots before.
  Ended end(Time now);

 private:
  struct Tap {
    Wish wish;
    std::string path;
    std::unique_ptr<ring::Producer> ring;
    Time opened;
    bool read = false;  // its reader came
  };
  bool over(Tap& tap, Time now) const;
  std::string path(std::size_t index) const;

  std::string folder_;
  std::array<std::unique_ptr<Tap>, kMaxTaps> taps_;
};

}  // namespace headgate::fastpath

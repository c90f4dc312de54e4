// The channels' timelines in run_dir: a mapped file with a place per channel name, so that a restarted fast
// path goes on where the killed one was. Each place holds two copies written in turn: a process killed in the
// middle of one leaves the other whole. Threading: find_or_add() from the main thread; save()
// from the worker, for places already found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "mpegts/clock/timeline.h"

namespace headgate::fastpath {

class TimelineStore {
 public:
  static constexpr std::size_t kPlaces = 2048;

  static tl::expected<TimelineStore, std::string> open(const std::string& path);
  TimelineStore(TimelineStore&& other) noexcept;
  TimelineStore& operator=(TimelineStore&&) = delete;
  ~TimelineStore();

  // The channel's place; the one unused for longest when all are taken.
  std::size_t find_or_add(const std::string& channel);
  std::optional<mpegts::Timeline::State> load(std::size_t place) const noexcept;
  void save(std::size_t place, const mpegts::Timeline::State& state) noexcept;

 private:
  struct File;
  explicit TimelineStore(File* file) : file_(file) {}
  File* file_ = nullptr;
};

}  // namespace headgate::fastpath

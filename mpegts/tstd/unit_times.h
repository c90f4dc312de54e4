// The access units of an elementary stream and the times at which the T-STD takes them out of its buffers:
// DTS, else PTS (ISO/IEC 13818-1:2022 2.4.2.5, 2.4.3.7). A unit that has no time of its own lies evenly
// between those around it that do; a frame of sound, as many samples behind the one that does. Threading:
// owned by one thread. Memory: kMostWaiting units.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>

#include "mpegts/psi/tables.h"
#include "mpegts/tstd/stream_limits.h"

namespace headgate::mpegts {

struct TimedUnit {
  std::uint64_t begin = 0;  // in bytes of the elementary stream
  std::uint64_t end = 0;
  std::uint64_t packet = 0;  // that its first byte came in
  std::int64_t tick = 0;
};

// The payload of a PES packet.
struct TimedPes {
  struct Part {
    std::size_t offset;    // of what the packet brought
    std::uint64_t packet;  // its number
  };
  std::span<const std::uint8_t> payload;
  std::uint64_t position = 0;  // in the elementary stream
  std::optional<std::int64_t> pts;
  std::optional<std::int64_t> dts;
  std::span<const Part> parts;

  std::uint64_t packet_of(std::size_t offset) const noexcept;
};

class UnitTimes {
 public:
  static constexpr std::size_t kMostWaiting = 4096;

  virtual ~UnitTimes() = default;
  // Appends to `out` the units whose end and time are known by now. False: the times make no sense, or there
  // is more than can wait; restart() it.
  virtual bool on_pes(const TimedPes& pes, std::deque<TimedUnit>& out) = 0;
  virtual void restart() = 0;
  // Nothing until the stream's own headers told them.
  virtual std::optional<StreamLimits> limits() const = 0;
};

// Of a kind whose units can't be told apart here: nothing.
std::unique_ptr<UnitTimes> make_unit_times(const PmtStream& stream);

}  // namespace headgate::mpegts

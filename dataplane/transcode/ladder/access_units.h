// Whole access units out of PES payloads, in which they need not begin or end: several in one, or one over
// several. A unit is handed on when the next begins: only then it is known to be whole. The two fields of a
// frame of MPEG-2 come as one, those of H.264 and HEVC each for itself. By libavcodec's parsers. References:
// ISO/IEC 13818-1:2022 2.4.3.7 (a time stamp belongs to the first access unit that begins in its PES packet).
// Threading: owned by one thread. Memory: the parser's, which holds one unit; one of more than kMaxBytes is
// dropped.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/transcode/picture/av.h"
#include "mpegts/psi/tables.h"

namespace headgate::transcode::ladder {

struct UnitTimes {
  std::int64_t pts = 0;  // channel's timeline, 27 MHz
  std::int64_t dts = 0;
};

class AccessUnits {
 public:
  static constexpr std::size_t kMaxBytes = 16 * 1024 * 1024;
  // `times`: nothing where the unit has none of its own.
  using Take = std::function<void(std::span<const std::uint8_t> unit, std::optional<UnitTimes> times)>;

  AccessUnits(mpegts::StreamKind kind, Take take);
  void feed(std::span<const std::uint8_t> payload, std::optional<UnitTimes> times);
  // The unit under way is whole, or what is missing of it will not come.
  void flush();

 private:
  void begin();
  int parse(const std::uint8_t* bytes, std::size_t size, std::optional<UnitTimes> times);

  AVCodecID id_;
  Take take_;
  AvParser parser_;
  AvCodec context_;
  bool fresh_ = true;     // no unit's beginning came yet
  std::size_t held_ = 0;  // bytes since the last unit was handed on
  std::vector<std::uint8_t> padded_;
};

}  // namespace headgate::transcode::ladder

// Transport packets of one AAC twin: each ADTS frame a PES packet of its own. References: ISO/IEC
// 13818-1:2022 2.4.3.2 (packet), 2.4.3.4 (adaptation field), 2.4.3.6 (PES); ISO/IEC 13818-7 (ADTS).
// Threading: owned by one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/es/audio.h"
#include "mpegts/packet/types.h"

namespace headgate::bridge::transcode {

// What one whole ADTS frame says of itself; nothing where `frame` is not exactly one, of AAC-LC at
// 48 kHz.
std::optional<mpegts::es::AudioFormat> adts_format(std::span<const std::uint8_t> frame);

// A frame of silence of one channel or two, 48 kHz.
std::span<const std::uint8_t> silent_adts_frame(unsigned channels);

class TwinPacker {
 public:
  explicit TwinPacker(mpegts::Pid pid) : pid_(pid) {}
  // The next packet has this continuity_counter.
  void begin(std::uint8_t continuity_counter) { continuity_ = continuity_counter & 0x0F; }
  // `break_before`: the first packet has the discontinuity_indicator. Valid until the next call.
  std::span<const std::uint8_t> pack(std::span<const std::uint8_t> frame, mpegts::Pts90kHz pts,
                                     bool break_before);

 private:
  mpegts::Pid pid_;
  std::uint8_t continuity_ = 0;
  std::vector<std::uint8_t> pes_;
  std::vector<std::uint8_t> out_;
};

}  // namespace headgate::bridge::transcode

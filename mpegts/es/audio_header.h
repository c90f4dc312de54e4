// Headers of audio frames: ADTS (ISO/IEC 14496-3 1.A.2.2), MPEG audio (ISO/IEC 11172-3 2.4.1.3,
// 13818-3 2.4.2.3), AC-3 and E-AC-3 (ETSI TS 102 366 4.4.1, E.1.3.1), LOAS (ISO/IEC 14496-3 1.7.2).
// Threading: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "mpegts/psi/tables.h"

namespace headgate::mpegts::es {

struct AudioHeader {
  std::size_t size = 0;  // of the frame with its header, in bytes; never 0
  std::uint32_t sample_rate = 0;
  std::uint32_t channels = 0;
  std::uint32_t samples = 0;
  std::string codec;
  // E-AC-3: belongs to the frame of the independent substream 0 before it.
  bool dependent = false;
  // What does not change between the frames of one stream; compared to tell a frame from a chance sync.
  std::uint32_t signature = 0;
};

// Bytes that parse_audio_header needs to decide.
std::size_t audio_header_size(StreamKind kind) noexcept;

// The header at the first byte, or nothing where no frame begins there. LOAS: only sync and size.
std::optional<AudioHeader> parse_audio_header(StreamKind kind, std::span<const std::uint8_t> bytes);

// Channels of an AAC channel_configuration (ISO/IEC 14496-3 table 1.19); 0 for 0 and the reserved values.
std::uint32_t aac_channels(std::uint32_t configuration) noexcept;
// Of a samplingFrequencyIndex (table 1.18); 0 for the reserved values and the escape.
std::uint32_t aac_sample_rate(std::uint32_t index) noexcept;

}  // namespace headgate::mpegts::es

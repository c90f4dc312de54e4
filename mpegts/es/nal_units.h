// NAL units of the byte stream format (ITU-T H.264 Annex B, H.265 Annex B), without start codes and without
// the zero bytes behind them. Threading: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace headgate::mpegts::es {

// Spans into `bytes`, each of at least one byte, in order. Bytes before the first start code belong to none.
std::vector<std::span<const std::uint8_t>> nal_units(std::span<const std::uint8_t> bytes);

// Appends the unit behind its length in 4 bytes (ISO/IEC 14496-15 5.3.3.1, lengthSizeMinusOne 3).
void append_length_prefixed(std::vector<std::uint8_t>& out, std::span<const std::uint8_t> nal);

}  // namespace headgate::mpegts::es

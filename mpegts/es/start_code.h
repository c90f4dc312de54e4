// Start codes 00 00 01 of MPEG-2 video (ISO/IEC 13818-2 6.2.1) and of the byte stream format (ITU-T H.264,
// H.265 Annex B). Threading: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace headgate::mpegts::es {

// Offset of the next 00 00 01 at or after from; bytes.size() where there is none.
std::size_t find_start_code(std::span<const std::uint8_t> bytes, std::size_t from) noexcept;

}  // namespace headgate::mpegts::es

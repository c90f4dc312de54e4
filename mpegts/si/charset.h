// The character tables behind DVB text (EN 300 468 Annex A): ISO/IEC 8859 parts and table 00, ISO/IEC 6937
// with the euro. 0 means: no such character. Threading: pure functions.
#pragma once

#include <cstdint>

namespace headgate::mpegts::detail {

// part: 5..11, 13..15, those Annex A selects.
std::uint16_t iso8859_code_point(unsigned part, std::uint8_t byte) noexcept;
std::uint16_t table00_code_point(std::uint8_t byte) noexcept;
// The combining mark that a byte of table 00 puts on the letter after it.
std::uint16_t table00_mark(std::uint8_t byte) noexcept;
// One character for letter and mark.
std::uint16_t compose(std::uint16_t mark, std::uint8_t letter) noexcept;

}  // namespace headgate::mpegts::detail

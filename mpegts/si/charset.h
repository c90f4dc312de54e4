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

// And back. The byte of a character in a part.
std::uint8_t iso8859_byte(unsigned part, std::uint32_t code_point) noexcept;
// The one or two bytes of a character in table 00, the first one high; two where a mark stands before its
// letter.
std::uint16_t table00_bytes(std::uint32_t code_point) noexcept;

}  // namespace headgate::mpegts::detail

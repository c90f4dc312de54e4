// Bytes of PES packets out of their transport packets. Reference: ISO/IEC 13818-1:2022 2.4.3.3.
// Threading: pure function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace headgate::bridge::hub {

// Gathers up to `limit` bytes, or a few more, in place of what `out` holds. A legal duplicate counts once.
void gather(std::span<const std::uint8_t> packets, std::size_t limit, std::vector<std::uint8_t>& out);

}  // namespace headgate::bridge::hub

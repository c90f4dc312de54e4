// Bytes of PES packets out of their transport packets. References: ISO/IEC 13818-1:2022 2.4.3.3, 2.4.3.6.
// Threading: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/pes/pes_packet.h"

namespace headgate::bridge::hub {

// Gathers up to `limit` bytes, or a few more, in place of what `out` holds. A legal duplicate counts once.
void gather(std::span<const std::uint8_t> packets, std::size_t limit, std::vector<std::uint8_t>& out);

// A PES packet that was gathered whole.
struct PesView {
  mpegts::PesHeader header;
  std::size_t size = 0;  // all of it: what its length says, where it says one
  std::span<const std::uint8_t> payload;
};
// Nothing where there is no header, or it leads outside.
std::optional<PesView> view_pes(std::span<const std::uint8_t> pes);

}  // namespace headgate::bridge::hub

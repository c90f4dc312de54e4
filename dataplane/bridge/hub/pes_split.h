// Splits one PES packet in two where an access unit begins inside it, so that a segment can begin there. The
// transport packet in which the cut lies gives way to seventeen: sixteen more than before, so that the
// continuity counters on both sides stay as they are and every other transport packet stays bit-exact; two
// nodes make the same bytes. References: ISO/IEC 13818-1:2022 2.4.3.3 (continuity_counter), 2.4.3.5
// (stuffing), 2.4.3.6, 2.4.3.7 (PES). Threading: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/pes/pes_packet.h"

namespace headgate::bridge::hub {

struct PesCut {
  std::size_t at = 0;  // bytes of the PES packet, its header included, before the second part
  // Of the second part's access unit, as its header shall say them.
  mpegts::Pts90kHz pts;
  mpegts::Pts90kHz dts;
  // The first part holds no beginning of an access unit: its time stamps, which are the second's, go.
  bool first_untimed = false;
};

// `packets`: the PES packet's transport packets. Writes all packets of both parts to `out`; returns where the
// second begins there. Nothing where it can't be done: a cut outside, a header spread over packets, too few
// bytes there.
std::optional<std::size_t> split_pes(std::span<const std::uint8_t> packets, const mpegts::PesHeader& header,
                                     std::size_t pes_size, const PesCut& cut, std::vector<std::uint8_t>& out);

}  // namespace headgate::bridge::hub

// The families that CA_system_id is given out to in whole ranges (ETSI TS 101 162 5.6), by the name that
// engineers know them by. Threading: pure functions.
#pragma once

#include <cstdint>

namespace headgate::mpegts {

// "" where the range is another's or not known here.
const char* ca_system_name(std::uint16_t ca_system_id) noexcept;

}  // namespace headgate::mpegts

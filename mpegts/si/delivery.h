// The delivery system descriptors of a NIT whose every field receivers agree on: satellite, cable and
// terrestrial (EN 300 468 V1.17.1 6.2.13.1 to 6.2.13.3, with 6.2.13.4 the names of the others).
// Threading: pure functions and values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "mpegts/psi/descriptors.h"

namespace headgate::mpegts {

// Names are as EN 300 468 writes them; "" or 0 where a field is none of this system's or not defined.
struct Delivery {
  std::string system;              // DVB-S, DVB-S2, DVB-C, DVB-T; DVB-T2, DVB-C2: by name only
  std::uint64_t frequency_hz = 0;  // of a satellite the downlink's
  std::string modulation;          // "QPSK", "64-QAM"; "auto"
  std::uint32_t symbol_rate = 0;   // symbols a second
  std::string fec;                 // inner code rate; in DVB-T of the high priority stream
  // Satellite.
  std::optional<double> orbital_position;  // degrees, east positive
  std::string polarization;                // H, V, L, R
  std::string roll_off;                    // of DVB-S2
  // Terrestrial.
  std::uint32_t bandwidth_hz = 0;
  std::string fec_low;  // code rate of the low priority stream, where there is one
  std::string guard_interval;
  std::string transmission_mode;  // 2k, 8k, 4k
  bool operator==(const Delivery&) const = default;
};

// Nothing where the tag is another, the body too short, or a frequency no BCD.
std::optional<Delivery> as_delivery(const Descriptor& d);

}  // namespace headgate::mpegts

// Event information table (EN 300 468 V1.17.1 5.2.4): what a section says of itself, for passing and
// rewriting it as it is, and its events. Threading: pure functions and values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mpegts/psi/tables.h"

namespace headgate::mpegts {

// EN 300 468 table 2.
inline constexpr std::uint8_t kEitPfActual = 0x4E;
inline constexpr std::uint8_t kEitPfOther = 0x4F;
constexpr bool is_eit_schedule_actual(std::uint8_t table_id) noexcept { return (table_id & 0xF0) == 0x50; }
constexpr bool is_eit_schedule(std::uint8_t table_id) noexcept {
  return table_id >= 0x50 && table_id <= 0x6F;
}
constexpr bool is_eit_actual(std::uint8_t table_id) noexcept {
  return table_id == kEitPfActual || is_eit_schedule_actual(table_id);
}

struct EitHeader {
  std::uint8_t table_id = kEitPfActual;
  std::uint16_t service_id = 0;
  std::uint8_t version = 0;
  bool current = true;
  std::uint8_t section_number = 0;
  std::uint8_t last_section_number = 0;
  std::uint16_t transport_stream_id = 0;
  std::uint16_t original_network_id = 0;
  std::uint8_t segment_last_section_number = 0;
  std::uint8_t last_table_id = kEitPfActual;
  bool operator==(const EitHeader&) const = default;
};
// Of one whole section whose CRC the SectionAssembler has checked.
std::optional<EitHeader> eit_header(std::span<const std::uint8_t> section) noexcept;
// Writes the header of a section that eit_header() can read, and its CRC.
void write_eit_header(std::span<std::uint8_t> section, const EitHeader& header) noexcept;

struct EitEvent {
  std::uint16_t event_id = 0;
  std::optional<std::int64_t> start_unix_s;  // nothing: undefined (an NVOD reference)
  std::optional<std::uint32_t> duration_s;
  std::uint8_t running_status = 0;
  bool free_ca_mode = false;
  Descriptors descriptors;

  // From the first short_event_descriptor (6.2.37), UTF-8; "" without.
  std::string name() const;
  std::string text() const;
};
// Up to the first event that overruns the section.
std::vector<EitEvent> eit_events(std::span<const std::uint8_t> section);

}  // namespace headgate::mpegts

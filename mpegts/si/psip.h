// ATSC's Program and System Information Protocol (ATSC A/65:2013), as far as it tells what is in a stream:
// master guide table (6.2), virtual channel tables (6.3), system time table (6.1). Whole sections whose CRC
// the SectionAssembler has checked. Threading: values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mpegts/psi/tables.h"

namespace headgate::mpegts {

inline constexpr Pid kPsipPid{0x1FFB};  // base_PID, 4.1
// Table 4.1.
inline constexpr std::uint8_t kMgtTableId = 0xC7, kTvctTableId = 0xC8, kCvctTableId = 0xC9,
                              kRrtTableId = 0xCA, kAtscEitTableId = 0xCB, kEttTableId = 0xCC,
                              kSttTableId = 0xCD;

struct MgtTable {
  std::uint16_t type = 0;  // table 6.3
  Pid pid;
  std::uint8_t version = 0;
  std::uint32_t bytes = 0;
};
// "PSIP EIT", "PSIP ETT", … what its PID carries; "PSIP" of a type that is not known.
const char* psip_name(std::uint16_t mgt_table_type) noexcept;

struct Mgt {
  std::vector<MgtTable> tables;
  static std::optional<Mgt> parse(std::span<const std::uint8_t> section);
};

struct VirtualChannel {
  std::string short_name;  // UTF-8
  std::uint16_t major = 0;
  std::uint16_t minor = 0;
  std::uint16_t transport_stream_id = 0;
  std::uint16_t program_number = 0;
  std::uint8_t service_type = 0;
  std::uint16_t source_id = 0;
  bool hidden = false;
  bool access_controlled = false;
};
struct Vct {
  bool cable = false;
  std::vector<VirtualChannel> channels;
  static std::optional<Vct> parse(std::span<const std::uint8_t> section);
};

struct Stt {
  std::int64_t unix_s = 0;  // UTC: system_time less GPS_UTC_offset
  std::uint8_t gps_utc_offset_s = 0;
  static std::optional<Stt> parse(std::span<const std::uint8_t> section) noexcept;
};

}  // namespace headgate::mpegts

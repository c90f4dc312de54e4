// Service description table (EN 300 468 V1.17.1 5.2.3) and the service descriptor (6.2.33), with DVB text to
// UTF-8 (Annex A). Threading: values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mpegts/psi/tables.h"

namespace headgate::mpegts {

struct SdtService {
  std::uint16_t service_id = 0;  // = program_number
  std::uint8_t flags = 0;        // EIT_schedule and EIT_present_following bits as sent
  std::uint8_t running_status = 0;
  bool free_ca_mode = false;
  Descriptors descriptors;
  bool operator==(const SdtService&) const = default;

  // From the service descriptor, UTF-8; "" without.
  std::string name() const;
  std::string provider() const;
  std::uint8_t service_type() const noexcept;
};

struct Sdt {
  bool actual = true;  // table_id 0x42, else 0x46
  std::uint16_t transport_stream_id = 0;
  std::uint16_t original_network_id = 0;
  std::uint8_t version = 0;
  bool current = true;
  std::uint8_t section_number = 0;
  std::uint8_t last_section_number = 0;
  std::vector<SdtService> services;

  static std::optional<Sdt> parse(std::span<const std::uint8_t> section);
  std::vector<std::uint8_t> to_section() const;
};

// DVB text (Annex A) to UTF-8; what can't be decoded becomes U+FFFD.
std::string dvb_text_to_utf8(std::span<const std::uint8_t> text);

}  // namespace headgate::mpegts

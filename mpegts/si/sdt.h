// Service description table (EN 300 468 V1.17.1 5.2.3) and the service descriptor (6.2.33), with DVB text to
// UTF-8 (Annex A). Threading: values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
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

// The service descriptor with its tag and length; texts too long for it are cut at a character.
std::vector<std::uint8_t> service_descriptor(std::uint8_t service_type, std::string_view provider,
                                             std::string_view name);

// Puts texts into a service's first service_descriptor, "" leaving its own as they are; without one it gets
// one of this service_type. All else stays byte for byte.
void set_service_texts(Descriptors& descriptors, std::string_view provider, std::string_view name,
                       std::uint8_t service_type);

// Valid UTF-8 as DVB text in the table that most receivers have: ASCII, a part of ISO/IEC 8859 (tables A.3),
// table 00 (ISO/IEC 6937), or UTF-8 (first byte 0x15) where no other has all characters; at most `limit`
// bytes, cut at a character. Control characters are left out.
std::vector<std::uint8_t> utf8_to_dvb_text(std::string_view text, std::size_t limit);
// DVB text (Annex A) to UTF-8; what can't be decoded becomes U+FFFD.
std::string dvb_text_to_utf8(std::span<const std::uint8_t> text);

}  // namespace headgate::mpegts

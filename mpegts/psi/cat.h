// Conditional access table (ISO/IEC 13818-1:2022 2.4.4.6): the CA_descriptors that name the EMM PIDs.
// Threading: values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/psi/tables.h"

namespace headgate::mpegts {

struct Cat {
  std::uint8_t version = 0;
  bool current = true;
  std::uint8_t section_number = 0;
  std::uint8_t last_section_number = 0;
  Descriptors descriptors;
  bool operator==(const Cat&) const = default;

  static std::optional<Cat> parse(std::span<const std::uint8_t> section);
  std::vector<std::uint8_t> to_section() const;
};

}  // namespace headgate::mpegts

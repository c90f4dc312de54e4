// Time and date table and time offset table (EN 300 468 V1.17.1 5.2.5, 5.2.6): short sections, of which the
// TOT has a CRC_32 that section_syntax_indicator does not announce. Threading: values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/psi/tables.h"

namespace headgate::mpegts {

struct Tdt {
  std::int64_t unix_s = 0;

  static std::optional<Tdt> parse(std::span<const std::uint8_t> section) noexcept;
  std::vector<std::uint8_t> to_section() const;
};

struct Tot {
  std::int64_t unix_s = 0;
  Descriptors descriptors;
  bool operator==(const Tot&) const = default;

  // Nothing where the CRC is wrong, too.
  static std::optional<Tot> parse(std::span<const std::uint8_t> section);
  std::vector<std::uint8_t> to_section() const;
};

}  // namespace headgate::mpegts

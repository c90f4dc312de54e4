// Network information table and bouquet association table (EN 300 468 V1.17.1 5.2.1, 5.2.2), which have one
// form: descriptors of the whole, and of each transport stream. Threading: values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mpegts/psi/descriptors.h"
#include "mpegts/psi/tables.h"

namespace headgate::mpegts {

struct NitStream {
  std::uint16_t transport_stream_id = 0;
  std::uint16_t original_network_id = 0;
  Descriptors descriptors;
  bool operator==(const NitStream&) const = default;
};

struct Nit {
  enum class Kind : std::uint8_t { network, other_network, bouquet };

  Kind kind = Kind::network;
  std::uint16_t id = 0;  // network_id or bouquet_id
  std::uint8_t version = 0;
  bool current = true;
  std::uint8_t section_number = 0;
  std::uint8_t last_section_number = 0;
  Descriptors descriptors;
  std::vector<NitStream> streams;
  bool operator==(const Nit&) const = default;

  static std::optional<Nit> parse(std::span<const std::uint8_t> section);
  std::vector<std::uint8_t> to_section() const;
  // From the network_name_descriptor or bouquet_name_descriptor, UTF-8; "" without.
  std::string name() const;
};

}  // namespace headgate::mpegts

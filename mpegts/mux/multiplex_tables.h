// PAT, SDT and NIT of a multiplex, from what its members say. References: ISO/IEC 13818-1:2022 2.4.4.4;
// EN 300 468 V1.17.1 5.2.1, 5.2.3, 6.2.36 (service list); IEC 62216 (EACEM) for the logical channel
// descriptor. Threading: owned by one thread; allocates where content is new.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mpegts/mux/multiplex_member.h"
#include "mpegts/psi/versioned_table.h"

namespace headgate::mpegts {

struct MultiplexIdentity {
  std::uint16_t transport_stream_id = 1;
  std::uint16_t network_id = 1;
  std::uint16_t original_network_id = 1;
  std::string network_name;  // UTF-8; "": none is told
  bool lcn = false;          // logical channel numbers in the NIT
  bool operator==(const MultiplexIdentity&) const = default;
};

// A member in the plan of its multiplex.
struct MultiplexPlace {
  MultiplexMember* member = nullptr;
  std::string name;  // UTF-8; "": as the source has it
  std::string provider;
  std::optional<std::uint16_t> number;  // logical channel, 1 to 1023
  std::uint64_t share_bps = 0;          // its part of the rate; 0: an equal part of what is left
};

class MultiplexTables {
 public:
  void set(const MultiplexIdentity& identity, const std::vector<MultiplexPlace>& places);
  // Before the first set().
  void start_at(std::uint8_t version) noexcept;
  const VersionedTable& pat() const noexcept { return pat_; }
  const VersionedTable& sdt() const noexcept { return sdt_; }
  const VersionedTable& nit() const noexcept { return nit_; }
  // What the TOT adds to the time: of the first member that says it.
  const Descriptors& time_offsets() const noexcept { return time_offsets_; }

 private:
  VersionedTable pat_;
  VersionedTable sdt_;
  VersionedTable nit_;
  Descriptors time_offsets_;
};

}  // namespace headgate::mpegts

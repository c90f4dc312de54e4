// Keeps the sections of service information that the report of a stream is made of, each sub-table in its
// latest version, and reads them when it is asked. Of the EIT that are only counted (schedule, other) it
// keeps the counts. References: EN 300 468 V1.17.1 5.1.1 (sub-tables, versions), 5.2; ATSC A/65:2013 4.
// Threading: owned by one thread. Memory: at most kMaxSections of kMaxBytes together and kMaxCounted counts.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/monitor/si_report.h"
#include "mpegts/si/tdt.h"

namespace headgate::mpegts {

class SiCollector {
 public:
  static constexpr std::size_t kMaxSections = 8192;
  static constexpr std::size_t kMaxBytes = 4 << 20;
  static constexpr std::size_t kMaxCounted = 65'536;

  // A whole section whose CRC is right, of any PID; arrival_ns as for BroadcastTime. True where it is one
  // that is kept and new.
  bool on_section(Pid pid, std::span<const std::uint8_t> section,
                  std::optional<std::int64_t> arrival_ns = std::nullopt);
  SiReport report() const;
  // Of the latest MGT.
  const std::vector<MgtTable>& mgt() const noexcept { return mgt_; }
  std::size_t kept() const noexcept { return sections_.size() + counted_.size(); }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  // What sections of one version belong to (EN 300 468 5.1.1), and the number in it.
  struct Key {
    std::uint8_t table_id = 0;
    std::uint16_t extension = 0;
    std::uint32_t stream = 0;  // transport_stream_id and original_network_id, where the table has them
    std::uint8_t number = 0;
    auto operator<=>(const Key&) const = default;
  };
  struct Section {
    std::uint8_t version = 0;
    std::vector<std::uint8_t> bytes;
  };
  struct Counted {
    std::uint8_t version = 0;
    std::uint32_t crc = 0;
    std::uint16_t events = 0;
    std::optional<std::int64_t> until_unix_s;
  };

  static Key key_of(std::span<const std::uint8_t> section) noexcept;
  template <typename Kept, typename Drop>
  static void drop_versions_but(std::map<Key, Kept>& from, const Key& key, std::uint8_t version, Drop drop);
  bool take_time(Pid pid, std::span<const std::uint8_t> section, std::optional<std::int64_t> arrival_ns);
  bool keep(std::span<const std::uint8_t> section);
  bool count(std::span<const std::uint8_t> section);
  void add_network(SiReport& to, std::span<const std::uint8_t> section) const;
  void add_events(SiReport& to, std::span<const std::uint8_t> section) const;
  void add_counts(SiReport& to) const;

  std::map<Key, Section> sections_;
  std::map<Key, Counted> counted_;
  std::size_t bytes_ = 0;
  std::optional<BroadcastTime> time_;
  std::optional<Tot> tot_;
  std::vector<MgtTable> mgt_;
  std::uint64_t damaged_ = 0;
  std::uint64_t beyond_ = 0;
};

// The CA_descriptors of a loop, each system and PID once.
void add_ca_systems(std::vector<CaSystem>& to, const Descriptors& descriptors);

}  // namespace headgate::mpegts

// The sections of one sub_table: as they are sent, under a version_number that rises when and only when their
// content changes; and as they come, until all of a version are there (ISO/IEC 13818-1:2022 2.4.4.5, 2.4.4.9,
// EN 300 468 5.1.1). Threading: owned by one thread. Allocates where content is new, not where it repeats.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mpegts/psi/section.h"

namespace headgate::mpegts {

class VersionedTable {
 public:
  // Whole long sections of one table_id and extension, of any version and CRC. True: what is sent from here
  // on is new; its version is one higher, modulo 32, but for the first content's. Without a section, or where
  // one is empty (a table that does not fit), what is sent stays as it is.
  bool set(std::vector<std::vector<std::uint8_t>> sections);
  bool set(std::vector<std::uint8_t> section);
  // The version of the first content, before it is set: the source's, whose receivers know it.
  void start_at(std::uint8_t version) noexcept { version_ = version & 0x1F; }

  std::span<const std::vector<std::uint8_t>> sections() const noexcept { return sections_; }
  // The only section; empty before it is set.
  std::span<const std::uint8_t> section() const noexcept {
    return sections_.empty() ? std::span<const std::uint8_t>{} : std::span<const std::uint8_t>{sections_[0]};
  }
  std::uint8_t version() const noexcept { return version_; }
  bool empty() const noexcept { return sections_.empty(); }

 private:
  std::vector<std::vector<std::uint8_t>> sections_;
  std::uint8_t version_ = 0;
};

class TableCollector {
 public:
  enum class Step : std::uint8_t {
    ignored,   // no long section, one that applies later, or one that can't be
    repeated,  // known, byte for byte
    added,
    complete,  // added, and with it all sections are there
  };

  // max_section: longer ones are ignored, so that a stream can't take more than 256 times that.
  explicit TableCollector(std::size_t max_section = kMaxSectionSize) noexcept : max_section_(max_section) {}

  // A section of another table_id, extension, version or count, or another content under the same, begins a
  // new table: the sections of the former one go.
  Step on_section(std::span<const std::uint8_t> section);
  // By section_number; empty where one has not come.
  std::span<const std::vector<std::uint8_t>> sections() const noexcept { return sections_; }
  bool complete() const noexcept { return !sections_.empty() && have_ == sections_.size(); }
  void reset() noexcept;

 private:
  std::size_t max_section_;
  std::vector<std::vector<std::uint8_t>> sections_;
  std::size_t have_ = 0;
  std::uint64_t key_ = 0;
};

}  // namespace headgate::mpegts

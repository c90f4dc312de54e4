#include "mpegts/psi/versioned_table.h"

#include <algorithm>
#include <utility>

#include "mpegts/psi/section_edit.h"

namespace headgate::mpegts {
namespace {

// Of two sections under the same version: all but the CRC.
bool same_content(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) noexcept {
  return a.size() == b.size() && std::equal(a.begin(), a.end() - 4, b.begin());
}

}  // namespace

bool VersionedTable::set(std::vector<std::vector<std::uint8_t>> sections) {
  const auto fits = [](const auto& section) { return is_long(section); };
  if (sections.empty() || !std::all_of(sections.begin(), sections.end(), fits)) return false;
  for (auto& section : sections) set_section_version(section, version_);
  if (std::equal(sections.begin(), sections.end(), sections_.begin(), sections_.end(), same_content))
    return false;
  if (!sections_.empty()) version_ = (version_ + 1) & 0x1F;
  sections_ = std::move(sections);
  for (auto& section : sections_) {
    set_section_version(section, version_);
    seal(section);
  }
  return true;
}

bool VersionedTable::set(std::vector<std::uint8_t> section) {
  std::vector<std::vector<std::uint8_t>> sections;
  sections.push_back(std::move(section));
  return set(std::move(sections));
}

TableCollector::Step TableCollector::on_section(std::span<const std::uint8_t> section) {
  if (!is_long(section) || section.size() > max_section_ || !is_current(section) || section[6] > section[7])
    return Step::ignored;
  const std::uint64_t key = std::uint64_t{section[0]} << 32 | std::uint64_t{table_extension(section)} << 16 |
                            std::uint64_t{section[5]} << 8 | section[7];
  const std::size_t number = section[6];
  if (!sections_.empty() && key == key_) {
    const auto& known = sections_[number];
    if (std::equal(known.begin(), known.end(), section.begin(), section.end())) return Step::repeated;
  }
  if (sections_.empty() || key != key_ || !sections_[number].empty()) {
    sections_.assign(std::size_t{section[7]} + 1, {});
    have_ = 0;
    key_ = key;
  }
  sections_[number].assign(section.begin(), section.end());
  ++have_;
  return complete() ? Step::complete : Step::added;
}

void TableCollector::reset() noexcept {
  sections_.clear();
  have_ = 0;
}

}  // namespace headgate::mpegts

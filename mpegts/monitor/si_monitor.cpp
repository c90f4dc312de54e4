#include "mpegts/monitor/si_monitor.h"

#include <optional>

namespace headgate::mpegts {
namespace {

constexpr std::int64_t ns(std::chrono::milliseconds time) noexcept {
  return std::chrono::nanoseconds(time).count();
}

// EN 300 468 table 2.
constexpr std::uint8_t kNitActual = 0x40, kNitOther = 0x41, kSdtActual = 0x42, kSdtOther = 0x46, kBat = 0x4A,
                       kEitActual = 0x4E, kEitOther = 0x4F, kEitLast = 0x6F, kTdt = 0x70, kRst = 0x71,
                       kStuffing = 0x72, kTot = 0x73;

// Which indicator a table on its PID that does not belong there is of.
Indicator owner(Pid pid) noexcept {
  if (pid == kNitPid) return Indicator::nit_actual_error;
  if (pid == kSdtPid) return Indicator::sdt_actual_error;
  if (pid == kEitPid) return Indicator::eit_actual_error;
  return pid == kRstPid ? Indicator::rst_error : Indicator::tdt_error;
}

bool belongs(Pid pid, std::uint8_t id) noexcept {
  if (id == kStuffing) return true;
  if (pid == kNitPid) return id == kNitActual || id == kNitOther;
  if (pid == kSdtPid) return id == kSdtActual || id == kSdtOther || id == kBat;
  if (pid == kEitPid) return id >= kEitActual && id <= kEitLast;
  return pid == kRstPid ? id == kRst : id == kTdt || id == kTot;
}

// How long a section of this table may be away, and whose error it is besides SI_repetition_error's.
struct Rule {
  std::int64_t limit_ns = 0;  // 0: no limit, only the gap
  std::optional<Indicator> late;
  std::optional<Indicator> early;
};
std::optional<Rule> rule_of(std::uint8_t id) noexcept {
  switch (id) {
    case kNitActual:  // its absence is judged as a whole
      return Rule{0, {}, Indicator::nit_actual_error};
    case kSdtActual:
      return Rule{0, {}, Indicator::sdt_actual_error};
    case kTdt:
      return Rule{0, {}, Indicator::tdt_error};
    case kRst:
      return Rule{0, {}, Indicator::rst_error};
    case kEitActual:
      return Rule{ns(kEitLimit), Indicator::eit_actual_error, Indicator::eit_actual_error};
    case kNitOther:
      return Rule{ns(kOtherLimit), Indicator::nit_other_error, {}};
    case kSdtOther:
      return Rule{ns(kOtherLimit), Indicator::sdt_other_error, {}};
    case kEitOther:
      return Rule{ns(kOtherLimit), Indicator::eit_other_error, {}};
    case kBat:
      return Rule{ns(kBatLimit), {}, {}};
    case kTot:
      return Rule{ns(kTdtLimit), {}, {}};
    default:
      return std::nullopt;  // EIT schedule and stuffing
  }
}

// What tells a section apart: table, extension, number, and whose transport stream it speaks of (in EIT
// transport_stream_id and the low byte of original_network_id, in SDT original_network_id).
std::uint64_t key_of(const SectionScanner::Section& section) noexcept {
  const auto& head = section.head;
  std::uint64_t key = head[0];
  if (!section.long_form()) return key << 56;
  key = key << 16 | section.extension();
  key = key << 8 | section.number();
  const bool eit = head[0] == kEitActual || head[0] == kEitOther;
  const bool sdt = head[0] == kSdtActual || head[0] == kSdtOther;
  for (std::size_t i = 8; i < 12; ++i) {
    const bool used = eit ? i != 10 : sdt && i < 10;
    if (i != 10) key = key << 8 | (used ? head[i] : 0U);
  }
  return key << 8;
}
constexpr std::uint64_t kNumberAt = std::uint64_t{1} << 32;  // the lowest bit of section_number in a key

}  // namespace

SiMonitor::SiMonitor(std::size_t sub_tables, std::int64_t start_ns)
    : presences_{{{Indicator::nit_actual_error, kNitActual, ns(kNitLimit)},
                  {Indicator::sdt_actual_error, kSdtActual, ns(kSdtLimit)},
                  {Indicator::eit_actual_error, kEitActual, ns(kEitLimit)},
                  {Indicator::tdt_error, kTdt, ns(kTdtLimit)}}},
      most_entries_(sub_tables),
      start_ns_(start_ns) {
  for (Presence& presence : presences_) presence.last_ns = start_ns;
  entries_.reserve(sub_tables);
}

void SiMonitor::on_packet(const TsPacket& packet, std::int64_t now_ns, IndicatorCounts& counts) noexcept {
  const Pid pid = packet.pid();
  scanners_[pid.value - kNitPid.value].on_packet(
      packet, [&](const SectionScanner::Section& section) { on_section(pid, section, now_ns, counts); });
}

void SiMonitor::on_section(Pid pid, const SectionScanner::Section& section, std::int64_t now_ns,
                           IndicatorCounts& counts) noexcept {
  if (!section.crc_ok) {
    ++counts[Indicator::crc_error];
    return;
  }
  const std::uint8_t id = section.table_id();
  if (!belongs(pid, id)) {
    ++counts[owner(pid)];
    return;
  }
  for (Presence& presence : presences_) {
    if (presence.table_id != id) continue;
    // Of EIT the sections are missed one by one once they have come.
    const bool whole = id != kEitActual || !presence.came;
    if (whole && !presence.late && now_ns - presence.last_ns > presence.limit_ns) {
      ++counts[presence.indicator];
      if (presence.came) ++counts[Indicator::si_repetition_error];
    }
    presence.came = true;
    presence.late = false;
    presence.last_ns = now_ns;
  }
  if (section.long_form() && !section.current()) return;
  repeat(section, now_ns, counts);
}

void SiMonitor::repeat(const SectionScanner::Section& section, std::int64_t now_ns,
                       IndicatorCounts& counts) noexcept {
  const auto rule = rule_of(section.table_id());
  if (!rule) return;
  const std::uint64_t key = key_of(section);
  Entry* entry = find(key);
  if (entry == nullptr) {
    if (entries_.size() == most_entries_) return;
    entry = &entries_.emplace_back(Entry{key, now_ns, now_ns, section.table_id(), false});
  } else {
    const std::int64_t gap = now_ns - entry->last_ns;
    // At the very beginning a file's time is not known yet.
    if (gap < ns(kSectionGap) && entry->last_ns > start_ns_) {
      if (rule->early) ++counts[*rule->early];
      ++counts[Indicator::si_repetition_error];
    } else if (rule->limit_ns != 0 && gap > rule->limit_ns) {
      if (rule->late) ++counts[*rule->late];
      ++counts[Indicator::si_repetition_error];
    }
    entry->last_ns = now_ns;
  }
  if (section.table_id() == kEitActual || section.table_id() == kEitOther) pair(*entry, now_ns, counts);
}

// "If either section ('0' or '1') of each EIT P/F sub table is present both should exist": within the time
// that either may be away.
void SiMonitor::pair(Entry& entry, std::int64_t now_ns, IndicatorCounts& counts) noexcept {
  if (find(entry.key ^ kNumberAt) != nullptr) {
    entry.alone = false;
    return;
  }
  const std::int64_t limit = entry.table_id == kEitActual ? ns(kEitLimit) : ns(kOtherLimit);
  if (entry.alone || now_ns - entry.first_ns <= limit) return;
  entry.alone = true;
  ++counts[Indicator::eit_pf_error];
}

SiMonitor::Entry* SiMonitor::find(std::uint64_t key) noexcept {
  for (Entry& entry : entries_) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

void SiMonitor::on_time(std::int64_t now_ns, IndicatorCounts& counts) noexcept {
  for (Presence& presence : presences_) {
    if (presence.late || now_ns - presence.last_ns <= presence.limit_ns) continue;
    if (presence.table_id == kEitActual && presence.came) continue;
    presence.late = true;
    ++counts[presence.indicator];
    if (presence.came) ++counts[Indicator::si_repetition_error];
  }
  for (std::size_t i = 0; i < entries_.size();) {
    const auto rule = rule_of(entries_[i].table_id);
    if (rule->limit_ns == 0 || now_ns - entries_[i].last_ns <= rule->limit_ns) {
      ++i;
      continue;
    }
    if (rule->late) ++counts[*rule->late];
    ++counts[Indicator::si_repetition_error];
    entries_[i] = entries_.back();  // it may be of a service that is gone
    entries_.pop_back();
  }
}

bool SiMonitor::judged(Indicator indicator, std::int64_t now_ns) const noexcept {
  for (const Presence& presence : presences_) {
    if (presence.indicator == indicator) return presence.came || now_ns - start_ns_ > presence.limit_ns;
  }
  return true;
}

}  // namespace headgate::mpegts

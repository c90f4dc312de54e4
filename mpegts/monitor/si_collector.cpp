#include "mpegts/monitor/si_collector.h"

#include <algorithm>
#include <set>

#include "mpegts/psi/bytes.h"
#include "mpegts/psi/cat.h"
#include "mpegts/psi/section_edit.h"
#include "mpegts/si/ca_systems.h"
#include "mpegts/si/eit.h"
#include "mpegts/si/sdt.h"

namespace headgate::mpegts {
namespace {

// EN 300 468 table 2, ISO/IEC 13818-1 table 2-31.
constexpr std::uint8_t kCatTable = 0x01, kNitActualTable = 0x40, kNitOtherTable = 0x41, kSdtOtherTable = 0x46,
                       kBatTable = 0x4A, kTdtTable = 0x70, kTotTable = 0x73;
constexpr std::size_t kShortestEit = 18;
constexpr std::size_t kMaxVirtualChannels = 1024;

bool is_eit(std::uint8_t table_id) noexcept { return table_id >= kEitPfActual && table_id <= 0x6F; }

// Whether a table of this PID is kept as it is.
bool is_kept(Pid pid, std::uint8_t id) noexcept {
  if (pid == kCatPid) return id == kCatTable;
  if (pid == kNitPid) return id == kNitActualTable || id == kNitOtherTable;
  if (pid == kSdtPid) return id == kSdtOtherTable || id == kBatTable;
  if (pid == kEitPid) return id == kEitPfActual;
  return pid == kPsipPid && (id == kMgtTableId || id == kTvctTableId || id == kCvctTableId);
}

// Each event inside the section, none left half.
bool events_whole(std::span<const std::uint8_t> section) noexcept {
  if (!eit_header(section)) return false;
  std::size_t at = 14;
  const std::size_t end = section.size() - 4;
  while (at + 12 <= end) at += 12 + detail::read12(section, at + 10);
  return at == end;
}

bool well_formed(std::span<const std::uint8_t> section) {
  switch (section[0]) {
    case kCatTable:
      return Cat::parse(section).has_value();
    case kNitActualTable:
    case kNitOtherTable:
    case kBatTable:
      return Nit::parse(section).has_value();
    case kSdtOtherTable:
      return Sdt::parse(section).has_value();
    case kMgtTableId:
      return Mgt::parse(section).has_value();
    case kTvctTableId:
    case kCvctTableId:
      return Vct::parse(section).has_value();
    default:
      return events_whole(section);
  }
}

ScheduledEvent scheduled(const EitEvent& event) {
  ScheduledEvent out{event.event_id,
                     event.start_unix_s,
                     event.duration_s,
                     event.running_status,
                     event.free_ca_mode,
                     event.name(),
                     {}};
  for (const Descriptor& d : DescriptorLoop(event.descriptors)) {
    const auto code = as_short_event_language(d);
    if (!code) continue;
    out.language.assign(code->begin(), code->end());
    break;
  }
  return out;
}

NetworkStream network_stream(const NitStream& from) {
  NetworkStream out;
  out.transport_stream_id = from.transport_stream_id;
  out.original_network_id = from.original_network_id;
  for (const Descriptor& d : DescriptorLoop(from.descriptors)) {
    // A stream of DVB-T2 may have both; the plain one says more.
    if (const auto delivery = as_delivery(d); delivery && (!out.delivery || out.delivery->frequency_hz == 0))
      out.delivery = delivery;
    const auto services = as_service_list(d);
    out.services.insert(out.services.end(), services.begin(), services.end());
    const auto channels = as_listed_channels(d);
    out.channels.insert(out.channels.end(), channels.begin(), channels.end());
  }
  return out;
}

}  // namespace

void add_ca_systems(std::vector<CaSystem>& to, const Descriptors& descriptors) {
  for (const Descriptor& d : DescriptorLoop(descriptors)) {
    const auto ca = as_ca(d);
    if (!ca) continue;
    const CaSystem system{ca->system_id, ca_system_name(ca->system_id), ca->pid};
    if (std::find(to.begin(), to.end(), system) == to.end()) to.push_back(system);
  }
}

SiCollector::Key SiCollector::key_of(std::span<const std::uint8_t> section) noexcept {
  Key key{section[0], table_extension(section), 0, section[6]};
  if (is_eit(key.table_id))
    key.stream = std::uint32_t{detail::read16(section, 8)} << 16 | detail::read16(section, 10);
  else if (key.table_id == kSdtOtherTable)
    key.stream = detail::read16(section, 8);
  return key;
}

// A sub-table is in one version; what was sent before is over.
template <typename Kept, typename Drop>
void SiCollector::drop_versions_but(std::map<Key, Kept>& from, const Key& key, std::uint8_t version,
                                    Drop drop) {
  Key first = key, last = key;
  first.number = 0;
  last.number = 255;
  const auto end = from.upper_bound(last);
  for (auto at = from.lower_bound(first); at != end;) {
    if (at->second.version == version) {
      ++at;
      continue;
    }
    drop(at->second);
    at = from.erase(at);
  }
}

bool SiCollector::on_section(Pid pid, std::span<const std::uint8_t> section,
                             std::optional<std::int64_t> arrival_ns) {
  if (section.size() < 3) return false;
  const std::uint8_t id = section[0];
  if (pid == kTdtPid || (pid == kPsipPid && id == kSttTableId)) return take_time(pid, section, arrival_ns);
  const bool counts = pid == kEitPid && is_eit(id) && id != kEitPfActual;
  if (!counts && !is_kept(pid, id)) return false;
  if (!is_long(section) || (is_eit(id) && section.size() < kShortestEit) ||
      (id == kSdtOtherTable && section.size() < 15)) {
    ++damaged_;
    return false;
  }
  if (!is_current(section)) return false;
  return counts ? count(section) : keep(section);
}

bool SiCollector::take_time(Pid pid, std::span<const std::uint8_t> section,
                            std::optional<std::int64_t> arrival_ns) {
  const std::uint8_t id = section[0];
  if (pid == kTdtPid && id != kTdtTable && id != kTotTable) return false;
  std::optional<std::int64_t> unix_s;
  if (id == kTdtTable) {
    if (const auto tdt = Tdt::parse(section)) unix_s = tdt->unix_s;
  } else if (id == kTotTable) {
    if (auto tot = Tot::parse(section)) {
      unix_s = tot->unix_s;
      tot_ = std::move(tot);
    }
  } else if (const auto stt = Stt::parse(section)) {
    unix_s = stt->unix_s;
  }
  if (!unix_s) {
    ++damaged_;
    return false;
  }
  time_ = BroadcastTime{id == kTdtTable ? "TDT" : id == kTotTable ? "TOT" : "STT", *unix_s, arrival_ns};
  return true;
}

bool SiCollector::keep(std::span<const std::uint8_t> section) {
  const Key key = key_of(section);
  const auto found = sections_.find(key);
  if (found != sections_.end() &&
      std::equal(section.begin(), section.end(), found->second.bytes.begin(), found->second.bytes.end()))
    return false;
  if (!well_formed(section)) {
    ++damaged_;
    return false;
  }
  const std::uint8_t version = section_version(section);
  drop_versions_but(sections_, key, version, [&](const Section& old) { bytes_ -= old.bytes.size(); });
  const auto again = sections_.find(key);  // the same version with other bytes
  const std::size_t before = again == sections_.end() ? 0 : again->second.bytes.size();
  if ((before == 0 && sections_.size() >= kMaxSections) || bytes_ - before + section.size() > kMaxBytes) {
    ++beyond_;
    return false;
  }
  bytes_ += section.size() - before;
  sections_[key] = {version, {section.begin(), section.end()}};
  if (key.table_id == kMgtTableId) mgt_ = Mgt::parse(section)->tables;
  return true;
}

bool SiCollector::count(std::span<const std::uint8_t> section) {
  const Key key = key_of(section);
  const std::uint32_t crc = section_crc(section);
  const auto found = counted_.find(key);
  if (found != counted_.end() && found->second.crc == crc) return false;
  if (!events_whole(section)) {
    ++damaged_;
    return false;
  }
  const std::uint8_t version = section_version(section);
  drop_versions_but(counted_, key, version, [](const Counted&) {});
  if (counted_.size() >= kMaxCounted && !counted_.contains(key)) {
    ++beyond_;
    return false;
  }
  Counted counts{version, crc, 0, {}};
  for (const EitEvent& event : eit_events(section)) {
    ++counts.events;
    if (event.start_unix_s && event.duration_s)
      counts.until_unix_s =
          std::max(counts.until_unix_s.value_or(0), *event.start_unix_s + *event.duration_s);
  }
  counted_[key] = counts;
  return true;
}

void SiCollector::add_network(SiReport& to, std::span<const std::uint8_t> section) const {
  const auto nit = Nit::parse(section);
  if (!nit) return;
  auto& list = nit->kind == Nit::Kind::bouquet ? to.bouquets : to.networks;
  // Sections of a table follow one another in the map.
  if (list.empty() || list.back().kind != nit->kind || list.back().id != nit->id) {
    NetworkTable& table = list.emplace_back();
    table.kind = nit->kind;
    table.id = nit->id;
    table.version = nit->version;
    table.sections_missing = static_cast<std::uint16_t>(nit->last_section_number + 1);
  }
  NetworkTable& table = list.back();
  ++table.sections;
  if (table.sections_missing > 0) --table.sections_missing;
  if (table.name.empty()) table.name = nit->name();
  for (const NitStream& stream : nit->streams) table.streams.push_back(network_stream(stream));
}

void SiCollector::add_events(SiReport& to, std::span<const std::uint8_t> section) const {
  const auto header = eit_header(section);
  if (!header || header->section_number > 1) return;
  if (to.events.empty() || to.events.back().service_id != header->service_id)
    to.events.emplace_back().service_id = header->service_id;
  const auto events = eit_events(section);
  if (events.empty()) return;
  PresentFollowing& of = to.events.back();
  (header->section_number == 0 ? of.present : of.following) = scheduled(events.front());
}

void SiCollector::add_counts(SiReport& to) const {
  std::set<std::pair<std::uint32_t, std::uint16_t>> actual, other_now, other;
  for (const auto& [key, counts] : counted_) {
    const bool now = key.table_id == kEitPfOther, here = is_eit_schedule_actual(key.table_id);
    EventCount& of = now ? to.other_present_following : here ? to.schedule : to.other_schedule;
    auto& services = now ? other_now : here ? actual : other;
    ++of.sections;
    of.events += counts.events;
    services.emplace(key.stream, key.extension);
    if (counts.until_unix_s) of.until_unix_s = std::max(of.until_unix_s.value_or(0), *counts.until_unix_s);
  }
  to.schedule.services = actual.size();
  to.other_present_following.services = other_now.size();
  to.other_schedule.services = other.size();
}

SiReport SiCollector::report() const {
  SiReport out;
  std::set<std::pair<std::uint16_t, std::uint32_t>> others;
  for (const auto& [key, section] : sections_) {
    switch (key.table_id) {
      case kCatTable:
        if (const auto cat = Cat::parse(section.bytes)) add_ca_systems(out.emm, cat->descriptors);
        break;
      case kSdtOtherTable:
        others.emplace(key.extension, key.stream);
        if (const auto sdt = Sdt::parse(section.bytes)) out.other_services += sdt->services.size();
        break;
      case kMgtTableId:
        break;
      case kTvctTableId:
      case kCvctTableId:
        for (VirtualChannel& channel : Vct::parse(section.bytes).value_or(Vct{}).channels) {
          if (out.virtual_channels.size() < kMaxVirtualChannels)
            out.virtual_channels.push_back(std::move(channel));
        }
        break;
      case kEitPfActual:
        add_events(out, section.bytes);
        break;
      default:
        add_network(out, section.bytes);
    }
  }
  out.other_streams = others.size();
  add_counts(out);
  out.time = time_;
  if (tot_) {
    for (const Descriptor& d : DescriptorLoop(tot_->descriptors)) {
      const auto offsets = as_local_time_offsets(d);
      out.offsets.insert(out.offsets.end(), offsets.begin(), offsets.end());
    }
  }
  out.mgt = mgt_;
  out.damaged = damaged_;
  out.beyond = beyond_;
  return out;
}

}  // namespace headgate::mpegts

#include "mpegts/mux/pid_block.h"

#include <algorithm>

#include "mpegts/psi/descriptors.h"

namespace headgate::mpegts {
namespace {

struct Row {
  std::uint16_t first;
  std::uint16_t size;
};
// By Role, behind PMT and PCR.
constexpr std::array<Row, PidBlock::kRoles> kRows{
    {{0x02, 0x0E}, {0x10, 0x40}, {0x50, 0x18}, {0x68, 0x10}, {0x78, 0x08}}};
static_assert(kRows.back().first + kRows.back().size == PidBlock::kSize);

// FNV-1a. Without a language: the first place.
std::uint32_t home_of(const std::string& language) noexcept {
  if (language.empty()) return 0;
  std::uint32_t hash = 2166136261U;
  for (const char c : language) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619U;
  return hash ^ hash >> 16U;
}

std::vector<CaDescriptor> keys_of(const Pmt& pmt) {
  std::vector<CaDescriptor> keys;
  const auto add = [&](const Descriptors& descriptors) {
    for (const Descriptor& d : DescriptorLoop(descriptors)) {
      const auto ca = as_ca(d);
      if (!ca || ca->pid == kNullPid) continue;  // 2.6.16: without ECMs
      const auto same = [&](const CaDescriptor& other) { return other.pid == ca->pid; };
      if (std::none_of(keys.begin(), keys.end(), same)) keys.push_back(*ca);
    }
  };
  add(pmt.descriptors);
  for (const PmtStream& stream : pmt.streams) add(stream.descriptors);
  return keys;
}

// Of teletext and subtitles the language stands in their own descriptors (EN 300 468 6.2.41, 6.2.43).
std::string language_of(const PmtStream& stream) {
  if (auto found = language(stream); !found.empty()) return found;
  for (const Descriptor& d : DescriptorLoop(stream.descriptors)) {
    if (const auto pages = as_teletext(d); !pages.empty()) return {pages[0].code.begin(), 3};
    if (const auto entries = as_subtitling(d); !entries.empty()) return {entries[0].code.begin(), 3};
  }
  return "";
}

}  // namespace

PidBlock::Role PidBlock::role_of(const PmtStream& stream) noexcept {
  const StreamKind kind = stream_kind(stream);
  if (is_video(kind)) return Role::video;
  if (is_audio(kind)) return Role::audio;
  return kind == StreamKind::teletext || kind == StreamKind::dvb_subtitles ? Role::text : Role::data;
}

// `wanted` is sorted.
std::optional<Pid> PidBlock::find(const Key& key, const std::vector<Key>& wanted) {
  const auto pid_at = [&](std::uint16_t place) { return Pid{static_cast<std::uint16_t>(base_ + place)}; };
  if (const auto known = places_.find(key); known != places_.end()) return pid_at(known->second);
  const Row row = kRows[static_cast<std::size_t>(key.role)];
  const auto home = static_cast<std::uint32_t>(home_of(key.language) + key.ordinal);
  const auto holder_of = [&](std::uint16_t place) {
    return std::find_if(places_.begin(), places_.end(), [&](const auto& p) { return p.second == place; });
  };
  for (const bool forget : {false, true}) {
    for (std::uint32_t i = 0; i < row.size; ++i) {
      const auto place = static_cast<std::uint16_t>(row.first + (home + i) % row.size);
      const auto holder = holder_of(place);
      if (holder != places_.end()) {
        if (!forget || std::binary_search(wanted.begin(), wanted.end(), holder->first)) continue;
        places_.erase(holder);
      }
      places_[key] = place;
      return pid_at(place);
    }
  }
  return std::nullopt;
}

PidBlock::Placed PidBlock::place(const Pmt& pmt) {
  std::vector<Key> keys;
  const auto add = [&](Role role, std::string language) {
    const auto alike = [&](const Key& k) { return k.role == role && k.language == language; };
    const auto ordinal = static_cast<std::size_t>(std::count_if(keys.begin(), keys.end(), alike));
    keys.push_back({role, std::move(language), ordinal});
  };
  for (const PmtStream& stream : pmt.streams) add(role_of(stream), language_of(stream));
  const auto ca = keys_of(pmt);
  for (const CaDescriptor& key : ca) add(Role::keys, std::to_string(key.system_id));
  // Sorted, so that the order of the PMT doesn't matter where two homes are one.
  std::vector<Key> wanted = keys;
  std::sort(wanted.begin(), wanted.end());
  for (const Key& key : wanted) find(key, wanted);
  Placed placed;
  const auto place_of = [&](const Key& key) -> std::optional<Pid> {
    const auto known = places_.find(key);
    if (known == places_.end()) return std::nullopt;
    return Pid{static_cast<std::uint16_t>(base_ + known->second)};
  };
  for (std::size_t i = 0; i < pmt.streams.size(); ++i) placed.streams.push_back(place_of(keys[i]));
  for (std::size_t i = 0; i < ca.size(); ++i) {
    if (const auto to = place_of(keys[pmt.streams.size() + i])) placed.keys.push_back({ca[i].pid, *to});
  }
  return placed;
}

}  // namespace headgate::mpegts

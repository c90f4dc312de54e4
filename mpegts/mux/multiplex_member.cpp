#include "mpegts/mux/multiplex_member.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "mpegts/psi/bytes.h"
#include "mpegts/psi/descriptors.h"
#include "mpegts/psi/section_edit.h"
#include "mpegts/remux/packet_edit.h"
#include "mpegts/si/eit.h"
#include "mpegts/si/tdt.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint8_t kPatTable = 0x00;  // ISO/IEC 13818-1 table 2-31
constexpr std::uint8_t kPmtTable = 0x02;
constexpr std::uint8_t kSdtActual = 0x42;  // EN 300 468 table 2
constexpr std::uint8_t kTotTable = 0x73;
constexpr std::uint8_t kPaddingStream = 0xBE;  // ISO/IEC 13818-1 table 2-22
constexpr std::uint16_t kFirstFreePid = 0x0020;
// A source that was away for so long begins anew: its counters are no measure of what was lost.
constexpr std::int64_t kAwayNs = 1'000'000'000;

DropRank rank_of(const PmtStream& stream) noexcept {
  switch (PidBlock::role_of(stream)) {
    case PidBlock::Role::video:
    case PidBlock::Role::audio:
      return DropRank::media;
    case PidBlock::Role::keys:
      return DropRank::tables;
    default:
      return stream_kind(stream) == StreamKind::scte35 ? DropRank::tables : DropRank::data;
  }
}

bool begins_padding(const TsPacket& packet) noexcept {
  const auto payload = packet.payload();
  return packet.payload_unit_start() && payload.size() > 3 && payload[0] == 0 && payload[1] == 0 &&
         payload[2] == 1 && payload[3] == kPaddingStream;
}

// EN 300 468 table 87.
std::uint8_t service_type_of(const Pmt& pmt) noexcept {
  bool old_sound = false, sound = false;
  for (const PmtStream& stream : pmt.streams) {
    const StreamKind kind = stream_kind(stream);
    if (kind == StreamKind::hevc) return 0x1F;
    if (kind == StreamKind::h264) return 0x19;
    if (kind == StreamKind::mpeg2_video) return 0x01;
    old_sound = old_sound || kind == StreamKind::mpeg_audio;
    sound = sound || is_audio(kind);
  }
  if (!sound) return 0x0C;  // data broadcast
  return old_sound ? 0x02 : 0x0A;
}

bool has_keys(const Pmt& pmt) {
  const auto any = [](const Descriptors& descriptors) {
    for (const Descriptor& d : DescriptorLoop(descriptors)) {
      if (as_ca(d)) return true;
    }
    return false;
  };
  return any(pmt.descriptors) || std::any_of(pmt.streams.begin(), pmt.streams.end(),
                                             [&](const PmtStream& s) { return any(s.descriptors); });
}

}  // namespace

std::uint64_t MultiplexMember::Counters::all_dropped() const noexcept {
  return std::accumulate(dropped.begin(), dropped.end(), std::uint64_t{0}) + eit_dropped;
}

MultiplexMember::MultiplexMember(const Identity& identity, std::size_t most_packets)
    : identity_(identity), block_(identity.pid_block), lane_(most_packets) {
  route_.fill(kDrop);
  for (const Pid pid : {kPatPid, kSdtPid, kEitPid, kTdtPid}) route_[pid.value] = kTable;
}

void MultiplexMember::on_packet(const TsPacket& packet, std::int64_t due_ns) noexcept {
  // A PID in error names anybody's.
  if (!packet.has_sync() || packet.transport_error() || !packet.valid()) return;
  const Pid pid = packet.pid();
  const std::uint8_t place = route_[pid.value];
  if (place == kDrop) return;
  if (last_ns_ != 0 && due_ns - last_ns_ > kAwayNs) [[unlikely]] {
    for (Track& track : tracks_) track.joined = false;
  }
  last_ns_ = due_ns;
  if (place == kTable) [[unlikely]]
    return on_table(packet, due_ns);
  ++counters_.came;
  send(packet, place, due_ns);
}

void MultiplexMember::on_table(const TsPacket& packet, std::int64_t due_ns) noexcept {
  const Pid pid = packet.pid();
  if (pid == kPatPid) return pat_assembler_.on_packet(packet, *this);
  if (pid == kSdtPid) return sdt_assembler_.on_packet(packet, *this);
  if (pid == kEitPid) return eit_assembler_.on_packet(packet, *this);
  if (pid == kTdtPid) return tot_assembler_.on_packet(packet, *this);
  if (pid == source_pcr_pid_ && packet.has_pcr()) send_pcr_alone(packet, due_ns);
  if (pid == source_pmt_pid_) pmt_assembler_.on_packet(packet, *this);
}

// What the source lost stays a gap: receivers are to know. What we leave out is one as well.
void MultiplexMember::send(const TsPacket& packet, std::uint8_t place, std::int64_t due_ns) noexcept {
  Track& track = tracks_[place];
  const std::uint8_t counter = packet.continuity_counter();
  if (!track.joined) [[unlikely]] {
    const int next = track.used ? track.counter + (packet.has_payload() ? 1 : 0) : counter;
    track.shift = static_cast<std::uint8_t>(next - counter) & 0x0F;
    track.joined = track.used = true;
  }
  track.counter = (counter + track.shift) & 0x0F;
  DropRank rank = packet.has_pcr() ? DropRank::tables : track.rank;
  if (rank != DropRank::tables && (is_stuffing(packet) || begins_padding(packet))) rank = DropRank::padding;
  if (!lane_.admits(rank, packet.payload_unit_start(), track.cutting)) [[unlikely]] {
    ++counters_.dropped[static_cast<std::size_t>(rank)];
    return;
  }
  const auto bytes = lane_.push(packet.bytes(), due_ns);
  remux::set_pid(bytes, Pid{static_cast<std::uint16_t>(block_.base().value + place)});
  remux::set_counter(bytes, track.counter);
}

// The PCR of a program whose PMT's packets carry it.
void MultiplexMember::send_pcr_alone(const TsPacket& packet, std::int64_t due_ns) noexcept {
  const auto place = static_cast<std::uint8_t>(block_.pcr().value - block_.base().value);
  std::array<std::uint8_t, kPacketSize> bytes;
  remux::make_pcr_packet(bytes, block_.pcr(), tracks_[place].counter, packet.pcr()->ticks,
                         packet.discontinuity());
  ++counters_.came;
  send(TsPacket(bytes), place, due_ns);
}

void MultiplexMember::on_section(Pid pid, std::span<const std::uint8_t> section) noexcept {
  if (pid == kTdtPid) return on_tot(section);
  if (!is_long(section) || !is_current(section)) return;
  if (pid == kPatPid) {
    if (section[0] == kPatTable) on_pat(section);
  } else if (pid == kSdtPid) {
    if (section[0] == kSdtActual) on_sdt(section);
  } else if (pid == kEitPid) {
    on_eit(section);
  } else if (section[0] == kPmtTable) {
    on_pmt(section);
  }
}

void MultiplexMember::on_pat(std::span<const std::uint8_t> section) {
  if (pat_.complete() && section_crc(section) == pat_crc_) return;
  if (pat_.on_section(section) != TableCollector::Step::complete) return;
  pat_crc_ = section_crc(section);
  std::optional<PatEntry> lowest;
  for (const auto& part : pat_.sections()) {
    const auto pat = Pat::parse(part);
    if (!pat) return;
    for (const PatEntry& entry : pat->entries) {
      if (entry.program_number == 0 || entry.pid.value < kFirstFreePid || entry.pid == kNullPid) continue;
      if (!lowest || entry.program_number < lowest->program_number) lowest = entry;
    }
  }
  if (!lowest || (lowest->program_number == program_ && lowest->pid == source_pmt_pid_)) return;
  program_ = lowest->program_number;
  sdt_crc_.fill(0);
  pmt_crc_ = 0;
  // The tracks go on as they were until the new PMT comes.
  if (source_pmt_pid_ != kNullPid && route_[source_pmt_pid_.value] == kTable)
    route_[source_pmt_pid_.value] = kDrop;
  source_pmt_pid_ = lowest->pid;
  route_[source_pmt_pid_.value] = kTable;
  pmt_assembler_ = SectionAssembler{source_pmt_pid_};
}

void MultiplexMember::on_pmt(std::span<const std::uint8_t> section) {
  if (!program_ || table_extension(section) != *program_) return;
  const std::uint32_t crc = section_crc(section);
  if (!pmt_.empty() && crc == pmt_crc_) return;
  const auto pmt = Pmt::parse(section);
  if (!pmt) return;
  pmt_crc_ = crc;
  take_pmt(*pmt);
}

void MultiplexMember::take_pmt(const Pmt& pmt) {
  const PidBlock::Placed placed = block_.place(pmt);
  const auto key_pid = [&](Pid from) {
    const auto known = std::find_if(placed.keys.begin(), placed.keys.end(),
                                    [&](const PidBlock::Keys& k) { return k.from == from; });
    return known != placed.keys.end() ? known->to : kNullPid;
  };
  Pmt out;
  out.program_number = identity_.service_id;
  out.descriptors = pmt.descriptors;
  map_ca_pids(out.descriptors, key_pid);
  for (std::size_t i = 0; i < pmt.streams.size(); ++i) {
    if (!placed.streams[i]) continue;
    out.streams.push_back({pmt.streams[i].stream_type, *placed.streams[i], pmt.streams[i].descriptors});
    map_ca_pids(out.streams.back().descriptors, key_pid);
    if (pmt.streams[i].pid == pmt.pcr_pid) out.pcr_pid = *placed.streams[i];
  }
  if (out.pcr_pid == kNullPid && pmt.pcr_pid != kNullPid) out.pcr_pid = block_.pcr();
  auto section = out.to_section();
  if (section.empty()) return;  // longer than a section may be: all stays as it is

  const auto before = tracks_;
  const auto route_before = route_;
  for (auto& to : route_) to = to == kTable ? kTable : kDrop;
  for (Track& track : tracks_) track.joined = false;
  source_pcr_pid_ = pmt.pcr_pid;
  // Of two that want one PID the first named has it.
  for (std::size_t i = 0; i < pmt.streams.size(); ++i) {
    if (placed.streams[i]) set_route(pmt.streams[i].pid, *placed.streams[i], rank_of(pmt.streams[i]));
  }
  if (pmt.pcr_pid != kNullPid) set_route(pmt.pcr_pid, block_.pcr(), DropRank::tables);
  for (const PidBlock::Keys& keys : placed.keys) set_route(keys.from, keys.to, DropRank::tables);
  // Tracks that stay go on undisturbed.
  for (std::size_t pid = 0; pid < kPidCount; ++pid) {
    const std::uint8_t to = route_[pid];
    if (to < PidBlock::kSize && route_before[pid] == to) {
      tracks_[to].joined = before[to].joined;
      tracks_[to].cutting = before[to].cutting;
    }
  }
  const std::uint8_t type = service_type_of(pmt);
  const bool scrambled = has_keys(pmt);
  const bool told = type != service_.service_type || scrambled != service_.scrambled;
  service_.service_type = type;
  service_.scrambled = scrambled;
  if (pmt_.empty()) pmt_.start_at(first_version(last_ns_));
  if (pmt_.set(std::move(section)) || told) ++changes_;
}

void MultiplexMember::set_route(Pid from, Pid to, DropRank rank) noexcept {
  if (from.value < kFirstFreePid || from == kNullPid || route_[from.value] != kDrop) return;
  const auto place = static_cast<std::uint8_t>(to.value - block_.base().value);
  route_[from.value] = place;
  tracks_[place].rank = rank;
}

void MultiplexMember::on_sdt(std::span<const std::uint8_t> section) {
  if (!program_) return;
  const std::uint32_t crc = section_crc(section);
  std::uint32_t& known = sdt_crc_[section[6]];
  if (crc == known) return;
  const auto sdt = Sdt::parse(section);
  if (!sdt) return;
  known = crc;
  const auto ours = std::find_if(sdt->services.begin(), sdt->services.end(),
                                 [&](const SdtService& s) { return s.service_id == *program_; });
  if (ours == sdt->services.end() || service_.source == *ours) return;
  service_.source = *ours;
  ++changes_;
}

// Of this transport stream and service alone: what others carry is told by those who carry it.
void MultiplexMember::on_eit(std::span<const std::uint8_t> section) noexcept {
  const auto header = eit_header(section);
  if (!header || !program_ || header->service_id != *program_ || !is_eit_actual(header->table_id)) return;
  const auto room = eit_.push(section.size());
  if (room.empty()) {
    ++counters_.eit_dropped;
    return;
  }
  std::memcpy(room.data(), section.data(), section.size());
  EitHeader ours = *header;
  ours.service_id = identity_.service_id;
  ours.transport_stream_id = identity_.transport_stream_id;
  ours.original_network_id = identity_.original_network_id;
  write_eit_header(room, ours);
  bool& seen = header->table_id == kEitPfActual ? service_.eit_present_following : service_.eit_schedule;
  if (seen) return;
  seen = true;
  ++changes_;
}

void MultiplexMember::on_tot(std::span<const std::uint8_t> section) {
  if (section.size() < 14 || section[0] != kTotTable) return;
  const auto loop = section.subspan(10, section.size() - 14);
  const auto& known = time_offsets_.bytes;
  if (std::equal(known.begin(), known.end(), loop.begin(), loop.end())) return;
  const auto tot = Tot::parse(section);
  if (!tot || tot->descriptors == time_offsets_) return;
  time_offsets_ = tot->descriptors;
  ++changes_;
}

}  // namespace headgate::mpegts

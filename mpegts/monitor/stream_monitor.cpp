#include "mpegts/monitor/stream_monitor.h"

#include <algorithm>
#include <utility>

#include "mpegts/monitor/si_monitor.h"
#include "mpegts/psi/bytes.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"

namespace headgate::mpegts {
namespace {

constexpr std::int64_t ns(std::chrono::milliseconds time) noexcept {
  return std::chrono::nanoseconds(time).count();
}
constexpr std::uint16_t kNone = 0xFFFF;
constexpr Pid kFirstFreePid{0x0020};  // those below belong to tables (EN 300 468 table 1)
constexpr Pid kAtscPid{0x1FFB};       // ATSC A/65 4.1
constexpr std::uint8_t kCaDescriptor = 0x09;

enum class Role : std::uint8_t { unknown, named, cues, media, pmt };

// Whether a PES packet with a PTS begins here (ISO/IEC 13818-1:2022 2.4.3.7).
bool starts_with_pts(const TsPacket& packet) noexcept {
  const auto payload = packet.payload();
  return packet.payload_unit_start() && packet.scrambling_control() == 0 && payload.size() >= 9 &&
         payload[0] == 0 && payload[1] == 0 && payload[2] == 1 && (payload[6] & 0xC0) == 0x80 &&
         (payload[7] & 0x80) != 0;
}

// Something that must come again in time.
struct Due {
  std::int64_t last_ns = 0;
  bool late = false;
  bool came(std::int64_t now_ns, std::int64_t limit_ns) noexcept {
    const bool error = !late && now_ns - last_ns > limit_ns;
    late = false;
    last_ns = now_ns;
    return error;
  }
  bool missed(std::int64_t now_ns, std::int64_t limit_ns) noexcept {
    if (late || now_ns - last_ns <= limit_ns) return false;
    return late = true;
  }
};

struct PidSlot {
  Pid pid;
  Role role = Role::unknown;
  bool fresh = true;      // nothing of it since the last on_time()
  bool reported = false;  // as unreferenced
  std::int64_t first_ns = -1;
  Due due;
  std::int64_t pts_ns = 0;
  std::uint16_t table = kNone;  // of a PMT
};

struct Table {
  explicit Table(Pid pid) : assembler(pid) {}
  SectionAssembler assembler;
  int last_continuity = -1;
  bool ended = false;  // the packet before ended a section of it
};

struct Program {
  std::uint16_t number = 0;
  Pid pmt_pid = kNullPid;
  std::uint32_t crc = 0;  // of the PMT that was read
  bool known = false;
};

}  // namespace

struct StreamMonitor::Impl final : SectionSink {
  Impl(const Limits& most, std::int64_t start)
      : limits(most), start_ns(start), si(most.sub_tables, start), pat(kPatPid), cat(kCatPid) {
    index.fill(kNone);
    slots.reserve(limits.pids);
    tables.reserve(limits.programs);
    programs.reserve(limits.programs);
    references.reserve(limits.pids);
    program_pids.reserve(limits.pids + limits.programs);
    pat_due.last_ns = start;
  }

  PidSlot* slot(Pid pid) noexcept {
    std::uint16_t& at = index[pid.value];
    if (at == kNone) {
      if (slots.size() == limits.pids) return nullptr;
      at = static_cast<std::uint16_t>(slots.size());
      slots.emplace_back().pid = pid;
    }
    return &slots[at];
  }
  void on_table(Table& table, const TsPacket& packet, Due& due, Indicator indicator) noexcept;
  void on_section(Pid pid, std::span<const std::uint8_t> section) noexcept override;
  void on_crc_error(Pid) noexcept override { ++counts[Indicator::crc_error]; }
  void take_pat(std::span<const std::uint8_t> section) noexcept;
  void take_pmt(Pid pid, std::span<const std::uint8_t> section) noexcept;
  void take_cat(std::span<const std::uint8_t> section) noexcept;
  void name(std::uint32_t owner, Pid pid, Role role, bool access = false);
  void name_ca(std::uint32_t owner, const Descriptors& descriptors);
  void forget(std::uint32_t owner) noexcept;
  void set_roles() noexcept;
  void watch_pmt(Pid pid);

  // Who names a PID: a program by its number, or PAT or CAT.
  struct Reference {
    std::uint32_t owner;
    Pid pid;
    Role role;
    bool access = false;  // ECM, EMM
  };
  static constexpr std::uint32_t kPatOwner = 0x10000, kCatOwner = 0x10001;

  Limits limits;
  std::int64_t start_ns;
  IndicatorCounts counts;
  SiMonitor si;
  std::array<std::uint16_t, kPidCount> index;
  std::vector<PidSlot> slots;
  std::vector<Table> tables;
  std::vector<Program> programs;
  std::vector<Reference> references;
  std::vector<ProgramPid> program_pids;
  Table pat;
  Table cat;
  Due pat_due;
  std::array<std::uint32_t, 8> pat_crcs{};  // by section_number
  std::uint32_t cat_crc = 0;
  std::int64_t now_ns = 0;
  std::int64_t named_ns = 0;  // when the latest table came that names PIDs
  std::uint32_t interests = 0;
  bool found = false;     // the packet ended a section of the table in hand
  bool complete = false;  // each program of the PAT has its PMT
  std::optional<std::int64_t> scrambled_ns;
  bool cat_came = false;
  bool cat_missed = false;
};

void StreamMonitor::Impl::on_table(Table& table, const TsPacket& packet, Due& due,
                                   Indicator indicator) noexcept {
  if (packet.scrambling_control() != 0) ++counts[indicator];
  const bool same = packet.continuity_counter() == table.last_continuity;
  found = false;
  table.assembler.on_packet(packet, *this);
  table.last_continuity = packet.continuity_counter();
  // A packet sent twice is one table, but it has come again.
  const bool again = same && !found && table.ended;
  if (!again) table.ended = found;
  const std::int64_t limit = ns(kTableLimit);
  if ((found || again) && indicator != Indicator::cat_error && due.came(now_ns, limit)) ++counts[indicator];
}

void StreamMonitor::Impl::on_section(Pid pid, std::span<const std::uint8_t> section) noexcept {
  const std::uint8_t table_id = section[0];
  if (section.size() < 12) return;  // not of the long form: no PSI
  if (pid == kPatPid) {
    if (table_id != 0x00) ++counts[Indicator::pat_error];
    if (table_id == 0x00) take_pat(section);
    found = found || table_id == 0x00;
  } else if (pid == kCatPid) {
    if (table_id != 0x01) ++counts[Indicator::cat_error];
    if (table_id == 0x01) take_cat(section);
  } else if (table_id == 0x02) {
    found = true;
    take_pmt(pid, section);
  }
}

void StreamMonitor::Impl::watch_pmt(Pid pid) {
  PidSlot* const it = slot(pid);
  if (it == nullptr) return;
  if (it->table == kNone && tables.size() < limits.programs) {
    it->table = static_cast<std::uint16_t>(tables.size());
    tables.emplace_back(pid);
  }
  if (it->role != Role::pmt) it->due = {now_ns, false};
}

// A PAT of several sections names more with each; it begins anew where its content is another.
void StreamMonitor::Impl::take_pat(std::span<const std::uint8_t> section) noexcept {
  const std::uint32_t crc = crc32_mpeg(section.first(section.size() - 4));
  std::uint32_t& known_crc = pat_crcs[section[6] % pat_crcs.size()];
  if (crc == known_crc) return;
  const auto table = Pat::parse(section);
  if (!table || !table->current) return;
  known_crc = crc;
  if (table->last_section_number == 0) {
    std::erase_if(programs, [&](const Program& program) {
      const bool gone =
          std::none_of(table->entries.begin(), table->entries.end(), [&](const PatEntry& entry) {
            return entry.program_number == program.number && entry.pid == program.pmt_pid;
          });
      if (gone) forget(program.number);
      return gone;
    });
    forget(kPatOwner);
  }
  named_ns = now_ns;
  for (const PatEntry& entry : table->entries) {
    if (entry.program_number == 0) {
      name(kPatOwner, entry.pid, Role::named);
      continue;
    }
    const bool known = std::any_of(programs.begin(), programs.end(), [&](const Program& program) {
      return program.number == entry.program_number && program.pmt_pid == entry.pid;
    });
    if (!known && programs.size() < limits.programs)
      programs.push_back({entry.program_number, entry.pid, 0, false});
    watch_pmt(entry.pid);
    name(kPatOwner, entry.pid, Role::pmt);
  }
  set_roles();
}

void StreamMonitor::Impl::take_pmt(Pid pid, std::span<const std::uint8_t> section) noexcept {
  const auto number = static_cast<std::uint16_t>(section[3] << 8 | section[4]);
  const auto program = std::find_if(programs.begin(), programs.end(),
                                    [&](const Program& p) { return p.number == number && p.pmt_pid == pid; });
  if (program == programs.end()) return;
  const std::uint32_t crc = crc32_mpeg(section.first(section.size() - 4));
  if (program->known && program->crc == crc) return;
  const auto table = Pmt::parse(section);
  if (!table || !table->current) return;
  program->known = true;
  program->crc = crc;
  named_ns = now_ns;
  forget(number);
  if (table->pcr_pid != kNullPid) name(number, table->pcr_pid, Role::named);
  name_ca(number, table->descriptors);
  for (const PmtStream& stream : table->streams) {
    const StreamKind kind = stream_kind(stream);
    const bool media = is_video(kind) || is_audio(kind);
    name(number, stream.pid, media ? Role::media : kind == StreamKind::scte35 ? Role::cues : Role::named);
    name_ca(number, stream.descriptors);
  }
  set_roles();
}

void StreamMonitor::Impl::take_cat(std::span<const std::uint8_t> section) noexcept {
  cat_came = true;
  const std::uint32_t crc = crc32_mpeg(section.first(section.size() - 4));
  if (crc == cat_crc) return;
  cat_crc = crc;
  forget(kCatOwner);
  const auto loop = section.subspan(8, section.size() - 12);
  name_ca(kCatOwner, detail::read_descriptors(loop));
  set_roles();
}

void StreamMonitor::Impl::name(std::uint32_t owner, Pid pid, Role role, bool access) {
  if (references.size() < limits.pids) references.push_back({owner, pid, role, access});
}

void StreamMonitor::Impl::name_ca(std::uint32_t owner, const Descriptors& descriptors) {
  for (std::size_t i = 0;; ++i) {
    const auto body = descriptors.find(kCaDescriptor, i);
    if (!body) return;
    if (body->size() >= 4)
      name(owner, Pid{static_cast<std::uint16_t>(((*body)[2] & 0x1F) << 8 | (*body)[3])}, Role::named, true);
  }
}

void StreamMonitor::Impl::forget(std::uint32_t owner) noexcept {
  std::erase_if(references, [&](const Reference& reference) { return reference.owner == owner; });
}

void StreamMonitor::Impl::set_roles() noexcept {
  std::array<Role, kPidCount> roles{};
  for (const Reference& reference : references)
    roles[reference.pid.value] = std::max(roles[reference.pid.value], reference.role);
  for (const Reference& reference : references) {
    if (reference.pid == kNullPid) continue;
    PidSlot* const it = slot(reference.pid);
    if (it == nullptr) continue;
    if (roles[reference.pid.value] == Role::media && it->role != Role::media) {
      it->due = {now_ns, false};
      it->pts_ns = now_ns;
    }
  }
  for (PidSlot& it : slots) it.role = roles[it.pid.value];
  ++interests;
  program_pids.clear();
  for (const Program& program : programs) program_pids.push_back({program.number, program.pmt_pid});
  for (const Reference& reference : references) {
    if (reference.owner < kPatOwner && !reference.access)
      program_pids.push_back({static_cast<std::uint16_t>(reference.owner), reference.pid});
  }
  std::sort(program_pids.begin(), program_pids.end());
  program_pids.erase(std::unique(program_pids.begin(), program_pids.end()), program_pids.end());
  complete = !programs.empty() &&
             std::all_of(programs.begin(), programs.end(), [](const Program& p) { return p.known; });
}

StreamMonitor::StreamMonitor(const Limits& limits, std::int64_t start_ns)
    : impl_(std::make_unique<Impl>(limits, start_ns)) {}
StreamMonitor::~StreamMonitor() = default;

StreamMonitor::Interest StreamMonitor::interest(Pid pid) const noexcept {
  if (pid == kNullPid) return Interest::none;
  if (pid < kFirstFreePid)
    return pid == kPatPid || pid == kCatPid || SiMonitor::wants(pid) ? Interest::all : Interest::none;
  const std::uint16_t at = impl_->index[pid.value];
  if (at == kNone) return Interest::first;
  const Role role = impl_->slots[at].role;
  if (role == Role::pmt || role == Role::cues) return Interest::all;
  return role == Role::media ? Interest::starts : Interest::first;
}

bool StreamMonitor::carries_cues(Pid pid) const noexcept {
  const std::uint16_t at = impl_->index[pid.value];
  return at != kNone && impl_->slots[at].role == Role::cues;
}

std::uint32_t StreamMonitor::interests() const noexcept { return impl_->interests; }

bool StreamMonitor::wants(const TsPacket& packet) noexcept {
  const Pid pid = packet.pid();
  const Interest wanted = interest(pid);
  if (wanted == Interest::none || wanted == Interest::all) return wanted == Interest::all;
  const std::uint16_t at = impl_->index[pid.value];
  if (at == kNone || (wanted == Interest::starts && packet.payload_unit_start())) return true;
  return std::exchange(impl_->slots[at].fresh, false);
}

void StreamMonitor::on_packet(const TsPacket& packet, std::int64_t now_ns) noexcept {
  Impl& in = *impl_;
  in.now_ns = now_ns;
  const Pid pid = packet.pid();
  if (packet.scrambling_control() != 0 && !in.scrambled_ns) in.scrambled_ns = now_ns;
  if (SiMonitor::wants(pid)) return in.si.on_packet(packet, now_ns, in.counts);
  if (pid == kPatPid) return in.on_table(in.pat, packet, in.pat_due, Indicator::pat_error);
  Due none;
  if (pid == kCatPid) {
    if (packet.scrambling_control() == 0) in.on_table(in.cat, packet, none, Indicator::cat_error);
    return;
  }
  PidSlot* slot = in.slot(pid);
  if (slot == nullptr) return;
  if (slot->first_ns < 0) slot->first_ns = now_ns;
  if (slot->role == Role::pmt) {
    if (slot->table == kNone) return;
    // What is read may name PIDs and so move the slots, but not beyond what was reserved for them.
    return in.on_table(in.tables[slot->table], packet, slot->due, Indicator::pmt_error);
  }
  if (slot->role != Role::media) return;
  if (slot->due.came(now_ns, ns(kPidLimit))) ++in.counts[Indicator::pid_error];
  if (!starts_with_pts(packet)) return;
  if (now_ns - slot->pts_ns > ns(kPtsLimit)) ++in.counts[Indicator::pts_error];
  slot->pts_ns = now_ns;
}

void StreamMonitor::on_time(std::int64_t now_ns) noexcept {
  Impl& in = *impl_;
  in.now_ns = now_ns;
  in.si.on_time(now_ns, in.counts);
  if (in.pat_due.missed(now_ns, ns(kTableLimit))) ++in.counts[Indicator::pat_error];
  if (in.scrambled_ns && !in.cat_came && !in.cat_missed && now_ns - *in.scrambled_ns > ns(kCatLimit)) {
    in.cat_missed = true;
    ++in.counts[Indicator::cat_error];
  }
  for (PidSlot& slot : in.slots) {
    slot.fresh = true;
    if (slot.role == Role::pmt && slot.due.missed(now_ns, ns(kTableLimit))) ++in.counts[Indicator::pmt_error];
    if (slot.role == Role::media && slot.due.missed(now_ns, ns(kPidLimit))) ++in.counts[Indicator::pid_error];
    if (slot.role != Role::unknown || slot.reported || slot.first_ns < 0 || !in.complete) continue;
    if (slot.pid < kFirstFreePid || slot.pid == kAtscPid) continue;
    if (now_ns - std::max(slot.first_ns, in.named_ns) <= ns(kUnreferencedLimit)) continue;
    slot.reported = true;
    ++in.counts[Indicator::unreferenced_pid];
  }
}

const IndicatorCounts& StreamMonitor::counts() const noexcept { return impl_->counts; }

std::span<const StreamMonitor::ProgramPid> StreamMonitor::program_pids() const noexcept {
  return impl_->program_pids;
}

bool StreamMonitor::judged(Indicator indicator, std::int64_t now_ns) const noexcept {
  return impl_->si.judged(indicator, now_ns);
}

}  // namespace headgate::mpegts

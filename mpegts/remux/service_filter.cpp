#include "mpegts/remux/service_filter.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "mpegts/psi/descriptors.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/section_edit.h"
#include "mpegts/psi/tables.h"
#include "mpegts/psi/versioned_table.h"
#include "mpegts/si/eit.h"
#include "mpegts/si/sdt.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint8_t kPmtTableId = 0x02;  // table 2-31
constexpr std::uint8_t kSdtActual = 0x42;   // EN 300 468 table 2
constexpr std::uint16_t kFirstFreePid = 0x0010;
constexpr std::int64_t kLongAgo = std::numeric_limits<std::int64_t>::min() / 2;
constexpr std::int64_t kNotYet = std::numeric_limits<std::int64_t>::max();

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool same_name(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// Which sections of a table have come, so that a repeated one costs a comparison and not a parse.
class SeenSections {
 public:
  enum class Kind { repeated, added, new_table };

  Kind take(std::span<const std::uint8_t> section) noexcept {
    const std::uint8_t number = section[6];
    const std::uint32_t crc = section_crc(section);
    const std::uint32_t key = std::uint32_t{section[3]} << 24 | std::uint32_t{section[4]} << 16 |
                              std::uint32_t{section[5]} << 8 | section[7];
    if (any_ && key == key_ && seen_[number] && crc_[number] == crc) return Kind::repeated;
    // Another version, or another content under the same version: all of it is new.
    const bool fresh = !any_ || key != key_ || seen_[number];
    if (fresh) seen_.reset();
    any_ = true;
    key_ = key;
    last_ = section[7];
    seen_.set(number);
    crc_[number] = crc;
    return fresh ? Kind::new_table : Kind::added;
  }
  bool complete() const noexcept { return any_ && seen_.count() == std::size_t{last_} + 1; }
  void forget() noexcept { any_ = false; }

 private:
  bool any_ = false;
  std::uint32_t key_ = 0;  // extension, version, current_next, last_section_number
  std::uint8_t last_ = 0;
  std::bitset<256> seen_;
  std::array<std::uint32_t, 256> crc_{};
};

// A table that goes out at intervals of its own, and soon where it is new.
struct Repeated {
  explicit Repeated(std::int64_t interval) noexcept : every_ns(interval) {}

  void set(std::vector<std::uint8_t> section, std::uint8_t version) {
    if (table.empty()) table.start_at(version);
    if (table.set(std::move(section))) fresh = true;
  }
  std::int64_t due_ns() const noexcept { return sent_ns + (fresh ? ServiceFilter::kSectionGapNs : every_ns); }

  VersionedTable table;
  std::int64_t every_ns;
  std::int64_t sent_ns = kLongAgo;
  bool fresh = false;  // changed since it was sent
  std::uint8_t continuity = 0;
};

}  // namespace

struct ServiceFilter::Impl final : SectionSink {
  explicit Impl(ServiceSelector s) : selector(std::move(s)) {
    if (const auto* number = std::get_if<std::uint16_t>(&selector.value)) wanted = *number;
  }

  Verdict on_packet(const TsPacket& packet, std::int64_t now_ns) noexcept;
  bool take(const TsPacket& packet) noexcept;
  bool take_table(const TsPacket& packet, Pid pid) noexcept;
  void send_tables(std::int64_t now_ns) noexcept;
  void send_due(Repeated& repeated, Pid pid, std::int64_t now_ns) noexcept;
  void on_section(Pid pid, std::span<const std::uint8_t> section) noexcept override;
  void on_crc_error(Pid) noexcept override {}

  void on_pat(std::span<const std::uint8_t> section) noexcept;
  void take_pat(const Pat& pat, bool new_table);
  void lose_program() noexcept;
  void select_pmt(Pid pid) noexcept;
  void on_sdt(std::span<const std::uint8_t> section) noexcept;
  void take_sdt(const Sdt& sdt);
  void on_pmt(std::span<const std::uint8_t> section) noexcept;
  void on_eit(std::span<const std::uint8_t> section) noexcept;
  void take_pmt(const Pmt& pmt);
  void pass_pid(Pid pid) noexcept {
    if (pid.value >= kFirstFreePid && pid != kNullPid) passed.set(pid.value);
  }
  void pass_ca(const Descriptors& descriptors) noexcept;
  void emit(Pid pid, std::span<const std::uint8_t> section, std::uint8_t& continuity) noexcept;
  bool found() const noexcept { return state == State::waiting_for_pmt || state == State::running; }
  // The PMT's PID has the PCR, too: it passes as it is.
  bool pmt_passes() const noexcept { return passed[pmt_pid.value] && programs_on_pid[pmt_pid.value] <= 1; }

  ServiceSelector selector;
  std::optional<std::uint16_t> wanted;  // the program_number, from a name once the SDT has told
  State state = State::waiting_for_pat;

  SectionAssembler pat_assembler{kPatPid};
  SectionAssembler sdt_assembler{kSdtPid};
  SectionAssembler pmt_assembler{kNullPid};
  SectionAssembler eit_assembler{kEitPid};
  SeenSections pat_seen;
  SeenSections sdt_seen;
  std::array<std::uint8_t, kPidCount> programs_on_pid{};  // of the PAT as far as seen; saturates
  bool in_pat = false;                                    // the program is in what has come of this PAT
  bool in_sdt = false;                                    // the service is in what has come of this SDT
  bool sdt_known = false;                                 // or was in the one before

  Pid pmt_pid = kNullPid;
  std::uint32_t pmt_crc = 0;
  bool have_pmt = false;
  Pid pcr_pid = kNullPid;
  std::bitset<kPidCount> passed;

  // What goes out: our own sections, their versions, times and counters.
  Repeated pat_out{kTablesEveryNs};
  Repeated pmt_out{kTablesEveryNs};
  Repeated sdt_out{kSdtEveryNs};
  std::int64_t tables_due_ns = kLongAgo;  // the next of them
  std::uint8_t eit_continuity = 0;
  // Of one packet: the longest section and eleven that begin and end in it, PAT, PMT and SDT, and itself.
  std::array<std::uint8_t, 96 * kPacketSize> out{};
  std::size_t out_size = 0;
};

ServiceFilter::Verdict ServiceFilter::Impl::on_packet(const TsPacket& packet, std::int64_t now_ns) noexcept {
  out_size = 0;
  const bool passes = packet.has_sync() && take(packet);
  if (now_ns >= tables_due_ns) [[unlikely]]
    send_tables(now_ns);
  if (out_size == 0) [[likely]]
    return passes ? Verdict::pass : Verdict::drop;
  if (passes) {
    std::memcpy(out.data() + out_size, packet.bytes().data(), kPacketSize);
    out_size += kPacketSize;
  }
  return Verdict::replace;
}

// True where the packet itself passes.
bool ServiceFilter::Impl::take(const TsPacket& packet) noexcept {
  const Pid pid = packet.pid();
  if (pid.value > kTdtPid.value && pid != pmt_pid) [[likely]]
    return passed[pid.value];
  return take_table(packet, pid);
}

bool ServiceFilter::Impl::take_table(const TsPacket& packet, Pid pid) noexcept {
  if (pid == kPatPid) {
    pat_assembler.on_packet(packet, *this);
    return false;
  }
  if (pid == kSdtPid) {
    sdt_assembler.on_packet(packet, *this);
    return false;
  }
  if (pid == kEitPid) {
    if (state == State::running) eit_assembler.on_packet(packet, *this);
    return false;
  }
  if (pid == kTdtPid) return state == State::running;
  if (pmt_pid != kNullPid && pid == pmt_pid) {
    pmt_assembler.on_packet(packet, *this);
    return pmt_passes();
  }
  return passed[pid.value];
}

// In this order, so that who tunes in then finds his way at once.
void ServiceFilter::Impl::send_tables(std::int64_t now_ns) noexcept {
  tables_due_ns = kNotYet;
  if (!found()) return;
  send_due(pat_out, kPatPid, now_ns);
  if (have_pmt && !pmt_passes()) send_due(pmt_out, pmt_pid, now_ns);
  if (sdt_known) send_due(sdt_out, kSdtPid, now_ns);
}

void ServiceFilter::Impl::send_due(Repeated& repeated, Pid pid, std::int64_t now_ns) noexcept {
  if (repeated.table.empty()) return;
  if (now_ns >= repeated.due_ns()) {
    emit(pid, repeated.table.section(), repeated.continuity);
    repeated.sent_ns = now_ns;
    repeated.fresh = false;
  }
  tables_due_ns = std::min(tables_due_ns, repeated.due_ns());
}

void ServiceFilter::Impl::on_section(Pid pid, std::span<const std::uint8_t> section) noexcept {
  // Only long sections, which have passed their CRC, that apply now.
  if (!is_long(section) || !is_current(section)) return;
  if (pid == kPatPid) {
    if (section[0] == 0x00) on_pat(section);
  } else if (pid == kSdtPid) {
    if (section[0] == kSdtActual) on_sdt(section);
  } else if (pid == kEitPid) {
    on_eit(section);
  } else if (section[0] == kPmtTableId) {
    on_pmt(section);
  }
}

void ServiceFilter::Impl::on_pat(std::span<const std::uint8_t> section) noexcept {
  if (!wanted) return;  // by name: the SDT comes first
  const auto seen = pat_seen.take(section);
  if (seen != SeenSections::Kind::repeated) {
    if (const auto pat = Pat::parse(section)) take_pat(*pat, seen == SeenSections::Kind::new_table);
  }
}

void ServiceFilter::Impl::take_pat(const Pat& pat, bool new_table) {
  if (new_table) {
    programs_on_pid.fill(0);
    in_pat = false;
  }
  for (const auto& entry : pat.entries) {
    if (entry.program_number == 0) continue;
    auto& count = programs_on_pid[entry.pid.value];
    if (count < 255) ++count;
    if (entry.program_number != *wanted || in_pat || entry.pid.value < kFirstFreePid || entry.pid == kNullPid)
      continue;
    in_pat = true;
    Pat ours;
    ours.transport_stream_id = pat.transport_stream_id;
    ours.entries = {entry};
    pat_out.set(ours.to_section(), pat.version);
    select_pmt(entry.pid);
  }
  if (!in_pat && pat_seen.complete()) lose_program();
}

void ServiceFilter::Impl::lose_program() noexcept {
  state = State::program_not_found;
  pmt_pid = kNullPid;
  pcr_pid = kNullPid;
  have_pmt = false;
  passed.reset();
}

void ServiceFilter::Impl::select_pmt(Pid pid) noexcept {
  tables_due_ns = kLongAgo;
  if (pid == pmt_pid) return;
  pmt_pid = pid;
  pmt_assembler = SectionAssembler{pid};
  have_pmt = false;  // the elementary streams of the old one go on until the new PMT comes
  if (state != State::running) state = State::waiting_for_pmt;
}

void ServiceFilter::Impl::on_sdt(std::span<const std::uint8_t> section) noexcept {
  const auto seen = sdt_seen.take(section);
  if (seen == SeenSections::Kind::repeated) return;
  if (seen == SeenSections::Kind::new_table) in_sdt = false;
  if (const auto sdt = Sdt::parse(section)) take_sdt(*sdt);
}

void ServiceFilter::Impl::take_sdt(const Sdt& sdt) {
  const auto* name = std::get_if<std::string>(&selector.value);
  const auto ours = std::find_if(sdt.services.begin(), sdt.services.end(), [&](const SdtService& service) {
    return name != nullptr ? same_name(trimmed(service.name()), trimmed(*name))
                           : service.service_id == *wanted;
  });
  if (ours != sdt.services.end() && !in_sdt) {
    in_sdt = sdt_known = true;
    if (wanted != ours->service_id) {
      wanted = ours->service_id;
      have_pmt = false;
      pat_seen.forget();  // look for it in the next PAT, changed or not
    }
    Sdt next;
    next.transport_stream_id = sdt.transport_stream_id;
    next.original_network_id = sdt.original_network_id;
    next.services = {*ours};
    sdt_out.set(next.to_section(), sdt.version);
    tables_due_ns = kLongAgo;
  }
  if (!in_sdt && sdt_seen.complete()) sdt_known = false;
  if (name != nullptr && !in_sdt && sdt_seen.complete()) {
    wanted.reset();
    in_pat = false;
    lose_program();
  }
}

void ServiceFilter::Impl::on_pmt(std::span<const std::uint8_t> section) noexcept {
  if (!wanted || table_extension(section) != *wanted) return;
  const std::uint32_t crc = section_crc(section);
  if (have_pmt && crc == pmt_crc) return;
  const auto pmt = Pmt::parse(section);
  if (!pmt) return;
  pmt_crc = crc;
  take_pmt(*pmt);
  pmt_out.set({section.begin(), section.end()}, pmt->version);
  tables_due_ns = kLongAgo;
}

// What is on and what comes, of this service alone. At the input's intervals, which are as long as the
// schedule.
void ServiceFilter::Impl::on_eit(std::span<const std::uint8_t> section) noexcept {
  if (is_eit_actual(section[0]) && table_extension(section) == *wanted)
    emit(kEitPid, section, eit_continuity);
}

void ServiceFilter::Impl::take_pmt(const Pmt& pmt) {
  have_pmt = true;
  state = State::running;
  passed.reset();
  pcr_pid = pmt.pcr_pid;
  pass_pid(pmt.pcr_pid);
  pass_ca(pmt.descriptors);
  for (const auto& stream : pmt.streams) {
    pass_pid(stream.pid);
    pass_ca(stream.descriptors);
  }
}

void ServiceFilter::Impl::pass_ca(const Descriptors& descriptors) noexcept {
  for (const Descriptor& d : DescriptorLoop(descriptors)) {
    if (const auto ca = as_ca(d)) pass_pid(ca->pid);
  }
}

void ServiceFilter::Impl::emit(Pid pid, std::span<const std::uint8_t> section,
                               std::uint8_t& continuity) noexcept {
  const std::size_t written =
      pack_section_into(pid, section, continuity, std::span<std::uint8_t>{out}.subspan(out_size));
  out_size += written;
  continuity = (continuity + written / kPacketSize) & 0x0F;
}

ServiceFilter::ServiceFilter(ServiceSelector selector) : impl_(std::make_unique<Impl>(std::move(selector))) {}
ServiceFilter::~ServiceFilter() = default;

ServiceFilter::Verdict ServiceFilter::on_packet(const TsPacket& packet, std::int64_t now_ns) noexcept {
  return impl_->on_packet(packet, now_ns);
}

std::span<const std::uint8_t> ServiceFilter::replacement() const noexcept {
  return std::span<const std::uint8_t>{impl_->out}.first(impl_->out_size);
}

ServiceFilter::State ServiceFilter::state() const noexcept { return impl_->state; }

std::optional<std::uint16_t> ServiceFilter::program_number() const noexcept {
  return impl_->in_pat ? impl_->wanted : std::nullopt;
}

std::optional<Pid> ServiceFilter::pcr_pid() const noexcept {
  if (impl_->state != State::running || impl_->pcr_pid == kNullPid) return std::nullopt;
  return impl_->pcr_pid;
}

}  // namespace headgate::mpegts

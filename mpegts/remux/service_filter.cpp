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
#include "mpegts/remux/seen_sections.h"
#include "mpegts/remux/service_rewriter.h"
#include "mpegts/remux/table_sender.h"
#include "mpegts/si/eit.h"
#include "mpegts/si/sdt.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint8_t kPmtTableId = 0x02;  // table 2-31
constexpr std::uint8_t kSdtActual = 0x42;   // EN 300 468 table 2
constexpr std::uint16_t kFirstFreePid = 0x0010;
constexpr std::uint16_t kPrivateNetwork = 0xFF00;  // TS 101 162 5.2: for whoever has none of his own

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

}  // namespace

struct ServiceFilter::Impl final : SectionSink {
  Impl(ServiceSelector s, RemuxOptions o) : selector(std::move(s)) {
    if (o != RemuxOptions()) rewriter = std::make_unique<remux::ServiceRewriter>(std::move(o));
    if (const auto* number = std::get_if<std::uint16_t>(&selector.value)) wanted = *number;
  }

  Verdict on_packet(const TsPacket& packet, std::int64_t now_ns) noexcept;
  bool take(const TsPacket& packet) noexcept;
  bool take_table(const TsPacket& packet, Pid pid) noexcept;
  void send_tables(std::int64_t now_ns) noexcept;
  void send_due(remux::Repeated& repeated, Pid pid, std::int64_t now_ns) noexcept;
  void on_section(Pid pid, std::span<const std::uint8_t> section) noexcept override;
  void on_crc_error(Pid) noexcept override {}

  void on_pat(std::span<const std::uint8_t> section) noexcept;
  void take_pat(const Pat& pat, bool new_table);
  void choose_lowest(const Pat& pat, bool new_table);
  void lose_program() noexcept;
  void select_pmt(Pid pid) noexcept;
  void on_sdt(std::span<const std::uint8_t> section) noexcept;
  void take_sdt(const Sdt& sdt);
  void make_sdt(const Sdt& source);
  void make_missing_sdt();
  void on_pmt(std::span<const std::uint8_t> section) noexcept;
  void on_eit(std::span<const std::uint8_t> section) noexcept;
  void take_pmt(const Pmt& pmt, std::span<const std::uint8_t> section);
  void take_map();
  void follow_clock(const TsPacket& packet, std::int64_t now_ns) noexcept;
  Verdict leave(const TsPacket& packet) noexcept;
  void pass_pid(Pid pid) noexcept {
    if (pid.value >= kFirstFreePid && pid != kNullPid) passed.set(pid.value);
  }
  void pass_ca(const Descriptors& descriptors) noexcept;
  bool found() const noexcept { return state == State::waiting_for_pmt || state == State::running; }
  // The PMT's PID has the PCR, too: it passes as it is. Where PIDs are the map's, PMT and PCR part.
  bool pmt_passes() const noexcept {
    return !rewriter && passed[pmt_pid.value] && programs_on_pid[pmt_pid.value] <= 1;
  }

  ServiceSelector selector;
  std::unique_ptr<remux::ServiceRewriter> rewriter;  // nullptr: all stays as it is
  std::optional<std::uint16_t> wanted;               // the program_number, from a name once the SDT has told
  State state = State::waiting_for_pat;

  SectionAssembler pat_assembler{kPatPid};
  SectionAssembler sdt_assembler{kSdtPid};
  SectionAssembler pmt_assembler{kNullPid};
  SectionAssembler eit_assembler{kEitPid};
  SectionAssembler cat_assembler{kCatPid};
  remux::SeenSections pat_seen;
  remux::SeenSections sdt_seen;
  std::array<std::uint8_t, kPidCount> programs_on_pid{};  // of the PAT as far as seen; saturates
  std::size_t services = 0;                               // of it
  std::optional<std::uint16_t> lowest;                    // of it
  bool in_pat = false;                                    // the program is in what has come of this PAT
  bool in_sdt = false;                                    // the service is in what has come of this SDT
  bool sdt_known = false;                                 // or was in the one before

  Pid pmt_pid = kNullPid;
  std::uint32_t pmt_crc = 0;
  bool have_pmt = false;
  Pid pcr_pid = kNullPid;
  std::bitset<kPidCount> passed;

  Pid pmt_out_pid = kNullPid;
  // Of an SDT that is made anew.
  std::optional<Sdt> source_sdt;  // its only service is ours
  std::uint16_t transport_stream_id = 0;
  std::uint16_t original_network_id = kPrivateNetwork;
  std::int64_t sdt_missed_ns = remux::kNotYet;  // when to wait for it no longer

  // Packets that come in bursts are counted by their PCRs, so that the tables lie as close when they leave at
  // their own pace.
  std::int64_t ahead_ns = 0;
  std::uint64_t last_pcr = 0;
  std::int64_t last_pcr_ns = remux::kLongAgo;

  // What goes out: our own sections, their versions, times and counters.
  remux::Repeated pat_out{kTablesEveryNs};
  remux::Repeated pmt_out{kTablesEveryNs};
  remux::Repeated sdt_out{kSdtEveryNs};
  remux::Repeated cat_out{kCatEveryNs};
  std::int64_t tables_due_ns = remux::kLongAgo;  // the next of them
  std::uint8_t eit_continuity = 0;
  remux::TableSender out;
};

ServiceFilter::Verdict ServiceFilter::Impl::on_packet(const TsPacket& packet, std::int64_t now_ns) noexcept {
  out.clear();
  const bool passes = packet.has_sync() && take(packet);
  if (passes && packet.has_pcr()) [[unlikely]]
    follow_clock(packet, now_ns);
  now_ns += ahead_ns;
  if (now_ns >= tables_due_ns) [[unlikely]]
    send_tables(now_ns);
  if (passes && rewriter) return leave(packet);
  if (out.empty()) [[likely]]
    return passes ? Verdict::pass : Verdict::drop;
  if (passes) std::memcpy(out.last().data(), packet.bytes().data(), kPacketSize);
  return Verdict::replace;
}

ServiceFilter::Verdict ServiceFilter::Impl::leave(const TsPacket& packet) noexcept {
  using Step = remux::PacketRouter::Step;
  const Step step = packet.pid() == kTdtPid ? Step::pass : rewriter->router().take(packet);
  if (step == Step::pass) {
    if (out.empty()) return Verdict::pass;
    std::memcpy(out.last().data(), packet.bytes().data(), kPacketSize);
  } else if (step == Step::write) {
    rewriter->router().write(packet, out.last(), pmt_out.continuity);
  }
  return out.empty() ? Verdict::drop : Verdict::replace;
}

// A PCR that is further on than the time that went by since the one before.
void ServiceFilter::Impl::follow_clock(const TsPacket& packet, std::int64_t now_ns) noexcept {
  if (packet.pid() != pcr_pid) return;
  const auto pcr = packet.pcr();
  constexpr std::int64_t kJump = kTicksPerSecond / 2;
  const std::int64_t ticks = remux::wrap_distance(pcr->ticks, last_pcr, kPcrModulus);
  if (last_pcr_ns != remux::kLongAgo && ticks > 0 && ticks < kJump)
    ahead_ns = std::max(ahead_ns, last_pcr_ns + ticks * 1000 / 27 - now_ns);
  last_pcr = pcr->ticks;
  last_pcr_ns = now_ns + ahead_ns;
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
  if (pid == kCatPid) {
    if (rewriter && rewriter->keeps_emm() && state == State::running) cat_assembler.on_packet(packet, *this);
    return false;
  }
  if (pid == kTdtPid) return state == State::running;
  if (pmt_pid != kNullPid && pid == pmt_pid) {
    pmt_assembler.on_packet(packet, *this);
    return rewriter ? passed[pid.value] : pmt_passes();
  }
  return passed[pid.value];
}

// In this order, so that who tunes in then finds his way at once.
void ServiceFilter::Impl::send_tables(std::int64_t now_ns) noexcept {
  tables_due_ns = remux::kNotYet;
  if (!found()) return;
  send_due(pat_out, kPatPid, now_ns);
  if (have_pmt && !pmt_passes()) send_due(pmt_out, pmt_out_pid, now_ns);
  if (have_pmt && !sdt_known && rewriter && rewriter->has_texts()) {
    if (sdt_missed_ns == remux::kNotYet) sdt_missed_ns = now_ns + kSdtPatienceNs;
    if (now_ns >= sdt_missed_ns) make_missing_sdt();
  }
  if (sdt_known) send_due(sdt_out, kSdtPid, now_ns);
  if (have_pmt) send_due(cat_out, kCatPid, now_ns);
}

void ServiceFilter::Impl::send_due(remux::Repeated& repeated, Pid pid, std::int64_t now_ns) noexcept {
  tables_due_ns = std::min(tables_due_ns, out.if_due(repeated, pid, now_ns));
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
  } else if (pid == kCatPid) {
    if (rewriter->on_cat(section)) take_map();
  } else if (section[0] == kPmtTableId) {
    on_pmt(section);
  }
}

void ServiceFilter::Impl::on_pat(std::span<const std::uint8_t> section) noexcept {
  const bool lowest_wanted = std::holds_alternative<LowestService>(selector.value);
  if (!wanted && !lowest_wanted) return;  // by name: the SDT comes first
  const auto seen = pat_seen.take(section);
  if (seen == remux::SeenSections::Kind::repeated) return;
  const auto pat = Pat::parse(section);
  if (!pat) return;
  const bool new_table = seen == remux::SeenSections::Kind::new_table;
  if (lowest_wanted) choose_lowest(*pat, new_table);
  if (wanted) take_pat(*pat, new_table);
}

void ServiceFilter::Impl::choose_lowest(const Pat& pat, bool new_table) {
  if (new_table) lowest.reset();
  for (const PatEntry& entry : pat.entries) {
    const bool possible =
        entry.program_number != 0 && entry.pid.value >= kFirstFreePid && entry.pid != kNullPid;
    if (possible) lowest = std::min(lowest.value_or(entry.program_number), entry.program_number);
  }
  if (wanted || !pat_seen.complete() || !lowest) return;
  wanted = lowest;
  in_pat = false;
  if (pat.last_section_number > 0) pat_seen.forget();  // its entry may have gone by
}

void ServiceFilter::Impl::take_pat(const Pat& pat, bool new_table) {
  if (new_table) {
    programs_on_pid.fill(0);
    services = 0;
    in_pat = false;
  }
  for (const auto& entry : pat.entries) {
    if (entry.program_number == 0) continue;
    ++services;
    auto& count = programs_on_pid[entry.pid.value];
    if (count < 255) ++count;
    if (entry.program_number != *wanted || in_pat || entry.pid.value < kFirstFreePid || entry.pid == kNullPid)
      continue;
    in_pat = true;
    transport_stream_id = pat.transport_stream_id;
    pmt_out_pid = rewriter ? rewriter->pmt_pid(entry.pid) : entry.pid;
    Pat ours;
    ours.transport_stream_id = pat.transport_stream_id;
    ours.entries = {{rewriter ? rewriter->service_id(*wanted) : *wanted, pmt_out_pid}};
    pat_out.set_section(ours.to_section(), pat.version);
    select_pmt(entry.pid);
  }
  if (in_pat || !pat_seen.complete()) return;
  lose_program();
  if (!std::holds_alternative<LowestService>(selector.value)) return;
  wanted.reset();
  pat_seen.forget();  // the next one has another
}

void ServiceFilter::Impl::lose_program() noexcept {
  state = State::program_not_found;
  pmt_pid = kNullPid;
  pcr_pid = kNullPid;
  have_pmt = false;
  passed.reset();
  source_sdt.reset();
  sdt_missed_ns = remux::kNotYet;
  if (std::holds_alternative<LowestService>(selector.value)) sdt_known = false;
}

void ServiceFilter::Impl::select_pmt(Pid pid) noexcept {
  tables_due_ns = remux::kLongAgo;
  if (pid == pmt_pid) return;
  pmt_pid = pid;
  pmt_assembler = SectionAssembler{pid};
  have_pmt = false;  // the elementary streams of the old one go on until the new PMT comes
  if (state != State::running) state = State::waiting_for_pmt;
}

void ServiceFilter::Impl::on_sdt(std::span<const std::uint8_t> section) noexcept {
  const auto seen = sdt_seen.take(section);
  if (seen == remux::SeenSections::Kind::repeated) return;
  if (seen == remux::SeenSections::Kind::new_table) in_sdt = false;
  if (const auto sdt = Sdt::parse(section)) take_sdt(*sdt);
}

void ServiceFilter::Impl::take_sdt(const Sdt& sdt) {
  const auto* name = std::get_if<std::string>(&selector.value);
  if (name == nullptr && !wanted) return sdt_seen.forget();  // which one is ours is not known yet
  original_network_id = sdt.original_network_id;
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
    next.version = sdt.version;
    next.services = {*ours};
    make_sdt(next);
    if (rewriter) source_sdt = std::move(next);
  }
  if (!in_sdt && sdt_seen.complete()) sdt_known = false;
  if (name != nullptr && !in_sdt && sdt_seen.complete()) {
    wanted.reset();
    in_pat = false;
    lose_program();
  }
}

void ServiceFilter::Impl::make_sdt(const Sdt& source) {
  sdt_out.set_section((rewriter ? rewriter->sdt(source) : source).to_section(), source.version);
  tables_due_ns = remux::kLongAgo;
}

// For the map's texts, where the source has none or not this service in it.
void ServiceFilter::Impl::make_missing_sdt() {
  Sdt made;
  made.transport_stream_id = transport_stream_id;
  made.original_network_id = original_network_id;
  made.services = {remux::ServiceRewriter::plain_service(*wanted)};
  sdt_known = true;
  make_sdt(made);
  source_sdt = std::move(made);
}

void ServiceFilter::Impl::on_pmt(std::span<const std::uint8_t> section) noexcept {
  if (!wanted || table_extension(section) != *wanted) return;
  const std::uint32_t crc = section_crc(section);
  if (have_pmt && crc == pmt_crc) return;
  const auto parsed = Pmt::parse(section);
  if (!parsed) return;
  pmt_crc = crc;
  take_pmt(*parsed, section);
  tables_due_ns = remux::kLongAgo;
}

// What is on and what comes, of this service alone. At the input's intervals, which are as long as the
// schedule.
void ServiceFilter::Impl::on_eit(std::span<const std::uint8_t> section) noexcept {
  if (!is_eit_actual(section[0]) || table_extension(section) != *wanted) return;
  out.section(kEitPid, rewriter ? rewriter->eit(section, *wanted) : section, eit_continuity);
}

void ServiceFilter::Impl::take_pmt(const Pmt& parsed, std::span<const std::uint8_t> section) {
  have_pmt = true;
  state = State::running;
  pcr_pid = parsed.pcr_pid;
  if (rewriter) {
    rewriter->set_pmt(parsed, pmt_pid);
    return take_map();
  }
  passed.reset();
  pass_pid(parsed.pcr_pid);
  pass_ca(parsed.descriptors);
  for (const auto& stream : parsed.streams) {
    pass_pid(stream.pid);
    pass_ca(stream.descriptors);
  }
  pmt_out.set_section({section.begin(), section.end()}, parsed.version);
}

void ServiceFilter::Impl::take_map() {
  passed.reset();
  for (const PidMap::Route& route : rewriter->routes()) pass_pid(route.from);
  const Pmt& ours = rewriter->pmt();
  pmt_out.set_section(ours.to_section(), ours.version);
  if (const auto& cat = rewriter->cat(); !cat.empty()) cat_out.set(cat, section_version(cat.front()));
  if (source_sdt && sdt_known) make_sdt(*source_sdt);  // what the tracks are may stand in it
  tables_due_ns = remux::kLongAgo;
}

void ServiceFilter::Impl::pass_ca(const Descriptors& descriptors) noexcept {
  for (const Descriptor& d : DescriptorLoop(descriptors)) {
    if (const auto ca = as_ca(d)) pass_pid(ca->pid);
  }
}

ServiceFilter::ServiceFilter(ServiceSelector selector, RemuxOptions options)
    : impl_(std::make_unique<Impl>(std::move(selector), std::move(options))) {}
ServiceFilter::~ServiceFilter() = default;

ServiceFilter::Verdict ServiceFilter::on_packet(const TsPacket& packet, std::int64_t now_ns) noexcept {
  return impl_->on_packet(packet, now_ns);
}

std::span<const std::uint8_t> ServiceFilter::replacement() const noexcept { return impl_->out.packets(); }

ServiceFilter::State ServiceFilter::state() const noexcept { return impl_->state; }

std::optional<std::uint16_t> ServiceFilter::program_number() const noexcept {
  return impl_->in_pat ? impl_->wanted : std::nullopt;
}

std::optional<Pid> ServiceFilter::pcr_pid() const noexcept {
  if (impl_->state != State::running || impl_->pcr_pid == kNullPid) return std::nullopt;
  return impl_->pcr_pid;
}

std::size_t ServiceFilter::services() const noexcept { return impl_->services; }

void ServiceFilter::set_texts(const std::string& provider, const std::string& name) {
  Impl& impl = *impl_;
  if (!impl.rewriter || !impl.rewriter->set_texts(provider, name)) return;
  if (impl.source_sdt && impl.sdt_known) impl.make_sdt(*impl.source_sdt);
}

}  // namespace headgate::mpegts

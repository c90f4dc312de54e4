#include "mpegts/remux/service_filter.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstring>
#include <string_view>

#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"
#include "mpegts/si/sdt.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint8_t kPmtTableId = 0x02;    // table 2-31
constexpr std::uint8_t kSdtActual = 0x42;     // EN 300 468 table 2
constexpr std::uint8_t kCaDescriptor = 0x09;  // 2.6.16
constexpr std::uint16_t kFirstFreePid = 0x0010;

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

std::uint32_t crc_of(std::span<const std::uint8_t> section) noexcept {
  const auto tail = section.last(4);
  return std::uint32_t{tail[0]} << 24 | std::uint32_t{tail[1]} << 16 | std::uint32_t{tail[2]} << 8 | tail[3];
}

// Which sections of a table have come, so that a repeated one costs a comparison and not a parse.
class SeenSections {
 public:
  enum class Kind { repeated, added, new_table };

  Kind take(std::span<const std::uint8_t> section) noexcept {
    const std::uint8_t number = section[6];
    const std::uint32_t crc = crc_of(section);
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

}  // namespace

struct ServiceFilter::Impl final : SectionSink {
  explicit Impl(ServiceSelector s) : selector(std::move(s)) {
    if (const auto* number = std::get_if<std::uint16_t>(&selector.value)) wanted = *number;
  }

  Verdict on_packet(const TsPacket& packet) noexcept;
  void on_section(Pid pid, std::span<const std::uint8_t> section) noexcept override;
  void on_crc_error(Pid) noexcept override {}

  void on_pat(std::span<const std::uint8_t> section) noexcept;
  void take_pat(const Pat& pat, bool new_table);
  void lose_program() noexcept;
  void select_pmt(Pid pid) noexcept;
  void on_sdt(std::span<const std::uint8_t> section) noexcept;
  void take_sdt(const Sdt& sdt);
  void on_pmt(std::span<const std::uint8_t> section) noexcept;
  void take_pmt(const Pmt& pmt);
  void pass_pid(Pid pid) noexcept {
    if (pid.value >= kFirstFreePid && pid != kNullPid) passed.set(pid.value);
  }
  void pass_ca(const Descriptors& descriptors) noexcept;
  void emit(Pid pid, std::span<const std::uint8_t> section, std::uint8_t& continuity) noexcept;
  bool pmt_shared() const noexcept { return programs_on_pid[pmt_pid.value] > 1; }

  ServiceSelector selector;
  std::optional<std::uint16_t> wanted;  // the program_number, from a name once the SDT has told
  State state = State::waiting_for_pat;

  SectionAssembler pat_assembler{kPatPid};
  SectionAssembler sdt_assembler{kSdtPid};
  SectionAssembler pmt_assembler{kNullPid};
  SeenSections pat_seen;
  SeenSections sdt_seen;
  std::array<std::uint8_t, kPidCount> programs_on_pid{};  // of the PAT as far as seen; saturates
  bool in_pat = false;                                    // the program is in what has come of this PAT
  std::uint8_t pat_section_number = 0;                    // where
  int sdt_section_number = -1;

  Pid pmt_pid = kNullPid;
  std::uint32_t pmt_crc = 0;
  bool have_pmt = false;
  Pid pcr_pid = kNullPid;
  std::bitset<kPidCount> passed;

  // What goes out: our own sections, their versions and counters.
  Pat pat_sent;
  std::vector<std::uint8_t> pat_section;
  Sdt sdt_sent;
  std::vector<std::uint8_t> sdt_section;
  std::uint8_t pat_continuity = 0;
  std::uint8_t sdt_continuity = 0;
  std::uint8_t pmt_continuity = 0;
  std::array<std::uint8_t, 32 * kPacketSize> out{};  // more than the longest section (4096 bytes, 23 packets)
  std::size_t out_size = 0;
};

ServiceFilter::Verdict ServiceFilter::Impl::on_packet(const TsPacket& packet) noexcept {
  out_size = 0;
  if (!packet.has_sync()) return Verdict::drop;
  const Pid pid = packet.pid();
  if (pid == kPatPid) {
    pat_assembler.on_packet(packet, *this);
    return out_size > 0 ? Verdict::replace : Verdict::drop;
  }
  if (pid == kSdtPid) {
    sdt_assembler.on_packet(packet, *this);
    return out_size > 0 ? Verdict::replace : Verdict::drop;
  }
  if (pid == kTdtPid) return state == State::running ? Verdict::pass : Verdict::drop;
  if (pmt_pid != kNullPid && pid == pmt_pid) {
    pmt_assembler.on_packet(packet, *this);
    if (pmt_shared()) return out_size > 0 ? Verdict::replace : Verdict::drop;
    out_size = 0;
    pmt_continuity = (packet.continuity_counter() + (packet.has_payload() ? 1 : 0)) & 0x0F;
    return Verdict::pass;
  }
  return passed[pid.value] ? Verdict::pass : Verdict::drop;
}

void ServiceFilter::Impl::on_section(Pid pid, std::span<const std::uint8_t> section) noexcept {
  // Only long sections, which have passed their CRC, that apply now.
  if (section.size() < 12 || (section[1] & 0x80) == 0 || (section[5] & 1) == 0) return;
  if (pid == kPatPid) {
    if (section[0] == 0x00) on_pat(section);
  } else if (pid == kSdtPid) {
    if (section[0] == kSdtActual) on_sdt(section);
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
  if (in_pat && section[6] == pat_section_number) emit(kPatPid, pat_section, pat_continuity);
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
    pat_section_number = pat.section_number;
    Pat ours;
    ours.transport_stream_id = pat.transport_stream_id;
    ours.entries = {entry};
    ours.version = pat_sent.version;
    // Our PAT changes less often than the multiplex's, and by name even without it: the version is our own.
    if (pat_section.empty()) {
      ours.version = pat.version;
    } else if (!(ours == pat_sent)) {
      ours.version = (pat_sent.version + 1) & 0x1F;
    }
    pat_sent = ours;
    pat_section = ours.to_section();
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
  if (pid == pmt_pid) return;
  pmt_pid = pid;
  pmt_assembler = SectionAssembler{pid};
  have_pmt = false;  // the elementary streams of the old one go on until the new PMT comes
  if (state != State::running) state = State::waiting_for_pmt;
}

void ServiceFilter::Impl::on_sdt(std::span<const std::uint8_t> section) noexcept {
  const auto seen = sdt_seen.take(section);
  if (seen == SeenSections::Kind::new_table) sdt_section_number = -1;
  if (seen != SeenSections::Kind::repeated) {
    if (const auto sdt = Sdt::parse(section)) take_sdt(*sdt);
  }
  if (in_pat && sdt_section_number == section[6]) emit(kSdtPid, sdt_section, sdt_continuity);
}

void ServiceFilter::Impl::take_sdt(const Sdt& sdt) {
  const auto* name = std::get_if<std::string>(&selector.value);
  const auto ours = std::find_if(sdt.services.begin(), sdt.services.end(), [&](const SdtService& service) {
    return name != nullptr ? same_name(trimmed(service.name()), trimmed(*name))
                           : service.service_id == *wanted;
  });
  if (ours != sdt.services.end() && sdt_section_number < 0) {
    sdt_section_number = sdt.section_number;
    if (wanted != ours->service_id) {
      wanted = ours->service_id;
      pat_seen.forget();  // look for it in the next PAT, changed or not
    }
    Sdt next;
    next.transport_stream_id = sdt.transport_stream_id;
    next.original_network_id = sdt.original_network_id;
    next.services = {*ours};
    if (sdt_section.empty()) {
      next.version = sdt.version;
    } else {
      const bool same = next.services == sdt_sent.services &&
                        next.transport_stream_id == sdt_sent.transport_stream_id &&
                        next.original_network_id == sdt_sent.original_network_id;
      next.version = same ? sdt_sent.version : (sdt_sent.version + 1) & 0x1F;
    }
    sdt_section = next.to_section();
    sdt_sent = std::move(next);
  }
  if (name != nullptr && sdt_section_number < 0 && sdt_seen.complete()) {
    wanted.reset();
    in_pat = false;
    lose_program();
  }
}

void ServiceFilter::Impl::on_pmt(std::span<const std::uint8_t> section) noexcept {
  const auto number = static_cast<std::uint16_t>(section[3] << 8 | section[4]);
  if (!wanted || number != *wanted) return;
  const std::uint32_t crc = crc_of(section);
  if (!have_pmt || crc != pmt_crc) {
    const auto pmt = Pmt::parse(section);
    if (!pmt) return;
    pmt_crc = crc;
    take_pmt(*pmt);
  }
  if (pmt_shared()) emit(pmt_pid, section, pmt_continuity);
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
  for (std::size_t index = 0;; ++index) {
    const auto body = descriptors.find(kCaDescriptor, index);
    if (!body) return;
    if (body->size() >= 4) pass_pid(Pid{static_cast<std::uint16_t>(((*body)[2] & 0x1F) << 8 | (*body)[3])});
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

ServiceFilter::Verdict ServiceFilter::on_packet(const TsPacket& packet) noexcept {
  return impl_->on_packet(packet);
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

#include "mpegts/monitor/psi_collector.h"

#include <algorithm>

#include "mpegts/monitor/si_monitor.h"
#include "mpegts/scte35/splice_info.h"

namespace headgate::mpegts {
namespace {

constexpr std::size_t kMaxWatched = 256;
constexpr std::size_t kMaxPrograms = 4096;
constexpr std::size_t kMaxTables = 65'536;
constexpr std::size_t kMaxPsipPids = 64;  // so that an MGT leaves room for PMTs
constexpr std::uint8_t kTotTableId = 0x73;

const char* table_name(std::uint8_t table_id) noexcept {
  if (table_id >= 0x50 && table_id <= 0x5F) return "EIT schedule actual";
  if (table_id >= 0x60 && table_id <= 0x6F) return "EIT schedule other";
  switch (table_id) {
    case 0x00:
      return "PAT";
    case 0x01:
      return "CAT";
    case 0x02:
      return "PMT";
    case 0x40:
      return "NIT actual";
    case 0x41:
      return "NIT other";
    case 0x42:
      return "SDT actual";
    case 0x46:
      return "SDT other";
    case 0x4A:
      return "BAT";
    case 0x4E:
      return "EIT p/f actual";
    case 0x4F:
      return "EIT p/f other";
    case 0x70:
      return "TDT";
    case 0x71:
      return "RST";
    case 0x72:
      return "ST";
    case kTotTableId:
      return "TOT";
    case 0x74:
      return "AIT";
    case kSpliceInfoTableId:
      return "SCTE-35";
    default:
      return "";
  }
}

// ATSC A/65 table 4.1; elsewhere these table_ids are anybody's.
const char* psip_table_name(std::uint8_t table_id) noexcept {
  switch (table_id) {
    case kMgtTableId:
      return "MGT";
    case kTvctTableId:
      return "TVCT";
    case kCvctTableId:
      return "CVCT";
    case kRrtTableId:
      return "RRT";
    case kAtscEitTableId:
      return "PSIP EIT";
    case kEttTableId:
      return "ETT";
    case kSttTableId:
      return "STT";
    default:
      return "";
  }
}

bool has_sections(const PmtStream& stream) noexcept {
  // Not the DSM-CC carousels (0x0B to 0x0D): their tables say nothing here and are many.
  return stream.stream_type == 0x05 || stream_kind(stream) == StreamKind::scte35;
}

}  // namespace

PsiCollector::PsiCollector() {
  for (const Pid pid : {kPatPid, kCatPid, kNitPid, kSdtPid, kEitPid, kRstPid, kTdtPid, kPsipPid}) watch(pid);
}

void PsiCollector::watch(Pid pid) {
  if (pid == kNullPid || assemblers_[pid.value] != nullptr || watched_ == kMaxWatched) return;
  assemblers_[pid.value] = std::make_unique<SectionAssembler>(pid);
  ++watched_;
}

PsiCollector::Events PsiCollector::on_packet(const TsPacket& packet,
                                             std::optional<std::int64_t> arrival_ns) noexcept {
  events_ = {};
  arrival_ns_ = arrival_ns;
  if (const auto& assembler = assemblers_[packet.pid().value]) assembler->on_packet(packet, *this);
  return events_;
}

void PsiCollector::watch_psip() {
  std::size_t left = kMaxPsipPids;
  for (const MgtTable& table : si_.mgt()) {
    if (left-- == 0) return;
    watch(table.pid);
  }
}

bool PsiCollector::is_psip_pid(Pid pid) const noexcept {
  return pid == kPsipPid || std::any_of(si_.mgt().begin(), si_.mgt().end(),
                                        [pid](const MgtTable& table) { return table.pid == pid; });
}

bool PsiCollector::is_pmt_pid(Pid pid) const noexcept {
  for (const auto& [number, program] : programs_) {
    if (program.pmt_pid == pid) return true;
  }
  return false;
}

std::uint16_t PsiCollector::program_of(Pid pid) const noexcept {
  for (const auto& [number, program] : programs_) {
    if (!program.pmt) continue;
    for (const auto& stream : program.pmt->streams) {
      if (stream.pid == pid) return number;
    }
  }
  return 0;
}

void PsiCollector::on_section(Pid pid, std::span<const std::uint8_t> section) noexcept {
  const std::uint8_t table_id = section[0];
  // The TOT's CRC stands there without section_syntax_indicator (EN 300 468 5.2.6).
  if (table_id == kTotTableId && pid == kTdtPid && crc32_mpeg(section) != 0) return on_crc_error(pid);
  const std::pair key{pid.value, table_id};
  if (tables_.size() < kMaxTables || tables_.contains(key)) ++tables_[key];
  if (pid == kPatPid && table_id == 0x00) {
    if (const auto pat = Pat::parse(section); pat && pat->current) take_pat(*pat);
  } else if (table_id == 0x02) {
    if (auto pmt = Pmt::parse(section); pmt && pmt->current) take_pmt(pid, std::move(*pmt));
  } else if (table_id == kSpliceInfoTableId && !is_pmt_pid(pid)) {
    events_.cues.emplace_back(section.begin(), section.end());
  } else if (pid == kSdtPid && table_id == 0x42) {
    if (const auto sdt = Sdt::parse(section); sdt && sdt->current) take_sdt(*sdt);
  } else if (si_.on_section(pid, section, arrival_ns_) && table_id == kMgtTableId) {
    watch_psip();
  }
}

void PsiCollector::take_pat(const Pat& pat) {
  if (pat.version != pat_version_ || pat.transport_stream_id != transport_stream_id_) {
    std::map<std::uint16_t, Program> kept;
    // Programs that go on keep their PMT; it is replaced when it changes.
    for (const auto& entry : pat.entries) {
      if (const auto found = programs_.find(entry.program_number); found != programs_.end())
        kept.insert(*found);
    }
    programs_ = std::move(kept);
    events_.streams_changed = true;
  }
  pat_version_ = pat.version;
  transport_stream_id_ = pat.transport_stream_id;
  for (const auto& entry : pat.entries) {
    if (entry.program_number == 0 || programs_.size() >= kMaxPrograms) continue;
    programs_[entry.program_number].pmt_pid = entry.pid;
    watch(entry.pid);
  }
}

void PsiCollector::take_pmt(Pid pid, Pmt pmt) {
  const auto program = programs_.find(pmt.program_number);
  if (program == programs_.end() || program->second.pmt_pid != pid || program->second.pmt == pmt) return;
  for (const auto& stream : pmt.streams) {
    if (has_sections(stream)) watch(stream.pid);
  }
  program->second.pmt = std::move(pmt);
  events_.streams_changed = true;
}

void PsiCollector::take_sdt(const Sdt& sdt) {
  original_network_id_ = sdt.original_network_id;
  for (const auto& service : sdt.services) {
    if (services_.size() < kMaxPrograms || services_.contains(service.service_id)) {
      services_[service.service_id] = service;
    }
  }
}

std::vector<TableInfo> PsiCollector::tables() const {
  std::vector<TableInfo> list;
  for (const auto& [key, count] : tables_)
    list.push_back({Pid{key.first}, key.second,
                    is_psip_pid(Pid{key.first}) ? psip_table_name(key.second) : table_name(key.second),
                    count});
  return list;
}

}  // namespace headgate::mpegts

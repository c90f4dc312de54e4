#include "mpegts/remux/input_tables.h"

#include <algorithm>

namespace headgate::mpegts::remux {
namespace {

constexpr std::uint8_t kPatTableId = 0x00;  // table 2-31
constexpr std::uint8_t kPmtTableId = 0x02;
constexpr std::uint8_t kSdtActual = 0x42;  // EN 300 468 table 2
constexpr std::uint16_t kFirstFreePid = 0x0010;

bool same(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

bool InputTables::on_packet(const TsPacket& packet) noexcept {
  changed_ = false;
  const Pid pid = packet.pid();
  if (pid == kPatPid) {
    pat_assembler_.on_packet(packet, *this);
  } else if (pid == kSdtPid) {
    sdt_assembler_.on_packet(packet, *this);
  } else if (pid == pmt_pid_ && pid != kNullPid) {
    pmt_assembler_.on_packet(packet, *this);
  }
  return changed_;
}

void InputTables::on_section(Pid pid, std::span<const std::uint8_t> section) noexcept {
  // Only long sections, which have passed their CRC, that apply now.
  if (section.size() < 12 || (section[1] & 0x80) == 0 || (section[5] & 1) == 0) return;
  if (pid == kPatPid) {
    if (section[0] == kPatTableId) take_pat(section);
  } else if (pid == kSdtPid) {
    if (section[0] == kSdtActual) sdt_.on_section(section);
  } else if (section[0] == kPmtTableId) {
    take_pmt(section);
  }
}

void InputTables::take_pat(std::span<const std::uint8_t> section) {
  // A PAT of more than one section is that of a multiplex: which sections have come does not matter.
  const bool several_sections = section[7] != 0;
  if (several_sections) {
    changed_ = programs_ != 2;
    programs_ = 2;
    pat_section_.clear();
    return;
  }
  if (same(section, pat_section_)) return;
  auto pat = Pat::parse(section);
  if (!pat) return;
  changed_ = true;
  const auto is_program = [](const PatEntry& e) {
    return e.program_number != 0 && e.pid.value >= kFirstFreePid && e.pid != kNullPid;
  };
  programs_ = static_cast<int>(
      std::min<std::ptrdiff_t>(2, std::count_if(pat->entries.begin(), pat->entries.end(), is_program)));
  pat_section_.assign(section.begin(), section.end());
  if (programs_ == 1) {
    const auto entry = *std::find_if(pat->entries.begin(), pat->entries.end(), is_program);
    if (entry.pid != pmt_pid_) pmt_assembler_ = SectionAssembler{entry.pid};
    if (entry.pid != pmt_pid_ || entry.program_number != program_number_) {
      pmt_.reset();
      pmt_section_.clear();
    }
    pmt_pid_ = entry.pid;
    program_number_ = entry.program_number;
  }
  pat_ = std::move(*pat);
}

void InputTables::take_pmt(std::span<const std::uint8_t> section) {
  const auto number = static_cast<std::uint16_t>(section[3] << 8 | section[4]);
  if (number != program_number_ || same(section, pmt_section_)) return;
  auto pmt = Pmt::parse(section);
  if (!pmt) return;
  pmt_section_.assign(section.begin(), section.end());
  pmt_ = std::move(pmt);
  changed_ = true;
}

}  // namespace headgate::mpegts::remux

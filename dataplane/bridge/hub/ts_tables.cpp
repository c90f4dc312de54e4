#include "dataplane/bridge/hub/ts_tables.h"

#include <algorithm>

#include "mpegts/es/start_code.h"
#include "mpegts/pes/pes_packet.h"

namespace headgate::bridge::hub {

using mpegts::Pid;
using mpegts::StreamKind;
using mpegts::TsPacket;

namespace {

// What stands at random access points only: a sequence header, a parameter set, an IRAP picture. Looks at the
// PES packet's first transport packet, where encoders put it.
bool begins_sequence(StreamKind kind, std::span<const std::uint8_t> payload) {
  const auto header = mpegts::PesHeader::parse(payload);
  if (!header || header->payload_offset > payload.size()) return false;
  const auto es = payload.subspan(header->payload_offset);
  for (std::size_t at = mpegts::es::find_start_code(es, 0); at + 3 < es.size();
       at = mpegts::es::find_start_code(es, at + 3)) {
    const std::uint8_t code = es[at + 3];
    if (kind == StreamKind::mpeg2_video && code == 0xB3) return true;
    if (kind == StreamKind::h264 && ((code & 0x1F) == 7 || (code & 0x1F) == 5)) return true;
    const std::uint8_t hevc = code >> 1 & 0x3F;
    if (kind == StreamKind::hevc && ((hevc >= 16 && hevc <= 21) || hevc == 32 || hevc == 33)) return true;
  }
  return false;
}

void append_packets(std::vector<std::uint8_t>& out, Pid pid, std::span<const std::uint8_t> section,
                    std::uint8_t last) {
  const std::size_t count = mpegts::packed_packets(section.size());
  const auto first = static_cast<std::uint8_t>((last + 1U - count) & 0x0F);
  const auto packed = mpegts::pack_section(pid, section, first);
  out.insert(out.end(), packed.begin(), packed.end());
}

}  // namespace

TsTables::TsTables() : is_pmt_(mpegts::kPidCount, false) {}
TsTables::~TsTables() = default;

void TsTables::on_packet(const TsPacket& packet) {
  const Pid pid = packet.pid();
  if (packet.transport_error() || (pid != mpegts::kPatPid && !is_pmt_[pid.value])) return;
  if (pid == mpegts::kPatPid) {
    pat_continuity_ = packet.continuity_counter();
    pat_assembler_.on_packet(packet, *this);
    return;
  }
  for (std::size_t i = 0; i < programs_.size(); ++i) {
    if (programs_[i]->pid != pid) continue;
    programs_[i]->continuity = packet.continuity_counter();
    programs_[i]->assembler.on_packet(packet, *this);
  }
}

void TsTables::on_gap() {
  pat_assembler_.reset();
  for (auto& program : programs_) program->assembler.reset();
}

void TsTables::on_section(Pid pid, std::span<const std::uint8_t> section) noexcept {
  if (pid == mpegts::kPatPid) return take_pat(section);
  // A PID may carry the tables of several programmes.
  auto pmt = mpegts::Pmt::parse(section);
  if (!pmt || !pmt->current) return;
  for (auto& program : programs_) {
    if (program->pid != pid || program->number != pmt->program_number) continue;
    if (std::ranges::equal(program->section, section)) return;
    program->section.assign(section.begin(), section.end());
    program->pmt = std::move(*pmt);
    return choose();
  }
}

void TsTables::take_pat(std::span<const std::uint8_t> section) {
  if (std::ranges::equal(pat_, section)) return;
  const auto pat = mpegts::Pat::parse(section);
  if (!pat || !pat->current || pat->section_number != 0) return;
  pat_.assign(section.begin(), section.end());
  std::vector<std::unique_ptr<Program>> programs;
  for (const mpegts::PatEntry& entry : pat->entries) {
    if (entry.program_number == 0 || programs.size() == kMaxPrograms) continue;
    const auto old = std::find_if(programs_.begin(), programs_.end(), [&](const auto& p) {
      return p && p->number == entry.program_number && p->pid == entry.pid;
    });
    if (old != programs_.end()) {
      programs.push_back(std::move(*old));
    } else {
      programs.push_back(std::make_unique<Program>(
          Program{entry.program_number, entry.pid, mpegts::SectionAssembler(entry.pid), {}, {}, 0}));
    }
  }
  std::ranges::sort(programs, {}, [](const auto& p) { return p->number; });
  programs_ = std::move(programs);
  is_pmt_.assign(mpegts::kPidCount, false);
  for (const auto& program : programs_) is_pmt_[program->pid.value & 0x1FFF] = true;
  choose();
}

void TsTables::choose() {
  watched_ = mpegts::kNullPid;
  for (const bool video : {true, false}) {
    for (const auto& program : programs_) {
      if (!program->pmt) continue;
      for (const mpegts::PmtStream& stream : program->pmt->streams) {
        const StreamKind kind = mpegts::stream_kind(stream);
        if (!(video ? mpegts::is_video(kind) : mpegts::is_audio(kind))) continue;
        watched_ = stream.pid;
        watched_kind_ = kind;
        return;
      }
    }
  }
}

bool TsTables::begins_random_access(const TsPacket& packet) const {
  if (packet.pid() != watched_ || watched_ == mpegts::kNullPid || !packet.payload_unit_start() ||
      packet.transport_error()) {
    return false;
  }
  if (!mpegts::is_video(watched_kind_) || packet.random_access()) return true;
  return packet.scrambling_control() == 0 && begins_sequence(watched_kind_, packet.payload());
}

TsTables::Mark TsTables::mark() const {
  Mark mark;
  if (!pat_.empty()) mark.tables.push_back({mpegts::kPatPid, pat_continuity_, pat_});
  for (const auto& program : programs_) {
    if (!program->section.empty())
      mark.tables.push_back({program->pid, program->continuity, program->section});
  }
  return mark;
}

void TsTables::rewind(Mark& mark, const TsPacket& packet) {
  if (!packet.has_payload()) return;
  for (Mark::Table& table : mark.tables) {
    if (table.pid == packet.pid()) table.continuity = (table.continuity + 15U) & 0x0F;
  }
}

std::vector<std::uint8_t> TsTables::packets(const Mark& mark) {
  std::vector<std::uint8_t> out;
  // Of several sections of one PID the last ends with the counter that was the last: count from behind.
  for (std::size_t i = 0; i < mark.tables.size(); ++i) {
    const auto& table = mark.tables[i];
    std::size_t behind = 0;
    for (std::size_t k = i + 1; k < mark.tables.size(); ++k) {
      if (mark.tables[k].pid == table.pid) behind += mpegts::packed_packets(mark.tables[k].section.size());
    }
    append_packets(out, table.pid, table.section,
                   static_cast<std::uint8_t>((table.continuity + 16U * 64U - behind) & 0x0F));
  }
  return out;
}

}  // namespace headgate::bridge::hub

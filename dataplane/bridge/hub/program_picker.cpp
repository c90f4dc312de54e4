#include "dataplane/bridge/hub/program_picker.h"

#include <algorithm>

namespace headgate::bridge::hub {

using mpegts::Pid;

ProgramPicker::ProgramPicker() : pat_assembler_(mpegts::kPatPid), flags_(mpegts::kPidCount, 0) {}
ProgramPicker::~ProgramPicker() = default;

bool ProgramPicker::on_packet(const mpegts::TsPacket& packet, std::int64_t arrival_ns) {
  changed_ = false;
  const Pid pid = packet.pid();
  if (pid == mpegts::kPatPid) {
    pat_assembler_.on_packet(packet, *this);
    if (changed_) since_ns_ = arrival_ns;
  } else if ((flags_[pid.value] & kPmtPid) != 0) {
    // Several services may share a PMT PID; the first assembler with it serves them all.
    const auto program = std::find_if(programs_.begin(), programs_.end(),
                                      [&](const Program& p) { return p.pid == pid && p.assembler; });
    if (program != programs_.end()) program->assembler->on_packet(packet, *this);
  }
  if (chosen_ == nullptr && !programs_.empty()) {
    if (packet.has_payload())
      flags_[pid.value] |= packet.scrambling_control() == 0 ? kSeenClear : kSeenScrambled;
    choose(arrival_ns);
  }
  return changed_;
}

void ProgramPicker::on_gap() {
  pat_assembler_.reset();
  for (Program& p : programs_) {
    if (p.assembler) p.assembler->reset();
  }
}

void ProgramPicker::on_section(Pid pid, std::span<const std::uint8_t> section) noexcept {
  if (section.empty()) return;
  if (pid == mpegts::kPatPid && section[0] == 0x00) {  // table 2-31: program_association_section
    auto pat = mpegts::Pat::parse(section);
    if (pat && pat->current) take_pat(std::move(*pat));
  } else if (section[0] == 0x02) {  // TS_program_map_section
    auto pmt = mpegts::Pmt::parse(section);
    if (pmt && pmt->current) take_pmt(pid, std::move(*pmt));
  }
}

void ProgramPicker::on_crc_error(Pid) noexcept { ++crc_errors_; }

void ProgramPicker::take_pat(mpegts::Pat&& pat) {
  // Only single-section PATs: more than 250 services in one channel is no broadcast.
  if (pat.section_number != 0) return;
  if (pat_ && pat_->entries == pat.entries && pat_->transport_stream_id == pat.transport_stream_id) return;
  const std::optional<std::uint16_t> kept =
      chosen_ != nullptr ? std::optional<std::uint16_t>(chosen_->number) : std::nullopt;
  std::vector<Program> programs;
  std::fill(flags_.begin(), flags_.end(), std::uint8_t{0});
  for (const mpegts::PatEntry& entry : pat.entries) {
    if (entry.program_number == 0 || programs.size() >= kMaxPrograms) continue;
    const auto old = std::find_if(programs_.begin(), programs_.end(), [&](const Program& p) {
      return p.number == entry.program_number && p.pid == entry.pid;
    });
    Program program;
    if (old != programs_.end()) program.pmt = std::move(old->pmt);
    program.number = entry.program_number;
    program.pid = entry.pid;
    const bool shared = (flags_[entry.pid.value] & kPmtPid) != 0;
    if (!shared) program.assembler = std::make_unique<mpegts::SectionAssembler>(entry.pid);
    flags_[entry.pid.value] |= kPmtPid;
    programs.push_back(std::move(program));
  }
  std::stable_sort(programs.begin(), programs.end(),
                   [](const Program& a, const Program& b) { return a.number < b.number; });
  programs_ = std::move(programs);
  pat_ = std::move(pat);
  chosen_ = nullptr;
  for (Program& p : programs_) {
    if (kept && p.number == *kept && p.pmt) chosen_ = &p;
  }
  changed_ = true;
}

void ProgramPicker::take_pmt(Pid pid, mpegts::Pmt&& pmt) {
  const auto program = std::find_if(programs_.begin(), programs_.end(), [&](const Program& p) {
    return p.number == pmt.program_number && p.pid == pid;
  });
  if (program == programs_.end() || (program->pmt && *program->pmt == pmt)) return;
  program->pmt = std::move(pmt);
  if (&*program == chosen_) changed_ = true;
}

ProgramPicker::Program* ProgramPicker::best(bool video, bool wait_for_unseen) {
  for (Program& p : programs_) {
    if (!p.pmt) {
      if (wait_for_unseen) return nullptr;
      continue;
    }
    bool seen = false;
    bool any = false;
    for (const mpegts::PmtStream& s : p.pmt->streams) {
      const mpegts::StreamKind kind = mpegts::stream_kind(s);
      if (video ? !mpegts::is_video(kind) : !mpegts::is_audio(kind)) continue;
      any = true;
      const std::uint8_t flags = flags_[s.pid.value];
      if ((flags & kSeenClear) != 0) return &p;
      seen = seen || (flags & kSeenScrambled) != 0;
    }
    if (any && !seen && wait_for_unseen) return nullptr;
  }
  return nullptr;
}

void ProgramPicker::choose(std::int64_t arrival_ns) {
  if (programs_.size() == 1) {
    if (programs_[0].pmt) chosen_ = &programs_[0];
  } else {
    const bool patient = arrival_ns - since_ns_ < kPatienceNs;
    chosen_ = best(true, patient);
    if (chosen_ == nullptr && !patient) chosen_ = best(false, false);
  }
  if (chosen_ != nullptr) changed_ = true;
}

}  // namespace headgate::bridge::hub

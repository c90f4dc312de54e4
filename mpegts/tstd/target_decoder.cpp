#include "mpegts/tstd/target_decoder.h"

#include <algorithm>

namespace headgate::mpegts {

TargetDecoder::TargetDecoder() { stream_of_.fill(kNone); }

void TargetDecoder::on_pmt(Pid pmt_pid, const Pmt& pmt) {
  auto found = program_of_.find(pmt.program_number);
  if (found == program_of_.end()) {
    if (programs_.size() == kMostPrograms) return;
    found = program_of_.emplace(pmt.program_number, programs_.size()).first;
    programs_.emplace_back();
  }
  Program& program = programs_[found->second];
  program.pmt_pid = pmt_pid;
  program.pcr_pid = pmt.pcr_pid;
  if (pmt.pcr_pid == kNullPid) return;
  if (clocks_.size() >= 2 * kMostPrograms && !clocks_.contains(pmt.pcr_pid)) return;
  clocks_[pmt.pcr_pid];
  for (const PmtStream& stream : pmt.streams) {
    const StreamKind kind = stream_kind(stream);
    if (is_video(kind) || is_audio(kind)) add_stream(stream, pmt.pcr_pid, pmt.program_number);
  }
}

void TargetDecoder::add_stream(const PmtStream& stream, Pid pcr_pid, std::uint16_t program) {
  std::uint16_t& index = stream_of_[stream.pid.value];
  if (index == kNone) {
    if (streams_.size() == kMostStreams) return;
    index = static_cast<std::uint16_t>(streams_.size());
    streams_.push_back(std::make_unique<StreamBuffers>(stream, pes_bytes_));
    clock_of_.push_back(pcr_pid);
    owner_of_.push_back(program);
    clocks_[pcr_pid].streams.push_back(index);
    return;
  }
  const bool same_clock = clock_of_[index] == pcr_pid;
  const bool own = owner_of_[index] == program;
  if (same_clock ? !own || streams_[index]->stream() == stream : !own && pcr_pid != stream.pid) return;
  Clock& before = clocks_[clock_of_[index]];
  std::erase_if(before.waiting, [&](const Waiting& it) { return it.stream == index; });
  if (!same_clock) {
    std::erase(before.streams, index);
    clock_of_[index] = pcr_pid;
    clocks_[pcr_pid].streams.push_back(index);
  }
  owner_of_[index] = program;
  streams_[index] = std::make_unique<StreamBuffers>(stream, pes_bytes_);
}

void TargetDecoder::on_pcr(Pid pid, Pcr27MHz pcr, std::optional<std::uint64_t> step, std::uint64_t number) {
  const auto found = clocks_.find(pid);
  if (found == clocks_.end()) return;
  Clock& clock = found->second;
  const bool ran = clock.time.running();
  if (clock.time.on_pcr(pcr, step, number)) {
    const std::int64_t duration = clock.time.duration();
    const std::uint64_t rate = clock.time.transport_bps();
    for (const Waiting& waiting : clock.waiting) {
      const std::int64_t tick = clock.time.begin_of(waiting.packet.number);
      if (waiting.stream < kSystem) {
        streams_[waiting.stream]->arrive(waiting.packet, tick, duration);
        continue;
      }
      Program& program = programs_[waiting.stream - kSystem];
      program.system.set_transport_rate(rate);
      program.system.enter(tick, duration, waiting.packet.payload, waiting.packet.header);
      program.judged = true;
    }
    for (const std::uint16_t stream : clock.streams) streams_[stream]->advance(clock.time);
  } else if (ran) {
    for (const std::uint16_t stream : clock.streams) streams_[stream]->on_jump();
  }
  clock.waiting.clear();
}

void TargetDecoder::wait(Pid pcr_pid, const StreamPacket& packet, std::uint16_t target) {
  const auto found = clocks_.find(pcr_pid);
  if (found == clocks_.end() || !found->second.time.running()) return;
  Clock& clock = found->second;
  if (clock.waiting.size() < kMostWaiting) {
    clock.waiting.push_back({packet, target});
    return;
  }
  // Far more than comes between two PCRs: what is in between has no time.
  clock.waiting.clear();
  clock.time = ProgramTime();
  for (const std::uint16_t stream : clock.streams) streams_[stream]->on_jump();
}

void TargetDecoder::on_packet(const TsPacket& packet, std::uint64_t number, bool duplicate, bool lost) {
  const Pid pid = packet.pid();
  StreamPacket brought;
  brought.number = number;
  const bool common = pid == kPatPid || pid == kCatPid;
  if (const std::uint16_t index = stream_of_[pid.value]; index != kNone && !common) {
    const Clock& clock = clocks_[clock_of_[index]];
    if (clock.time.running())
      wait(clock_of_[index], streams_[index]->on_packet(packet, number, duplicate, lost, clock.time), index);
    return;
  }
  // Sections go on to B_sys, what stuffs the packet behind them doesn't. (A section whose last byte is 0xFF
  // counts for one byte less.)
  auto section = packet.payload();
  if (packet.payload_unit_start() && !section.empty()) section = section.subspan(1);  // pointer_field
  while (!section.empty() && section.back() == 0xFF) section = section.first(section.size() - 1);
  if (!duplicate) brought.payload = static_cast<std::uint8_t>(section.size());
  brought.header = static_cast<std::uint8_t>(kPacketSize - packet.payload().size());
  for (std::size_t i = 0; i < programs_.size(); ++i) {
    if (common || programs_[i].pmt_pid == pid)
      wait(programs_[i].pcr_pid, brought, static_cast<std::uint16_t>(kSystem + i));
  }
}

void TargetDecoder::finish() {
  for (std::size_t i = 0; i < streams_.size(); ++i) streams_[i]->finish(clocks_[clock_of_[i]].time);
}

std::optional<TstdInfo> TargetDecoder::info(Pid pid) const {
  if (const std::uint16_t index = stream_of_[pid.value]; index != kNone) return streams_[index]->info();
  std::optional<TstdInfo> out;
  for (const Program& program : programs_) {
    if (program.pmt_pid != pid || !program.judged) continue;
    if (!out) {
      out.emplace();
      out->transport_bps = TransportBuffer::kSystemLeak;
      out->transport.size = TransportBuffer::kBytes;
      out->main = TstdBuffer{SystemBuffers::kBytes, 0, 0};
    }
    const SystemBuffers& system = program.system;
    out->transport.most =
        std::max(out->transport.most, static_cast<std::uint64_t>(system.most_transport_bytes()));
    out->transport.overflows += system.transport_overflows();
    out->main->most = std::max(out->main->most, static_cast<std::uint64_t>(system.most_main_bytes()));
    out->main->overflows += system.main_overflows();
    out->not_emptied += system.not_emptied();
  }
  return out;
}

}  // namespace headgate::mpegts

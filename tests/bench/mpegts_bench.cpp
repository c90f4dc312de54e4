// The transport stream library by itself: the analyzer that probe and status use, the assembly of sections,
// playing out and the constant rate. Generated streams; the analyzer also takes the file that
// HEADGATE_BENCH_STREAM names.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <span>
#include <vector>

#include "mpegts/clock/playout.h"
#include "mpegts/monitor/stream_analyzer.h"
#include "mpegts/mux/multiplexer.h"
#include "mpegts/mux/rate_schedule.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"

namespace {

using namespace headgate::mpegts;
using Bytes = std::vector<std::uint8_t>;

TsPacket packet_at(const Bytes& stream, std::size_t at) {
  return TsPacket(std::span<const std::uint8_t>(stream).subspan(at).first<kPacketSize>());
}

void append(Bytes& to, const Bytes& from) { to.insert(to.end(), from.begin(), from.end()); }

// Twenty programs of two streams, tables every 200 packets; a whole number of rounds of the counters.
Bytes generated_multiplex() {
  Pat pat;
  std::vector<Pmt> pmts;
  for (std::uint16_t i = 1; i <= 20; ++i) {
    pat.entries.push_back({i, Pid{static_cast<std::uint16_t>(0x20 + i)}});
    Pmt pmt;
    pmt.program_number = i;
    pmt.pcr_pid = Pid{static_cast<std::uint16_t>(0x100 + 2 * i)};
    pmt.streams = {{0x06, pmt.pcr_pid, {}}, {0x06, Pid{static_cast<std::uint16_t>(0x101 + 2 * i)}, {}}};
    pmts.push_back(pmt);
  }
  Bytes stream;
  std::vector<std::uint8_t> counters(kPidCount);
  for (std::uint8_t round = 0; round < 16; ++round) {
    append(stream, pack_section(kPatPid, pat.to_section(), round));
    for (std::size_t i = 0; i < pmts.size(); ++i)
      append(stream, pack_section(pat.entries[i].pid, pmts[i].to_section(), round));
    for (std::uint16_t i = 0; i < 200; ++i) {
      const auto pid = static_cast<std::uint16_t>(0x102 + i % 40);
      Bytes packet(kPacketSize, 0x5A);
      packet[0] = kSyncByte;
      packet[1] = static_cast<std::uint8_t>(pid >> 8);
      packet[2] = static_cast<std::uint8_t>(pid);
      packet[3] = static_cast<std::uint8_t>(0x10 | (counters[pid]++ & 0x0F));
      append(stream, packet);
    }
  }
  return stream;
}

Bytes stream_to_analyze() {
  const char* path = std::getenv("HEADGATE_BENCH_STREAM");
  if (path == nullptr) return generated_multiplex();
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void BM_AnalyzePacket(benchmark::State& state) {
  const Bytes stream = stream_to_analyze();
  if (stream.size() < kPacketSize) return state.SkipWithError("there is no stream");
  StreamAnalyzer analyzer;
  std::size_t at = 0;
  for (auto _ : state) {
    analyzer.on_packet(packet_at(stream, at));
    at = at + 2 * kPacketSize <= stream.size() ? at + kPacketSize : 0;
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kPacketSize));
}

struct Counting : SectionSink {
  void on_section(Pid, std::span<const std::uint8_t> section) noexcept override { bytes += section.size(); }
  void on_crc_error(Pid) noexcept override { ++errors; }
  std::size_t bytes = 0;
  std::size_t errors = 0;
};

// A PAT of as many programs as the argument says, section by section, CRC included.
void BM_AssembleSection(benchmark::State& state) {
  Pat pat;
  for (std::uint16_t i = 1; i <= state.range(0); ++i)
    pat.entries.push_back({i, Pid{static_cast<std::uint16_t>(0x20 + i)}});
  Bytes stream;
  for (std::uint8_t cc = 0, i = 0; i < 16; ++i) {
    const Bytes packets = pack_section(kPatPid, pat.to_section(), cc);
    cc = static_cast<std::uint8_t>((cc + packets.size() / kPacketSize) & 0x0F);
    append(stream, packets);
  }
  SectionAssembler assembler(kPatPid);
  Counting sink;
  std::size_t packets = 0;
  for (auto _ : state) {
    for (std::size_t at = 0; at < stream.size(); at += kPacketSize)
      assembler.on_packet(packet_at(stream, at), sink);
    packets += stream.size() / kPacketSize;
  }
  if (sink.errors > 0 || sink.bytes == 0) state.SkipWithError("the sections don't come out");
  state.SetItemsProcessed(static_cast<std::int64_t>(packets));
}

// A stream of so many Mb/s, its PCR each 35 ms, as it comes in datagrams of seven packets.
class PacedStream {
 public:
  explicit PacedStream(std::int64_t megabits)
      : gap_ns_(1504 * 1000 / megabits), every_(35'000'000 / gap_ns_) {
    for (std::size_t i = 0; i < kPackets; ++i) {
      std::uint8_t* packet = bytes_.data() + i * kPacketSize;
      packet[0] = kSyncByte;
      packet[1] = 0x01;
      packet[3] = 0x10;
    }
  }
  std::span<const std::uint8_t> next() {
    for (std::size_t i = 0; i < kPackets; ++i, ++number_) {
      std::uint8_t* packet = bytes_.data() + i * kPacketSize;
      const bool pcr = number_ % every_ == 0;
      packet[3] = pcr ? 0x30 : 0x10;
      if (pcr) write_pcr(packet, static_cast<std::uint64_t>(number_ * gap_ns_) * 27 / 1000);
    }
    return bytes_;
  }
  std::int64_t now() const { return 1'700'000'000'000'000'000 + number_ * gap_ns_; }

 private:
  static constexpr std::size_t kPackets = 7;
  static void write_pcr(std::uint8_t* packet, std::uint64_t pcr) {
    const std::uint64_t base = pcr / 300 % kPtsModulus;
    packet[4] = 7;
    packet[5] = 0x10;
    for (int i = 0; i < 4; ++i) packet[6 + i] = static_cast<std::uint8_t>(base >> (25 - 8 * i));
    packet[10] = static_cast<std::uint8_t>((base & 1) << 7 | 0x7E | pcr % 300 >> 8);
    packet[11] = static_cast<std::uint8_t>(pcr % 300);
  }
  std::int64_t gap_ns_;
  std::int64_t every_;
  std::int64_t number_ = 0;
  Bytes bytes_ = Bytes(kPackets * kPacketSize, 0x5A);
};

// In and out again, with the memory of a second between them: Mb/s.
void BM_PlayoutPacket(benchmark::State& state) {
  PacedStream stream(state.range(0));
  Playout playout(1'000'000'000, static_cast<std::size_t>(state.range(0)) * 2000);
  std::int64_t packets = 0;
  for (auto _ : state) {
    playout.push(stream.next(), stream.now());
    packets += 7;
    while (playout.next_due_ns() <= stream.now()) {
      const auto batch = playout.pop(stream.now());
      benchmark::DoNotOptimize(batch.packets.data());
    }
  }
  if (playout.counters().underflows + playout.counters().dropped > 0)
    state.SkipWithError("packets were lost");
  state.SetItemsProcessed(packets);
}

// A packet that leaves, every tenth of them put in between: Mb/s of the output.
void BM_RateSchedulePacket(benchmark::State& state) {
  const std::int64_t megabits = state.range(0);
  PacedStream stream(megabits);
  RateSchedule stage(static_cast<std::uint64_t>(megabits) * 1'100'000, 1000);
  RateSchedule::Datagram datagram{};
  std::int64_t packets = 0;
  for (auto _ : state) {
    const auto bytes = stream.next();
    for (std::size_t at = 0; at < bytes.size(); at += kPacketSize)
      stage.push(bytes.subspan(at).first<kPacketSize>(), stream.now());
    while (stage.pop(stream.now(), datagram)) packets += 7;
    benchmark::DoNotOptimize(datagram.bytes.data());
  }
  if (stage.counters().all_dropped() > 0) state.SkipWithError("packets were dropped");
  state.SetItemsProcessed(packets);
}

// A packet that leaves a multiplex of so many members, every tenth of them a null packet or of a table.
void BM_MultiplexPacket(benchmark::State& state) {
  constexpr std::uint64_t kRate = 38'000'000;
  const auto count = static_cast<std::uint16_t>(state.range(0));
  std::vector<std::unique_ptr<MultiplexMember>> members;
  std::vector<MultiplexPlace> places;
  for (std::uint16_t i = 0; i < count; ++i) {
    const MultiplexMember::Identity identity{static_cast<std::uint16_t>(i + 1), i, 1, 1};
    members.push_back(std::make_unique<MultiplexMember>(identity, Multiplexer::most_packets(kRate)));
    places.push_back({members.back().get(), "", "", std::nullopt, 0});
  }
  Multiplexer mux(MultiplexIdentity{}, kRate);
  mux.adopt(places);
  PacedStream stream(34);
  Pat pat;
  pat.entries = {{1, Pid{0x20}}};
  Pmt pmt;
  pmt.program_number = 1;
  pmt.pcr_pid = Pid{0x15A};  // the stream's
  pmt.streams = {{0x1B, Pid{0x15A}, {}}};
  for (const auto& [pid, section] : {std::pair{Pid{0}, pat.to_section()}, {Pid{0x20}, pmt.to_section()}}) {
    const auto packet = pack_section(pid, section, 0);
    for (auto& member : members)
      member->on_packet(TsPacket(std::span<const std::uint8_t>(packet).first<kPacketSize>()), stream.now());
  }
  Multiplexer::Datagram datagram{};
  std::int64_t packets = 0;
  std::size_t turn = 0;
  for (auto _ : state) {
    const auto bytes = stream.next();
    MultiplexMember& member = *members[turn++ % members.size()];
    for (std::size_t at = 0; at < bytes.size(); at += kPacketSize)
      member.on_packet(TsPacket(bytes.subspan(at).first<kPacketSize>()), stream.now());
    while (mux.pop(stream.now(), stream.now(), datagram)) packets += 7;
    benchmark::DoNotOptimize(datagram.bytes.data());
  }
  for (const auto& member : members) {
    if (member->counters().all_dropped() > 0) state.SkipWithError("packets were dropped");
  }
  state.SetItemsProcessed(packets);
}

BENCHMARK(BM_MultiplexPacket)->Arg(2)->Arg(8)->Arg(60);
BENCHMARK(BM_PlayoutPacket)->Arg(5)->Arg(100);
BENCHMARK(BM_RateSchedulePacket)->Arg(5)->Arg(100);
BENCHMARK(BM_AnalyzePacket);
BENCHMARK(BM_AssembleSection)->Arg(1)->Arg(60)->Arg(250);

}  // namespace

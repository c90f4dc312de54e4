// Cycles of one datagram of seven packets in the fast path, step by step: parse, look up and inspect; then
// the header's rewrite, the ring's push, the service cut. Datagrams of 1, 100 and 2,000 channels by turns,
// each of its own memory, so that the caches see what they see in service. Generated streams. The counter
// "cycles/datagram" is the time stamp counter's.
#include <benchmark/benchmark.h>
#include <time.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "dataplane/fastpath/flow/flow_table.h"
#include "dataplane/fastpath/worker/datagram.h"
#include "dataplane/fastpath/worker/inspector.h"
#include "dataplane/fastpath/worker/output_header.h"
#include "dataplane/ring/ring.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"
#include "mpegts/remux/service_filter.h"

namespace {

using namespace headgate;
using Bytes = std::vector<std::uint8_t>;

constexpr std::uint32_t kFirstGroup = 0xEF010000;
constexpr std::size_t kHeaders = 42;
constexpr std::size_t kDatagram = 7 * mpegts::kPacketSize;
constexpr std::int64_t kDatagramNs = 660'000;  // at 16 Mb/s
constexpr mpegts::Pid kPmtPid{0x20};

double seconds_of(clockid_t clock) noexcept {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

std::uint64_t cycles() noexcept {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return 0;
#endif
}

void put16(std::uint8_t* at, std::size_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}

void put_packet(std::uint8_t* at, std::uint16_t pid, std::uint8_t cc) {
  std::memset(at, 0x5A, mpegts::kPacketSize);
  at[0] = mpegts::kSyncByte;
  put16(at + 1, pid);
  at[3] = static_cast<std::uint8_t>(0x10 | (cc & 0x0F));
}

// Sixteen datagrams in a row, so that the continuity counters go round: five of video, one of audio, one
// null.
struct Channel {
  static constexpr std::size_t kFrames = 16;
  std::uint32_t handle = 0;
  std::vector<Bytes> frames;
  std::size_t next = 0;
  fastpath::Inspector inspector;
  fastpath::OutputHeader header;
  std::unique_ptr<mpegts::ServiceFilter> filter;
  Bytes cut = Bytes(2 * kDatagram);
  std::size_t cut_size = 0;
  std::int64_t now_ns = 0;

  explicit Channel(std::size_t index) {
    handle = static_cast<std::uint32_t>(index + 1);
    const auto group = static_cast<std::uint32_t>(kFirstGroup + index);
    for (std::size_t i = 0; i < kFrames; ++i) {
      Bytes frame(kHeaders + kDatagram);
      frame[0] = 0x01;
      put16(&frame[12], 0x0800);
      frame[14] = 0x45;
      put16(&frame[16], 28 + kDatagram);
      frame[22] = 16;
      frame[23] = fastpath::kProtocolUdp;
      put16(&frame[26], 0x0A14);
      put16(&frame[28], 1);
      put16(&frame[30], group >> 16);
      put16(&frame[32], group & 0xFFFF);
      put16(&frame[36], 5000);
      put16(&frame[38], 8 + kDatagram);
      for (std::size_t p = 0; p < 7; ++p) {
        const std::uint16_t pid = p < 5 ? 0x100 : p == 5 ? 0x101 : 0x1FFF;
        const std::size_t count = p < 5 ? 5 * i + p : i;
        put_packet(&frame[kHeaders + p * mpegts::kPacketSize], pid, static_cast<std::uint8_t>(count));
      }
      frames.push_back(std::move(frame));
    }
    inspector.set_monitor(fastpath::Inspector::make_monitor(), fastpath::Inspector::Clock::arrival);
    fastpath::OutputHeader::Address address;
    address.source = 0x0A1E0005;
    address.group = group + 0x10000;
    address.port = 6000;
    header = fastpath::OutputHeader(address);
  }

  // The tables of one service with the video and the audio.
  void start_cut(mpegts::RemuxOptions options = {}) {
    filter = std::make_unique<mpegts::ServiceFilter>(mpegts::ServiceSelector{std::uint16_t{1}},
                                                     std::move(options));
    mpegts::Pat pat;
    pat.entries = {{1, kPmtPid}};
    mpegts::Pmt pmt;
    pmt.program_number = 1;
    pmt.pcr_pid = mpegts::Pid{0x100};
    pmt.streams = {{0x1B, mpegts::Pid{0x100}, {}}, {0x0F, mpegts::Pid{0x101}, {}}};
    for (const auto& [pid, section] :
         {std::pair(mpegts::kPatPid, pat.to_section()), {kPmtPid, pmt.to_section()}}) {
      const Bytes packet = mpegts::pack_section(pid, section, 0);
      filter->on_packet(mpegts::TsPacket(std::span<const std::uint8_t>(packet).first<mpegts::kPacketSize>()),
                        0);
    }
  }
};

struct Load {
  std::vector<std::unique_ptr<Channel>> channels;
  fastpath::FlowTable table;
  std::size_t turn = 0;

  explicit Load(std::size_t count) {
    std::vector<fastpath::Flow> flows;
    for (std::size_t i = 0; i < count; ++i) {
      channels.push_back(std::make_unique<Channel>(i));
      flows.push_back(
          {{static_cast<std::uint32_t>(kFirstGroup + i), 5000, 0, 0}, 0, static_cast<std::uint32_t>(i)});
    }
    if (!fastpath::FlowTable::build(flows, table)) std::abort();
  }

  static constexpr std::size_t kPrefetchAhead = 4;
  static void prefetch(const Channel& channel) {
    const std::uint8_t* frame = channel.frames[channel.next].data();
    __builtin_prefetch(frame);
    for (std::size_t i = 0; i < 7; ++i) __builtin_prefetch(frame + kHeaders + i * mpegts::kPacketSize);
  }

  // The next datagram on its way through parser, table and inspector.
  struct Taken {
    Channel* channel;
    std::span<std::uint8_t> packets;
  };
  Taken take(std::int64_t now) {
    prefetch(*channels[(turn + kPrefetchAhead) % channels.size()]);
    Channel& sender = *channels[turn];
    turn = turn + 1 == channels.size() ? 0 : turn + 1;
    Bytes& frame = sender.frames[sender.next];
    sender.next = (sender.next + 1) % Channel::kFrames;
    const fastpath::Frame parsed = fastpath::parse_frame(frame, 0);
    const std::uint32_t flow = table.find({parsed.destination, parsed.port, parsed.vlan, 0}, parsed.source);
    const auto udp = std::span(frame).subspan(parsed.payload_offset, parsed.payload_size);
    const fastpath::Payload payload = fastpath::parse_payload(udp, false);
    const auto packets = udp.subspan(payload.offset, payload.packets * mpegts::kPacketSize);
    Channel& channel = *channels[flow];
    channel.inspector.on_packets(packets, now);
    return {&channel, packets};
  }
};

template <typename Step>
void run(benchmark::State& state, Load& load, Step step) {
  std::int64_t now = 1'700'000'000'000'000'000;
  const std::uint64_t begin = cycles();
  const double began = seconds_of(CLOCK_MONOTONIC);
  const double ran = seconds_of(CLOCK_THREAD_CPUTIME_ID);
  for (auto _ : state) step(load.take(now += 1000));
  const double cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID) - ran;
  const double rate = static_cast<double>(cycles() - begin) / (seconds_of(CLOCK_MONOTONIC) - began);
  state.counters["cycles/datagram"] = cpu * rate / static_cast<double>(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kDatagram));
  for (const auto& channel : load.channels) {
    if (channel->inspector.totals().cc_errors > 0) state.SkipWithError("the generated stream is broken");
  }
}

void BM_InspectDatagram(benchmark::State& state) {
  Load load(static_cast<std::size_t>(state.range(0)));
  run(state, load, [](const Load::Taken& taken) { benchmark::DoNotOptimize(taken.channel); });
}

void BM_RelayDatagram(benchmark::State& state) {
  Load load(static_cast<std::size_t>(state.range(0)));
  std::uint16_t id = 0;
  run(state, load, [&](const Load::Taken& taken) {
    // Into a copy of the headers' room: the frame is parsed again in a later round.
    std::array<std::uint8_t, fastpath::OutputHeader::kMaxSize> room;
    taken.channel->header.write(room.data(), 7, id++, 0, 0);
    benchmark::DoNotOptimize(room);
  });
}

// The consumer's side, on the same core, is in it.
void BM_BridgedDatagram(benchmark::State& state) {
  Load load(static_cast<std::size_t>(state.range(0)));
  std::string pattern = (std::filesystem::temp_directory_path() / "headgate-bench-XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  auto producer = *ring::Producer::open(folder / "ring", 16 * 1024 * 1024 / sizeof(ring::Slot));
  auto consumer = *ring::Consumer::open(folder / "ring");
  producer->set_channel_count(load.channels.size());
  ring::Slot slot{};
  std::size_t waiting = 0;
  run(state, load, [&](const Load::Taken& taken) {
    slot.channel = taken.channel->handle;
    slot.packet_count = 7;
    if (!producer->push(slot, taken.packets)) state.SkipWithError("the ring is full");
    if (++waiting < 64) return;
    waiting = 0;
    producer->flush();
    consumer->poll(64, [](const ring::Slot& got) { benchmark::DoNotOptimize(got.channel); });
  });
  std::filesystem::remove_all(folder);
}

void cut_datagrams(benchmark::State& state, const mpegts::RemuxOptions& options) {
  Load load(static_cast<std::size_t>(state.range(0)));
  for (const auto& channel : load.channels) channel->start_cut(options);
  run(state, load, [](const Load::Taken& taken) {
    Channel& channel = *taken.channel;
    channel.now_ns += kDatagramNs;
    for (std::size_t at = 0; at < taken.packets.size(); at += mpegts::kPacketSize) {
      const auto packet =
          std::span<const std::uint8_t>(taken.packets).subspan(at).first<mpegts::kPacketSize>();
      const auto verdict = channel.filter->on_packet(mpegts::TsPacket(packet), channel.now_ns);
      if (verdict == mpegts::ServiceFilter::Verdict::drop) continue;
      const std::span<const std::uint8_t> out = verdict == mpegts::ServiceFilter::Verdict::pass
                                                    ? std::span<const std::uint8_t>(packet)
                                                    : channel.filter->replacement();
      std::memcpy(channel.cut.data() + channel.cut_size, out.data(), out.size());
      channel.cut_size += out.size();
      if (channel.cut_size < kDatagram) continue;
      channel.cut_size = 0;
      std::array<std::uint8_t, fastpath::OutputHeader::kMaxSize> room;
      channel.header.write(room.data(), 7, 0, 0, 0);
      benchmark::DoNotOptimize(room);
    }
  });
}

void BM_CutDatagram(benchmark::State& state) { cut_datagrams(state, {}); }

// Every packet leaves under another PID.
void BM_RemuxDatagram(benchmark::State& state) {
  mpegts::RemuxOptions options;
  options.service_id = 101;
  options.pids = {{mpegts::parse_role("video").value(), mpegts::Pid{0x200}},
                  {mpegts::parse_role("audio").value(), mpegts::Pid{0x201}}};
  cut_datagrams(state, options);
}

BENCHMARK(BM_InspectDatagram)->Arg(1)->Arg(100)->Arg(2000);
BENCHMARK(BM_RelayDatagram)->Arg(1)->Arg(100)->Arg(2000);
BENCHMARK(BM_BridgedDatagram)->Arg(1)->Arg(100)->Arg(2000);
BENCHMARK(BM_CutDatagram)->Arg(1)->Arg(100)->Arg(2000);
BENCHMARK(BM_RemuxDatagram)->Arg(1)->Arg(100)->Arg(2000);

}  // namespace

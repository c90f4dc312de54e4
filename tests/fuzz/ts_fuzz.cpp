// links: headgate::mpegts
// Any bytes as a file: packet reader, analysis and service filter. The first byte chooses
// the selection (bit 7), whether sections get their right CRC (bit 6), and the size of the pieces read.
// Beside the plain cut goes one with every option.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>

#include "mpegts/clock/pacer.h"
#include "mpegts/monitor/stream_analyzer.h"
#include "mpegts/packet/packet_reader.h"
#include "mpegts/remux/service_filter.h"
#include "tests/fuzz/right_crc.h"

using namespace headgate::mpegts;

namespace {

RemuxOptions every_option(std::uint8_t choice) {
  RemuxOptions options;
  options.service_id = 101;
  options.ca = static_cast<CaHandling>(choice % 3);
  options.provider = "Example";
  const auto rule = [&](const char* role, std::optional<Pid> to) {
    options.pids.push_back({parse_role(role).value(), to});
  };
  rule("video", (choice & 4) != 0 ? std::optional(Pid{0x100}) : std::nullopt);
  rule("audio.eng", Pid{0x101});
  rule("audio", Pid{0x102});
  rule("data", std::nullopt);
  if ((choice & 8) != 0) rule("pmt", Pid{0x20});
  options.pids.push_back({Pid{0x200}, Pid{0x103}});
  return options;
}

// Nothing leaves under a PID of the tables that are left out.
void check_remuxed(ServiceFilter::Verdict verdict, std::span<const std::uint8_t> out) {
  if (verdict == ServiceFilter::Verdict::replace && out.empty()) std::abort();
  for (; out.size() >= kPacketSize; out = out.subspan(kPacketSize)) {
    const TsPacket packet{out.first<kPacketSize>()};
    if (packet.pid() == kNitPid || packet.pid() == kNullPid || !packet.has_sync()) std::abort();
  }
  if (!out.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const bool by_name = (data[0] & 0x80) != 0;
  ServiceSelector selector{std::uint16_t{1}};
  if (by_name) selector.value = std::string{"one"};
  const bool right_crc = (data[0] & 0x40) != 0;
  const std::size_t chunk = (data[0] & 0x3FU) * 32 + 1;
  const std::span<const std::uint8_t> bytes{data + 1, size - 1};

  PacketReader reader;
  StreamAnalyzer analyzer;
  analyzer.model_decoder();
  ServiceFilter filter{selector};
  ServiceFilter remux{{LowestService{}}, every_option(data[1])};
  Pacer pacer;
  LoopRewriter rewriter;
  PacedPacket paced;
  rewriter.next_loop(3000);
  std::uint64_t packets = 0;
  const auto drain = [&] {
    while (const auto item = reader.next()) {
      ++packets;
      if (item->position + kPacketSize > bytes.size()) std::abort();
      std::array<std::uint8_t, kPacketSize> copy;
      std::copy_n(item->packet.bytes().data(), kPacketSize, copy.data());
      if (right_crc) headgate::fuzz::set_right_crc(copy);
      const TsPacket packet{copy};
      analyzer.on_packet(packet);
      const auto verdict = filter.on_packet(packet, static_cast<std::int64_t>(packets) * 1'000'000);
      const auto out = filter.replacement();
      if (out.size() % kPacketSize != 0) std::abort();
      if (verdict == ServiceFilter::Verdict::replace && (out.empty() || out[0] != kSyncByte)) std::abort();
      const auto made = remux.on_packet(packet, static_cast<std::int64_t>(packets) * 1'000'000);
      check_remuxed(made, remux.replacement());
      if (packets % 64 == 0) remux.set_texts("", std::string(packets % 300, 'x'));
      pacer.push(item->packet);
      while (pacer.pop(paced)) rewriter.rewrite(paced.bytes);
    }
  };
  for (std::size_t at = 0; at < bytes.size(); at += chunk) {
    reader.push(bytes.subspan(at, std::min(chunk, bytes.size() - at)));
    drain();
  }
  reader.finish();
  drain();
  if (pacer.end_of_loop() % 300 != 0) std::abort();
  analyzer.set_sync(reader.counters(), reader.packet_size());
  const auto report = analyzer.report();
  if (report.packets != packets || report.packets != reader.counters().packets) std::abort();
  if (packets * kPacketSize + report.skipped_bytes > bytes.size()) std::abort();
  return 0;
}

// links: headgate::mpegts
// A stream for the monitor of TR 101 290 and beside it the sections that its scanner sees, which must be
// those of the assembler. Records of 190 bytes: two of time since the last in 100 us, then a packet, whose
// sync byte is put right.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "mpegts/monitor/section_scanner.h"
#include "mpegts/monitor/stream_monitor.h"
#include "mpegts/psi/section.h"

using namespace headgate::mpegts;

namespace {

struct Count final : SectionSink {
  std::uint64_t sections = 0, damaged = 0;
  void on_section(Pid, std::span<const std::uint8_t>) noexcept override { ++sections; }
  void on_crc_error(Pid) noexcept override { ++damaged; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  StreamMonitor monitor({32, 4, 16});
  SectionScanner scanner;
  SectionAssembler assembler{kSdtPid};
  Count assembled, scanned;
  std::int64_t now = 0;
  for (; size >= 190; data += 190, size -= 190) {
    now += (data[0] << 8 | data[1]) * std::int64_t{100'000};
    std::array<std::uint8_t, kPacketSize> bytes;
    std::memcpy(bytes.data(), data + 2, kPacketSize);
    bytes[0] = kSyncByte;
    const TsPacket packet{bytes};
    if (!packet.transport_error() && monitor.wants(packet)) monitor.on_packet(packet, now);
    if ((data[1] & 3) == 0) monitor.on_time(now);
    if (packet.pid() != kSdtPid) continue;
    assembler.on_packet(packet, assembled);
    scanner.on_packet(packet, [&](const SectionScanner::Section& section) {
      const bool damaged = section.long_form() && !section.crc_ok;
      ++(damaged ? scanned.damaged : scanned.sections);
    });
    if (scanned.sections != assembled.sections || scanned.damaged != assembled.damaged) std::abort();
  }
  monitor.on_time(now);
  const auto once = monitor.counts();
  monitor.on_time(now);
  if (!(monitor.counts() == once)) std::abort();
  return 0;
}

// links: headgate::mpegts
// Packets of four inputs as anyone may send them, and changes of what is wanted between them. A record is a
// byte that says the input (bits 0, 1), whether it is wanted from here on (bit 2) and how much later it comes
// (bits 3 to 7, in 4 ms; from 64 ms on a change is expected after it), and a packet of 188 bytes, whose
// section gets its right CRC.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "mpegts/remux/splicer.h"
#include "tests/fuzz/right_crc.h"

using namespace headgate::mpegts;

namespace {

constexpr std::size_t kRecord = 1 + kPacketSize;

void check(std::span<const std::uint8_t> out) {
  if (out.size() % kPacketSize != 0) std::abort();
  // Memory is bounded: what was held back, a PCR packet for each, tables.
  if (out.size() > 3000 * kPacketSize) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Splicer splicer{4};
  std::int64_t now = 1'700'000'000'000'000'000;
  for (std::span<const std::uint8_t> rest{data, size}; rest.size() >= kRecord; rest = rest.subspan(kRecord)) {
    const std::size_t input = rest[0] & 3U;
    const std::int64_t later = std::int64_t{rest[0] >> 3} * 4'000'000;
    for (std::int64_t passed = 20'000'000; passed <= later; passed += 20'000'000) {
      check(splicer.on_time(now + passed));
    }
    now += later;
    if ((rest[0] & 4U) != 0) splicer.want(input, now);
    splicer.expect_change((rest[0] & 0x80U) != 0);
    std::array<std::uint8_t, kPacketSize> packet;
    std::copy_n(rest.data() + 1, kPacketSize, packet.data());
    headgate::fuzz::set_right_crc(packet);
    const auto out = splicer.on_packet(input, TsPacket{packet}, now);
    check(out);
    const auto air = splicer.on_air();
    if (air && *air >= 4) std::abort();
    if (splicer.take_splice() && splicer.counters().switches == 0) std::abort();
  }
  if (splicer.counters().hard_switches > splicer.counters().switches) std::abort();
  return 0;
}

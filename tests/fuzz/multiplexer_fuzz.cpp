// links: headgate::mpegts
// Packets of four members as anyone may send them. A record is a byte that says the member (bits 0, 1) and
// how much later it comes (bits 2 to 7, in ms), and a packet of 188 bytes, whose section gets its right CRC.
// A byte with all bits set takes the member out and in again.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "mpegts/mux/multiplexer.h"
#include "tests/fuzz/right_crc.h"

using namespace headgate::mpegts;

namespace {

constexpr std::size_t kRecord = 1 + kPacketSize;
constexpr std::uint64_t kRate = 2'000'000;

struct Rig {
  Rig() {
    for (std::size_t i = 0; i < 4; ++i) {
      const MultiplexMember::Identity identity{static_cast<std::uint16_t>(i + 1), i * 20, 5, 6};
      members.push_back(std::make_unique<MultiplexMember>(identity, Multiplexer::most_packets(kRate)));
    }
    adopt();
  }
  void adopt() {
    std::vector<MultiplexPlace> places;
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (in[i]) places.push_back({members[i].get(), "", "", static_cast<std::uint16_t>(i + 1), 0});
    }
    mux.adopt(std::move(places));
  }
  // Whatever came: packets, in rows of their members or of tables.
  void drain(std::int64_t now) {
    while (mux.pop(now, now, datagram)) {
      for (std::size_t at = 0; at < datagram.bytes.size(); at += kPacketSize) {
        const TsPacket packet{std::span<const std::uint8_t>{datagram.bytes}.subspan(at).first<kPacketSize>()};
        const std::uint16_t pid = packet.pid().value;
        const bool row =
            pid >= PidBlock::kFirst && pid < PidBlock::kFirst + PidBlock::kCount * PidBlock::kSize;
        if (!packet.has_sync() || !packet.valid()) std::abort();
        if (!row && pid > kTdtPid.value && packet.pid() != kNullPid) std::abort();
      }
    }
  }
  Multiplexer mux{MultiplexIdentity{5, 7, 6, "Net", true}, kRate};
  std::vector<std::unique_ptr<MultiplexMember>> members;
  std::array<bool, 4> in{true, true, true, true};
  Multiplexer::Datagram datagram;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Rig rig;
  std::int64_t now = 1'700'000'000'000'000'000;
  for (std::span<const std::uint8_t> rest{data, size}; rest.size() >= kRecord; rest = rest.subspan(kRecord)) {
    const std::size_t member = rest[0] & 3U;
    now += std::int64_t{rest[0] >> 2} * 1'000'000;
    rig.drain(now);
    if (rest[0] == 0xFF) {
      rig.in[member] = !rig.in[member];
      rig.adopt();
    }
    std::array<std::uint8_t, kPacketSize> packet;
    std::copy_n(rest.data() + 1, kPacketSize, packet.data());
    headgate::fuzz::set_right_crc(packet);
    rig.mux.on_packet(*rig.members[member], TsPacket{packet}, now);
  }
  rig.drain(now + 100'000'000);
  for (const auto& member : rig.members) {
    const auto& counters = member->counters();
    if (counters.sent + member->lane().size() > counters.came) std::abort();
  }
  return 0;
}

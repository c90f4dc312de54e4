// links: headgate::mpegts
// PES packets from transport packets whose header and payload the fuzzer writes. First byte: the memory
// bound.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "mpegts/pes/pes_packet.h"

namespace {

using namespace headgate::mpegts;

struct Checked final : PesSink {
  std::size_t bound = 0;
  void on_pes(Pid, const PesPacket& pes) override {
    if (pes.payload.size() > bound) std::abort();
    if (!pes.payload.empty()) {
      const volatile std::uint8_t first = pes.payload.front(), last = pes.payload.back();
      static_cast<void>(first + last);
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  PesHeader::parse({data, size});
  Checked sink;
  sink.bound = std::size_t{data[0]} * 16 + 1;
  PesAssembler assembler(Pid{256}, sink.bound);
  for (std::size_t at = 1; at < size; at += kPacketSize) {
    std::array<std::uint8_t, kPacketSize> packet{};  // a short last packet ends in zeros
    std::copy_n(data + at, std::min(kPacketSize, size - at), packet.begin());
    assembler.on_packet(TsPacket(packet), sink);
  }
  assembler.flush(sink);
  return 0;
}

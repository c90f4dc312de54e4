// links: headgate::fastpath_parse
// Frames from the wire into the fast path's parser and inspector: [VLAN, 2 bytes][udp or rtp, 1 byte][frame].
#include <cstdlib>
#include <memory>

#include "dataplane/fastpath/worker/datagram.h"
#include "dataplane/fastpath/worker/inspector.h"
#include "dataplane/fastpath/worker/rtp_tracker.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headgate::fastpath;
  if (size < 3) return 0;
  const std::span<const std::uint8_t> frame(data + 3, size - 3);
  const Frame parsed = parse_frame(frame, static_cast<std::uint16_t>(data[0] << 8 | data[1]));
  if (parsed.kind != Frame::Kind::udp) return 0;
  if (std::size_t{parsed.payload_offset} + parsed.payload_size > frame.size()) std::abort();
  const auto udp = frame.subspan(parsed.payload_offset, parsed.payload_size);
  const Payload payload = parse_payload(udp, (data[2] & 1) != 0);
  if (!payload.good) return 0;
  if (payload.packets == 0 || payload.packets > 7 || payload.offset + payload.packets * 188U > udp.size())
    std::abort();
  static const auto inspector = std::make_unique<Inspector>();
  static std::int64_t now = 1'700'000'000'000'000'000;
  if (inspector->wants_wide()) inspector->offer_wide(std::make_unique<WideTable>());
  inspector->on_packets(udp.subspan(payload.offset, payload.packets * 188U), now += 1'000'000);
  static RtpTracker tracker;
  if (payload.rtp) tracker.on_packet(payload.sequence, payload.ssrc);
  return 0;
}

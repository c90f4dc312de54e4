// links: headgate::bridge
// Packets into hub and segmenter. Input: a byte of slot flags, then packets of 188 bytes; sync bytes are set,
// and the CRC of sections,
// so that the fuzzer spends no effort on them. Segments must be whole packets, with rising numbers and no
// negative duration.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <span>

#include "dataplane/bridge/hls/segmenter.h"
#include "dataplane/bridge/hub/channel_hub.h"
#include "tests/fuzz/right_crc.h"

namespace {

using namespace headgate;

class Check : public bridge::hls::SegmentSink {
 public:
  void on_segment(const bridge::hls::FinishedSegment& segment) override {
    std::size_t size = 0;
    for (const auto& piece : segment.pieces) size += piece.size();
    if (size != segment.size || size % mpegts::kPacketSize != 0 || segment.duration < 0) std::abort();
  }
  void on_gap(std::int64_t, std::int64_t, std::int64_t duration) override {
    if (duration < 0) std::abort();
  }
  void on_part(std::int64_t, std::size_t, const bridge::hls::SegmentFile&) override {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Check check;
  bridge::hls::SegmenterOptions options;
  options.segment = mpegts::kTicksPerSecond / 10;
  options.max_bytes = 64 * 1024;
  bridge::hls::Segmenter segmenter(options, check);
  bridge::hub::ChannelHub hub(segmenter);
  ring::Slot slot{};
  slot.timeline = 1'700'000'000 * mpegts::kTicksPerSecond;
  std::size_t at = 0;
  while (at + 1 + mpegts::kPacketSize <= size) {
    const std::uint8_t head = data[at++];
    slot.flags = static_cast<std::uint16_t>((head & 3) | ring::kSlotTimeline);
    slot.timeline += static_cast<std::int64_t>(head >> 4) * (mpegts::kTicksPerSecond / 50);
    if ((head & 2) != 0) slot.offset = static_cast<std::int64_t>(head) * mpegts::kTicksPerSecond;
    slot.arrival_ns += 20'000'000;
    slot.packet_count = 0;
    const std::size_t wanted = 1 + (head >> 2 & 3) * 2;
    while (slot.packet_count < std::min<std::size_t>(wanted, ring::kMaxPacketsPerSlot) &&
           at + mpegts::kPacketSize <= size) {
      std::uint8_t* to = slot.packets.data() + slot.packet_count * mpegts::kPacketSize;
      std::copy_n(data + at, mpegts::kPacketSize, to);
      to[0] = mpegts::kSyncByte;
      fuzz::set_right_crc(std::span<std::uint8_t, mpegts::kPacketSize>(to, mpegts::kPacketSize));
      at += mpegts::kPacketSize;
      ++slot.packet_count;
    }
    hub.on_slot(slot);
    ++slot.sequence;
  }
  hub.flush();
  segmenter.finish();
  return 0;
}

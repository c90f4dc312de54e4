// Whole transport packets of a channel as they left the fast path, for outputs that carry transport streams
// (TS over HTTP, SRT): one immutable chunk a ring slot, shared by all sessions. Threading: chunks are
// immutable and shared between threads; a TsSink is called on the hub's thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "mpegts/packet/types.h"

namespace headgate::bridge::hub {

struct TsChunk {
  static constexpr std::size_t kMaxPackets = 7;
  std::uint8_t packets = 0;     // 1..7
  bool random_access = false;   // a random access point of the video (radio: of the sound) begins in it
  bool gap = false;             // packets were lost before it
  std::int64_t arrival_ns = 0;  // Unix time
  std::array<std::uint8_t, kMaxPackets * mpegts::kPacketSize> bytes;
  std::span<const std::uint8_t> data() const { return {bytes.data(), packets * mpegts::kPacketSize}; }
};

class TsSink {
 public:
  virtual ~TsSink() = default;
  virtual void on_chunk(const std::shared_ptr<const TsChunk>& chunk) = 0;
  // The channel was removed, or the output switched off: the feed has forgotten the sink, which must not call
  // it any more. May delete the sink.
  virtual void on_end() {}
};

}  // namespace headgate::bridge::hub

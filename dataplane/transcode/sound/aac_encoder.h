// AAC-LC at 48 kHz out of libavcodec's own encoder, as ADTS frames. A frame that comes out carries the tag of
// the 1024 samples a decoder gives out for it: the encoder's delay is known, not guessed (initial_padding).
// References: ISO/IEC 14496-3 1.A.2 (ADTS), 4 (AAC).
// Threading: owned by one thread. Memory: three frames.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/transcode/sound/av.h"

namespace headgate::transcode::sound {

inline constexpr std::size_t kFrameSamples = 1024;

class AacEncoder {
 public:
  struct Tag {
    std::int64_t frame = 0;  // number on the timeline's grid
    std::uint32_t flags = 0;
    bool wanted = true;  // false: what a decoder gives out for it is nobody's
  };
  using Sink = std::function<void(const Tag&, std::span<const std::uint8_t> adts)>;

  // Nothing where libavcodec has no AAC encoder.
  static std::unique_ptr<AacEncoder> open(int channels, Sink sink);
  int channels() const { return channels_; }
  // Each plane: 1024 samples.
  void encode(const std::array<const float*, 2>& planes, const Tag& tag);
  void drain();  // the last frames; then it can't encode any more

 private:
  AacEncoder() = default;
  void receive();

  CodecPtr codec_;
  FramePtr frame_;
  PacketPtr packet_;
  std::deque<Tag> tags_;
  std::vector<std::uint8_t> adts_;
  Sink sink_;
  int channels_ = 2;
  std::int64_t fed_ = 0;
};

}  // namespace headgate::transcode::sound

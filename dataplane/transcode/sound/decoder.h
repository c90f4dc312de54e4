// One decoder of libavcodec, from frames to planar floats. No dynamic range compression, no dialogue
// normalisation: what comes out is as loud as it was coded.
// Threading: owned by one thread; the decoder has no thread of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/transcode/sound/av.h"

namespace headgate::transcode::sound {

inline constexpr int kMaxChannels = 16;
inline constexpr int kMinRate = 8000, kMaxRate = 192000;
inline constexpr int kMaxFrameSamples = 16384;

// What a stream says about its own downmix (AC-3 and E-AC-3: cmixlev, surmixlev, Lo/Ro levels); values are
// factors.
struct MixLevels {
  double center = 0.70710678118654752;
  double surround = 0.70710678118654752;
  bool operator==(const MixLevels&) const = default;
};

// Valid until the decoder's next call.
struct Sound {
  std::vector<const float*> planes;  // one a channel
  int samples = 0;
  int rate = 0;
  std::vector<AVChannel> channels;  // what each plane is
  MixLevels mix;
};

class Decoder {
 public:
  // `codec`: of Splitter. Nothing where libavcodec has none.
  static std::unique_ptr<Decoder> open(const std::string& codec);
  // Calls sink(const Sound&) for what comes of one frame. False: it can't be decoded, or is beyond bounds.
  template <typename F>
  bool decode(std::span<const std::uint8_t> frame, F&& sink) {
    bool good = send(frame);
    while (const Sound* sound = good ? receive(good) : nullptr) sink(*sound);
    return good;
  }
  void flush();

 private:
  Decoder() = default;
  bool send(std::span<const std::uint8_t> frame);
  const Sound* receive(bool& good);
  bool take_planes();

  CodecPtr codec_;
  PacketPtr packet_;
  FramePtr frame_;
  std::vector<std::uint8_t> padded_;
  std::vector<std::vector<float>> converted_;
  Sound sound_;
};

}  // namespace headgate::transcode::sound

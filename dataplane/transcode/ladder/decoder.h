// The pictures of a channel, in the order and at the times in which they are shown, out of PES payloads.
// Fields of interlaced pictures are put together by bwdif, one frame a frame. References: ITU-T H.264, H.265,
// ISO/IEC 13818-2. Threading: owned by one thread; makes none.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "dataplane/transcode/ladder/access_units.h"
#include "dataplane/transcode/picture/av.h"
#include "mpegts/psi/tables.h"

namespace headgate::transcode::ladder {

class Decoder {
 public:
  // `frame`: progressive; its pts is on the channel's timeline, 27 MHz.
  using Take = std::function<void(const AVFrame& frame)>;

  Decoder(mpegts::StreamKind kind, Take take);
  ~Decoder();

  // False: no decoder for it.
  bool works() const;
  // Of one PES packet. `times`: nothing where it has none.
  void feed(std::span<const std::uint8_t> payload, std::optional<UnitTimes> times);
  // Something is missing after what was fed: what comes does not complete it.
  void lose();
  // Hands on what is held back; then it can begin anew at a random access point.
  void drain();
  // Of what take() gets, as the stream says it; 0/1 where it doesn't.
  AVRational frame_rate() const;
  std::uint64_t errors() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::transcode::ladder

// H.264 by libx264: IDRs where they are asked for and nowhere else, closed GOPs, a bounded buffer. Counts
// frames, not times: frames come at a steady rate, and each leaves with the time it came with; its dts is
// the time of the frame that came as many frames earlier as x264 reorders.
// References: ITU-T H.264 Annex B, C.3 (VBV). Threading: owned by one thread; makes none.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>

#include "dataplane/transcode/picture/av.h"

namespace headgate::transcode::ladder {

struct EncoderFormat {
  int width = 0;
  int height = 0;
  std::uint32_t bitrate = 0;  // bit/s
  AVRational frame_rate{25, 1};
  AVRational sample_aspect_ratio{1, 1};
  AVColorSpace matrix = AVCOL_SPC_UNSPECIFIED;
  AVColorPrimaries primaries = AVCOL_PRI_UNSPECIFIED;
  AVColorTransferCharacteristic transfer = AVCOL_TRC_UNSPECIFIED;
  bool full_range = false;
  bool operator==(const EncoderFormat& other) const noexcept;
};

struct Encoded {
  std::span<const std::uint8_t> unit;  // byte stream format; parameter sets before each IDR
  std::int64_t pts = 0;                // 27 MHz
  std::int64_t dts = 0;
  bool idr = false;
  std::uint32_t flags = 0;  // that the frame came with
};

class Encoder {
 public:
  using Take = std::function<void(const Encoded&)>;
  // Frames that x264 keeps back to judge them by those that follow, and B pictures in a row. At rates below
  // usual ones fewer, for what counts is the time that it takes.
  static constexpr int kLookahead = 5;
  static constexpr int kBFrames = 2;

  // Null where libx264 refuses.
  static std::unique_ptr<Encoder> make(const EncoderFormat& format, Take take);
  const EncoderFormat& format() const { return format_; }
  // `frame`: YUV420P of the format's size, `pts` greater than of those before. Its pts field is overwritten.
  void feed(AVFrame& frame, std::int64_t pts, bool idr, std::uint32_t flags);
  // Hands on all that is held back. The encoder is of no use afterwards.
  void drain();

 private:
  struct Came {
    std::int64_t number, pts;
    std::uint32_t flags;
  };
  Encoder() = default;
  void take_all();
  std::int64_t time_of(std::int64_t number) const;

  EncoderFormat format_;
  Take take_;
  AvCodec context_;
  AvPacket packet_;
  std::deque<Came> came_;  // a bounded past, by number
  std::int64_t next_ = 0;
};

}  // namespace headgate::transcode::ladder

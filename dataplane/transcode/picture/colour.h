// From the colours of a broadcast to those of a JPEG: BT.601 coefficients at full range (JFIF), of the
// primaries of BT.709 and its gamma. References: ITU-T H.273 (code points), ITU-R BT.601, BT.709, BT.2020,
// BT.1886, BT.2100 (PQ and HLG), BT.2408 (203 cd/m2 is white). What is brighter than white is compressed, not
// cut: up to half of white everything stays, 1000 cd/m2 become white.
// Threading: pure functions; tables are made once.
#pragma once

#include "dataplane/transcode/picture/av.h"

namespace headgate::transcode::picture {

enum class Transfer : std::uint8_t { sdr, pq, hlg };

struct Colour {
  enum class Matrix : std::uint8_t { bt601, bt709, bt2020 };
  Matrix matrix = Matrix::bt709;
  Transfer transfer = Transfer::sdr;
  bool full_range = false;
  bool wide_gamut = false;  // primaries of BT.2020
  bool hdr() const noexcept { return transfer != Transfer::sdr; }
  // Pixels need more than a matrix: each is taken to light and back.
  bool through_light() const noexcept { return hdr() || wide_gamut; }
  bool operator==(const Colour&) const = default;
};
// What a frame says of itself; where it is silent, by its height: standard definition is BT.601, all else
// BT.709.
Colour colour_of(const AVFrame& frame, int picture_height) noexcept;

// The format that to_jpeg_colours() takes of this colour: 4:2:0 of 8 or 10 bits.
AVPixelFormat format_before(const Colour& colour) noexcept;
// A frame of that format to YUVJ420P of the same size.
AvFrame to_jpeg_colours(const AVFrame& frame, const Colour& colour);
// The same to BT.709 at limited range (YUV420P), for an encoder.
AvFrame to_bt709(const AVFrame& frame, const Colour& colour);

void make_colour_tables();

}  // namespace headgate::transcode::picture

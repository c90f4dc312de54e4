// The picture at a random access point, out of the PES payloads that begin there. References: ISO/IEC
// 13818-2 6.1.1.11 (fields), ITU-T H.264 D.2.8 and H.265 8.1.3 (pictures that lead an open GOP are not it).
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/transcode/picture/av.h"
#include "mpegts/psi/tables.h"

namespace headgate::transcode::picture {

// What a decoder may be asked for; more is refused before memory is taken for it.
inline constexpr int kMaxWidth = 8192;
inline constexpr int kMaxHeight = 4320;

AVCodecID codec_id(mpegts::StreamKind kind) noexcept;  // AV_CODEC_ID_NONE: no video that is decoded here

struct Decoded {
  AvFrame frame;               // null: undecodable
  bool interlaced = false;     // two fields of different times in one frame
  bool single_field = false;   // its lines are every other one of the picture (HEVC field sequences)
  std::uint16_t width = 0;     // of the coded picture
  std::uint16_t height = 0;    // of the whole picture where the frame is one field
  AVRational shape = {16, 9};  // display aspect ratio
};
// `payloads`: with the first access unit that begins in them, and the second field where it is one; what
// stands before and behind it is left alone. Undecodable is also what the decoder had to make up in part.
// `cheap`: without the loop filter: enough for statistics. (Not with `lowres`, which would halve MPEG-2's
// cost: in libavcodec 59 hostile pictures make it read where it must not.)
Decoded decode_random_access(mpegts::StreamKind kind, std::span<const std::uint8_t> payloads, bool cheap);

// The size of a picture of this shape, `wanted_height` high, but never higher than the source.
struct Size {
  int width = 0;
  int height = 0;
  bool operator==(const Size&) const = default;
};
Size shown_size(AVRational shape, int source_height, int wanted_height) noexcept;
// The aspect ratio of the samples of a frame out of two such fields, of which the stream says `samples`. Most
// encoders mean the frame's; some, by the letter of H.265 E.3.1, the field's, which then are half as broad.
AVRational frame_samples(int width, int field_height, AVRational samples) noexcept;
// The shape of width x height samples of this aspect ratio; senseless ratios count as square samples.
AVRational shape_of(int width, int height, AVRational sample_aspect_ratio) noexcept;

}  // namespace headgate::transcode::picture

// A JPEG (ITU-T T.81, JFIF) of a YUVJ420P frame. Threading: pure function.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/transcode/picture/av.h"

namespace headgate::transcode::picture {

// Bytes written to `out`; 0 where even the coarsest JPEG doesn't fit. Good enough that 35 dB of the picture
// are left, where it fits.
std::size_t write_jpeg(AVFrame& frame, std::span<std::uint8_t> out);

}  // namespace headgate::transcode::picture

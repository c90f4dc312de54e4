// What a picture looks like, in figures that tell black, frozen and still ones. Threading: pure functions.
#pragma once

#include "dataplane/job/message.h"
#include "dataplane/transcode/picture/av.h"

namespace headgate::transcode::picture {

// `frame`: YUVJ420P. Fills in mean, darkest, brightest, detail and grid, all over the same 256 x 144 means,
// so that they don't depend on the frame's size. False without memory.
bool measure_luma(const AVFrame& frame, job::PictureResult& result);

// The tile of the mosaic, with the shape of the picture between black bars. False without memory.
bool make_tile(const AVFrame& frame, AVRational shape, job::PictureResult& result);

}  // namespace headgate::transcode::picture

// Makes one picture of a frame whose two fields are of different times: the first field stays, and of the
// other one what fits between its lines, as it does where nothing moved; where it would show as a comb, lines
// are interpolated in its place. One frame only, for a thumbnail has no neighbours: deinterlacers that
// compare with the frames before and after would see nothing move. Threading: pure function.
#pragma once

#include "dataplane/transcode/picture/av.h"

namespace headgate::transcode::picture {

// In place: the frame must be nobody else's. Planar formats of 8 to 16 bits; others are left as they are.
void deinterlace(AVFrame& frame);

}  // namespace headgate::transcode::picture

// Pixels taken to light and back: pictures of PQ, HLG or the primaries of BT.2020 to standard dynamic range
// of BT.709. References: see colour.h. Threading: pure functions; tables are made once.
#pragma once

#include "dataplane/transcode/picture/colour.h"

namespace headgate::transcode::picture {

struct LumaWeights {
  double r, b;
};
// `frame`: YUV420P10LE, little-endian machines. The result is 4:2:0 of 8 bits with coefficients `to`, at full
// range (YUVJ420P) or at limited range (YUV420P).
AvFrame through_light(const AVFrame& frame, const Colour& colour, LumaWeights from, LumaWeights to,
                      bool full_range);

void make_light_tables();

// For tests: a signal value of 0..1 of a grey to what comes out, 0..1.
double grey_through_light(double signal, Transfer transfer);

}  // namespace headgate::transcode::picture

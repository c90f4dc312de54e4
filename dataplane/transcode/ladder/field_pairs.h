// Frames out of the single fields of which an HEVC field sequence consists: each pair becomes one interlaced
// frame of twice the lines. libavcodec makes a frame of each field, marked as interlaced and by
// top_field_first as the upper one. References: ITU-T H.265 D.3.3 (pic_struct), E.3.1 (field_seq_flag).
// Threading: owned by one thread; makes none.
#pragma once

#include <functional>
#include <optional>

#include "dataplane/transcode/picture/av.h"

namespace headgate::transcode::ladder {

class FieldPairs {
 public:
  using Take = std::function<void(AVFrame& frame)>;
  // `field`: with its time, 27 MHz.
  void feed(const AVFrame& field, const Take& take);
  // A field that is left alone gives the lines of the other one, too.
  void drain(const Take& take);

 private:
  bool completes(const AVFrame& field) const;
  AvFrame first_;
};

}  // namespace headgate::transcode::ladder

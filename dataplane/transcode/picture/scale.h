// Scaling by libswscale, whose colours stay what they are: colour.h knows about those.
// Threading: Scaler is owned by one thread.
#pragma once

#include "dataplane/transcode/picture/av.h"

namespace headgate::transcode::picture {

class Scaler {
 public:
  // `flags`: SWS_*. A null frame where the formats or sizes can't be, or memory is short. Keeps its tables
  // while formats and sizes stay.
  AvFrame scale(const AVFrame& source, int width, int height, AVPixelFormat format, int flags);
  // Into a buffer of the caller's.
  bool scale_into(const AVFrame& source, int width, int height, AVPixelFormat format, int flags,
                  std::uint8_t* const planes[4], const int strides[4]);

 private:
  struct Shape {
    int source_width = 0, source_height = 0, source_format = -1, width = 0, height = 0, format = -1,
        flags = 0;
    bool operator==(const Shape&) const = default;
  };
  AvScaler context_;
  Shape shape_;  // that context_ is for
};

// The same samples without the mark "full range" that some formats carry.
AVPixelFormat without_range(int format) noexcept;

}  // namespace headgate::transcode::picture

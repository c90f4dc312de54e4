#include "dataplane/transcode/picture/deinterlace.h"

extern "C" {
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace headgate::transcode::picture {
namespace {

template <typename Sample>
struct Plane {
  std::uint8_t* data;
  std::ptrdiff_t stride;
  int width;
  int height;
  // Beyond the edges: the nearest line of the same field.
  Sample* line(int y) const {
    while (y < 0) y += 2;
    while (y >= height) y -= 2;
    return reinterpret_cast<Sample*>(data + y * stride);
  }
};

// Half-band filter over the four nearest lines of the field that stays: 5/8, -1/8.
inline int between(int above2, int above, int below, int below2) {
  return (5 * (above + below) - (above2 + below2) + 4) >> 3;
}

template <typename Sample>
void mend_line(const Plane<Sample>& plane, int y, int threshold, int highest, Sample* mended) {
  const Sample *a2 = plane.line(y - 3), *a = plane.line(y - 1), *b = plane.line(y + 1),
               *b2 = plane.line(y + 3);
  const Sample *d = plane.line(y - 2), *x = plane.line(y), *e = plane.line(y + 2);
  for (int i = 0; i < plane.width; ++i) {
    const int above = x[i] - a[i], below = x[i] - b[i];
    // A comb: this line stands out from both neighbours to one side, and the next lines of its field do too.
    const int least = std::min(above, below), most = std::max(above, below);
    const int tooth = 4 * x[i] + d[i] + e[i] - 3 * (a[i] + b[i]);
    const bool comb =
        (least > threshold && tooth > 6 * threshold) || (most < -threshold && tooth < -6 * threshold);
    const int smooth = std::clamp(between(a2[i], a[i], b[i], b2[i]), 0, highest);
    mended[i] = static_cast<Sample>(comb ? smooth : x[i]);
  }
}

template <typename Sample>
void deinterlace_plane(const Plane<Sample>& plane, int first_missing, int depth) {
  if (plane.height < 8) return;
  const int threshold = 6 << (depth - 8);
  const int highest = (1 << depth) - 1;
  // Lines of the missing field are still read by the next ones: each is written one step late.
  std::vector<Sample> now(static_cast<std::size_t>(plane.width)), before(now);
  int pending = -1;
  for (int y = first_missing; y < plane.height; y += 2) {
    mend_line(plane, y, threshold, highest, now.data());
    if (pending >= 0) std::copy(before.begin(), before.end(), plane.line(pending));
    std::swap(now, before);
    pending = y;
  }
  if (pending >= 0) std::copy(before.begin(), before.end(), plane.line(pending));
}

}  // namespace

void deinterlace(AVFrame& frame) {
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  if (format == nullptr || (format->flags & AV_PIX_FMT_FLAG_BE) != 0) return;
  if ((format->flags & AV_PIX_FMT_FLAG_PLANAR) == 0 && format->nb_components > 1) return;
  const int first_missing = frame.top_field_first != 0 ? 1 : 0;
  for (int i = 0; i < format->nb_components && i < 3; ++i) {
    const bool chroma = i == 1 || i == 2;
    const int width = chroma ? AV_CEIL_RSHIFT(frame.width, format->log2_chroma_w) : frame.width;
    const int height = chroma ? AV_CEIL_RSHIFT(frame.height, format->log2_chroma_h) : frame.height;
    const int depth = format->comp[i].depth;
    if (frame.data[i] == nullptr) continue;
    if (depth == 8) {
      deinterlace_plane(Plane<std::uint8_t>{frame.data[i], frame.linesize[i], width, height}, first_missing,
                        depth);
    } else if (depth <= 16) {
      deinterlace_plane(Plane<std::uint16_t>{frame.data[i], frame.linesize[i], width, height}, first_missing,
                        depth);
    }
  }
}

}  // namespace headgate::transcode::picture

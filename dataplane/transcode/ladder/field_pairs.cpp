#include "dataplane/transcode/ladder/field_pairs.h"

extern "C" {
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
}

#include <array>
#include <utility>

#include "dataplane/transcode/picture/decode.h"

namespace headgate::transcode::ladder {
namespace {

// Fields of one frame are no farther apart than those of 20 frames a second.
constexpr std::int64_t kFarthestField = 27'000'000 / 40 + 27'000;

void put_lines(const AVFrame& field, AVFrame& frame, int from) {
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  const int planes = av_pix_fmt_count_planes(static_cast<AVPixelFormat>(frame.format));
  for (int i = 0; i < planes; ++i) {
    const int lines = i == 1 || i == 2 ? AV_CEIL_RSHIFT(field.height, format->log2_chroma_h) : field.height;
    const int bytes = av_image_get_linesize(static_cast<AVPixelFormat>(field.format), field.width, i);
    av_image_copy_plane(frame.data[i] + from * frame.linesize[i], 2 * frame.linesize[i], field.data[i],
                        field.linesize[i], bytes, lines);
  }
}

void put_together(const AVFrame& first, const AVFrame* second, const FieldPairs::Take& take) {
  const AvFrame frame = make_frame(static_cast<AVPixelFormat>(first.format), first.width, 2 * first.height);
  if (!frame || av_frame_copy_props(frame.get(), &first) < 0) return;
  const int upper = first.top_field_first != 0 ? 0 : 1;
  put_lines(first, *frame, upper);
  put_lines(second != nullptr ? *second : first, *frame, 1 - upper);
  frame->interlaced_frame = second != nullptr ? 1 : 0;
  frame->sample_aspect_ratio = picture::frame_samples(first.width, first.height, first.sample_aspect_ratio);
  take(*frame);
}

}  // namespace

// A pair begins at a random access point, wherever that is.
bool FieldPairs::completes(const AVFrame& field) const {
  return first_ && field.top_field_first != first_->top_field_first && field.width == first_->width &&
         field.height == first_->height && field.format == first_->format &&
         field.pts - first_->pts <= kFarthestField && (field.key_frame == 0 || first_->key_frame != 0);
}

void FieldPairs::feed(const AVFrame& field, const Take& take) {
  if (completes(field)) {
    const AvFrame first = std::move(first_);
    put_together(*first, &field, take);
    return;
  }
  drain(take);
  first_.reset(av_frame_clone(&field));
}

void FieldPairs::drain(const Take& take) {
  const AvFrame first = std::move(first_);
  if (first) put_together(*first, nullptr, take);
}

}  // namespace headgate::transcode::ladder

#include "dataplane/transcode/ladder/deinterlacer.h"

extern "C" {
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/mathematics.h>
}

#include <cstdio>

namespace headgate::transcode::ladder {
namespace {

constexpr AVRational kClock{1, 27'000'000};

}  // namespace

std::unique_ptr<Deinterlacer> Deinterlacer::make(const AVFrame& like) {
  std::unique_ptr<Deinterlacer> made(new Deinterlacer);
  return made->build(like) ? std::move(made) : nullptr;
}

Deinterlacer::~Deinterlacer() { avfilter_graph_free(&graph_); }

bool Deinterlacer::build(const AVFrame& like) {
  graph_ = avfilter_graph_alloc();
  if (graph_ == nullptr) return false;
  graph_->nb_threads = 1;
  char source[160];
  std::snprintf(source, sizeof source, "video_size=%dx%d:pix_fmt=%d:time_base=1/27000000", like.width,
                like.height, like.format);
  AVFilterContext* bwdif = nullptr;
  const auto create = [&](AVFilterContext** made, const char* filter, const char* options) {
    return avfilter_graph_create_filter(made, avfilter_get_by_name(filter), filter, options, nullptr,
                                        graph_) >= 0;
  };
  if (!create(&in_, "buffer", source) || !create(&bwdif, "bwdif", "mode=send_frame:deint=interlaced") ||
      !create(&out_, "buffersink", nullptr)) {
    return false;
  }
  width_ = like.width;
  height_ = like.height;
  format_ = like.format;
  return avfilter_link(in_, 0, bwdif, 0) >= 0 && avfilter_link(bwdif, 0, out_, 0) >= 0 &&
         avfilter_graph_config(graph_, nullptr) >= 0;
}

bool Deinterlacer::fits(const AVFrame& frame) const {
  return frame.width == width_ && frame.height == height_ && frame.format == format_;
}

void Deinterlacer::take_all(const Take& take) {
  const AvFrame frame(av_frame_alloc());
  if (!frame) return;
  while (av_buffersink_get_frame(out_, frame.get()) >= 0) {
    // bwdif counts in half ticks.
    if (frame->pts != AV_NOPTS_VALUE) {
      frame->pts = av_rescale_q(frame->pts, av_buffersink_get_time_base(out_), kClock);
    }
    take(*frame);
    av_frame_unref(frame.get());
  }
}

void Deinterlacer::feed(AVFrame& frame, const Take& take) {
  if (av_buffersrc_add_frame_flags(in_, &frame, AV_BUFFERSRC_FLAG_KEEP_REF) >= 0) take_all(take);
}

void Deinterlacer::drain(const Take& take) {
  if (av_buffersrc_add_frame_flags(in_, nullptr, 0) >= 0) take_all(take);
}

}  // namespace headgate::transcode::ladder

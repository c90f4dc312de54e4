// FFmpeg's objects as owners. Threading: values. Ownership: each frees what it holds.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
#include <libswscale/swscale.h>
}

#include <memory>

namespace headgate::transcode {

struct AvFree {
  void operator()(AVFrame* p) const noexcept { av_frame_free(&p); }
  void operator()(AVPacket* p) const noexcept { av_packet_free(&p); }
  void operator()(AVCodecContext* p) const noexcept { avcodec_free_context(&p); }
  void operator()(AVCodecParserContext* p) const noexcept { av_parser_close(p); }
  void operator()(SwsContext* p) const noexcept { sws_freeContext(p); }
};
using AvFrame = std::unique_ptr<AVFrame, AvFree>;
using AvPacket = std::unique_ptr<AVPacket, AvFree>;
using AvCodec = std::unique_ptr<AVCodecContext, AvFree>;
using AvParser = std::unique_ptr<AVCodecParserContext, AvFree>;
using AvScaler = std::unique_ptr<SwsContext, AvFree>;

// A frame with planes of its own; null without memory.
AvFrame make_frame(AVPixelFormat format, int width, int height);

}  // namespace headgate::transcode

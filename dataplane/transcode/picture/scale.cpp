#include "dataplane/transcode/picture/scale.h"

namespace headgate::transcode::picture {

AVPixelFormat without_range(int format) noexcept {
  switch (format) {
    case AV_PIX_FMT_YUVJ420P:
      return AV_PIX_FMT_YUV420P;
    case AV_PIX_FMT_YUVJ422P:
      return AV_PIX_FMT_YUV422P;
    case AV_PIX_FMT_YUVJ444P:
      return AV_PIX_FMT_YUV444P;
    case AV_PIX_FMT_YUVJ440P:
      return AV_PIX_FMT_YUV440P;
    default:
      return static_cast<AVPixelFormat>(format);
  }
}

bool Scaler::scale_into(const AVFrame& source, int width, int height, AVPixelFormat format, int flags,
                        std::uint8_t* const planes[4], const int strides[4]) {
  const Shape shape{source.width, source.height, without_range(source.format), width, height, format, flags};
  if (!context_ || shape != shape_) {
    context_.reset(sws_getContext(source.width, source.height, without_range(source.format), width, height,
                                  format, flags, nullptr, nullptr, nullptr));
    if (!context_) return false;
    shape_ = shape;
    // To RGB: from what a JPEG holds. Between YUV formats the same on both sides: nothing is converted.
    const int full = format == AV_PIX_FMT_RGB24 ? 1 : 0;
    const int* matrix = sws_getCoefficients(SWS_CS_ITU601);
    sws_setColorspaceDetails(context_.get(), matrix, full, matrix, full, 0, 1 << 16, 1 << 16);
  }
  return sws_scale(context_.get(), source.data, source.linesize, 0, source.height, planes, strides) > 0;
}

AvFrame Scaler::scale(const AVFrame& source, int width, int height, AVPixelFormat format, int flags) {
  AvFrame out = make_frame(format, width, height);
  if (!out || !scale_into(source, width, height, format, flags, out->data, out->linesize)) return nullptr;
  return out;
}

}  // namespace headgate::transcode::picture

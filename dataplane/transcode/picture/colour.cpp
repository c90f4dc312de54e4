#include "dataplane/transcode/picture/colour.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "dataplane/transcode/picture/light.h"

namespace headgate::transcode::picture {
namespace {

// Kr and Kb, H.273 8.3.
struct Weights {
  double r, b;
  double g() const { return 1 - r - b; }
};
Weights weights(Colour::Matrix matrix) {
  switch (matrix) {
    case Colour::Matrix::bt601:
      return {0.299, 0.114};
    case Colour::Matrix::bt2020:
      return {0.2627, 0.0593};
    case Colour::Matrix::bt709:
      break;
  }
  return {0.2126, 0.0722};
}

// One set of coefficients to another is linear. With chroma centred:
//   luma' = luma + from_cb * cb + from_cr * cr,  cb' = cb_cb * cb + cb_cr * cr,  cr' likewise.
struct Change {
  double y_cb, y_cr, cb_cb, cb_cr, cr_cb, cr_cr;
};
Change change(Weights from, Weights to) {
  // R - Y = 2 (1 - Kr) Cr, B - Y = 2 (1 - Kb) Cb; G from Y = Kr R + Kg G + Kb B.
  const auto differences = [&](double cb, double cr) {
    const double r = 2 * (1 - from.r) * cr, b = 2 * (1 - from.b) * cb;
    return std::array<double, 3>{r, -(from.r * r + from.b * b) / from.g(), b};
  };
  const auto luma = [&](const std::array<double, 3>& d) { return to.r * d[0] + to.g() * d[1] + to.b * d[2]; };
  const auto cb_of = [&](const std::array<double, 3>& d) { return (d[2] - luma(d)) / (2 * (1 - to.b)); };
  const auto cr_of = [&](const std::array<double, 3>& d) { return (d[0] - luma(d)) / (2 * (1 - to.r)); };
  const auto one_cb = differences(1, 0), one_cr = differences(0, 1);
  return {luma(one_cb), luma(one_cr), cb_of(one_cb), cb_of(one_cr), cr_of(one_cb), cr_of(one_cr)};
}

constexpr int kOne = 1 << 16;
int fixed(double value) { return static_cast<int>(std::lround(value * kOne)); }
std::uint8_t clip(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

// Integer coefficients of the change, ranges included.
struct Fixed {
  int y, y_cb, y_cr, cb_cb, cb_cr, cr_cb, cr_cr, black;
  Fixed(const Colour& colour) {
    const Change c = change(weights(colour.matrix), weights(Colour::Matrix::bt601));
    const double luma = colour.full_range ? 1 : 255.0 / 219, chroma = colour.full_range ? 1 : 255.0 / 224;
    y = fixed(luma);
    y_cb = fixed(c.y_cb * chroma);
    y_cr = fixed(c.y_cr * chroma);
    cb_cb = fixed(c.cb_cb * chroma);
    cb_cr = fixed(c.cb_cr * chroma);
    cr_cb = fixed(c.cr_cb * chroma);
    cr_cr = fixed(c.cr_cr * chroma);
    black = colour.full_range ? 0 : 16;
  }
};

void change_chroma_line(const AVFrame& in, AVFrame& out, int y, int width, const Fixed& f, int* added) {
  const std::uint8_t* cb = in.data[1] + std::ptrdiff_t{y} * in.linesize[1];
  const std::uint8_t* cr = in.data[2] + std::ptrdiff_t{y} * in.linesize[2];
  std::uint8_t* cb_out = out.data[1] + std::ptrdiff_t{y} * out.linesize[1];
  std::uint8_t* cr_out = out.data[2] + std::ptrdiff_t{y} * out.linesize[2];
  for (int x = 0; x < width; ++x) {
    const int b = cb[x] - 128, r = cr[x] - 128;
    added[x] = f.y_cb * b + f.y_cr * r;
    cb_out[x] = clip((f.cb_cb * b + f.cb_cr * r + 128 * kOne + kOne / 2) >> 16);
    cr_out[x] = clip((f.cr_cb * b + f.cr_cr * r + 128 * kOne + kOne / 2) >> 16);
  }
}

AvFrame change_matrix(const AVFrame& in, const Colour& colour) {
  AvFrame out = make_frame(AV_PIX_FMT_YUVJ420P, in.width, in.height);
  if (!out) return nullptr;
  const Fixed f(colour);
  const int chroma_width = (in.width + 1) / 2;
  std::vector<int> added(static_cast<std::size_t>(chroma_width));
  for (int y = 0; y < in.height; ++y) {
    if (y % 2 == 0) change_chroma_line(in, *out, y / 2, chroma_width, f, added.data());
    const std::uint8_t* luma = in.data[0] + std::ptrdiff_t{y} * in.linesize[0];
    std::uint8_t* luma_out = out->data[0] + std::ptrdiff_t{y} * out->linesize[0];
    for (int x = 0; x < in.width; ++x) {
      luma_out[x] =
          clip((f.y * (luma[x] - f.black) + added[static_cast<std::size_t>(x / 2)] + kOne / 2) >> 16);
    }
  }
  return out;
}

// Code points as the stream has them, also those that H.273 leaves free: no values of FFmpeg's enumerations.
template <typename Enumeration>
int code_point(const Enumeration& value) noexcept {
  static_assert(sizeof value == sizeof(int));
  int number = 0;
  std::memcpy(&number, &value, sizeof number);
  return number;
}

Colour::Matrix matrix_of(int space, bool standard_definition) noexcept {
  switch (space) {
    case AVCOL_SPC_BT709:
      return Colour::Matrix::bt709;
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M:
    case AVCOL_SPC_FCC:
    case AVCOL_SPC_RGB:  // libswscale makes BT.601 of it
      return Colour::Matrix::bt601;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
      return Colour::Matrix::bt2020;
    default:
      return standard_definition ? Colour::Matrix::bt601 : Colour::Matrix::bt709;
  }
}

}  // namespace

Colour colour_of(const AVFrame& frame, int picture_height) noexcept {
  Colour colour;
  colour.matrix = matrix_of(code_point(frame.colorspace), picture_height <= 576);
  switch (frame.format) {
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ440P:
    case AV_PIX_FMT_YUVJ444P:
      colour.full_range = true;
      break;
    default:
      colour.full_range = code_point(frame.color_range) == AVCOL_RANGE_JPEG;
  }
  if (code_point(frame.color_trc) == AVCOL_TRC_SMPTE2084) colour.transfer = Transfer::pq;
  if (code_point(frame.color_trc) == AVCOL_TRC_ARIB_STD_B67) colour.transfer = Transfer::hlg;
  colour.wide_gamut = code_point(frame.color_primaries) == AVCOL_PRI_BT2020;
  return colour;
}

AVPixelFormat format_before(const Colour& colour) noexcept {
  return colour.through_light() ? AV_PIX_FMT_YUV420P10LE : AV_PIX_FMT_YUV420P;
}

AvFrame to_jpeg_colours(const AVFrame& frame, const Colour& colour) {
  if (!colour.through_light()) return change_matrix(frame, colour);
  const Weights from = weights(colour.matrix), to = weights(Colour::Matrix::bt601);
  return through_light(frame, colour, {from.r, from.b}, {to.r, to.b}, true);
}

AvFrame to_bt709(const AVFrame& frame, const Colour& colour) {
  const Weights from = weights(colour.matrix), to = weights(Colour::Matrix::bt709);
  return through_light(frame, colour, {from.r, from.b}, {to.r, to.b}, false);
}

void make_colour_tables() { make_light_tables(); }

}  // namespace headgate::transcode::picture

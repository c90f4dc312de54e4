#include "dataplane/transcode/picture/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "dataplane/transcode/picture/scale.h"

namespace headgate::transcode::picture {
namespace {

constexpr std::size_t kCell = 8;
constexpr std::size_t kWidth = job::kGridWidth * kCell;
constexpr std::size_t kHeight = job::kGridHeight * kCell;
using Luma = std::array<std::uint8_t, kWidth * kHeight>;

// The luma plane alone, by area.
bool shrink(const AVFrame& frame, Luma& luma) {
  const AvFrame grey(av_frame_alloc());
  if (!grey) return false;
  grey->width = frame.width;
  grey->height = frame.height;
  grey->format = AV_PIX_FMT_GRAY8;
  grey->data[0] = frame.data[0];
  grey->linesize[0] = frame.linesize[0];
  std::uint8_t* const planes[4] = {luma.data(), nullptr, nullptr, nullptr};
  const int strides[4] = {static_cast<int>(kWidth), 0, 0, 0};
  Scaler scaler;
  return scaler.scale_into(*grey, kWidth, kHeight, AV_PIX_FMT_GRAY8, SWS_AREA, planes, strides);
}

void fill_grid(const Luma& luma, job::PictureResult& result) {
  for (std::size_t row = 0; row < job::kGridHeight; ++row) {
    for (std::size_t column = 0; column < job::kGridWidth; ++column) {
      std::uint32_t sum = 0;
      for (std::size_t i = 0; i < kCell * kCell; ++i) {
        sum += luma[(row * kCell + i / kCell) * kWidth + column * kCell + i % kCell];
      }
      result.grid[row * job::kGridWidth + column] =
          static_cast<std::uint8_t>((sum + kCell * kCell / 2) / (kCell * kCell));
    }
  }
}

std::uint8_t detail_of(const Luma& luma) {
  std::uint64_t sum = 0, count = 0;
  for (std::size_t y = 0; y + 1 < kHeight; ++y) {
    for (std::size_t x = 0; x + 1 < kWidth; ++x) {
      const int here = luma[y * kWidth + x];
      sum += static_cast<std::uint64_t>(std::abs(luma[y * kWidth + x + 1] - here) +
                                        std::abs(luma[(y + 1) * kWidth + x] - here));
      count += 2;
    }
  }
  return static_cast<std::uint8_t>(std::min<std::uint64_t>(255, (sum * 8 + count / 2) / count));
}

}  // namespace

bool measure_luma(const AVFrame& frame, job::PictureResult& result) {
  static_assert(kWidth == 256 && kHeight == 144);
  Luma luma;
  if (!shrink(frame, luma)) return false;
  fill_grid(luma, result);
  result.detail = detail_of(luma);
  std::array<std::uint32_t, 256> histogram{};
  std::uint64_t sum = 0;
  for (const std::uint8_t value : luma) {
    ++histogram[value];
    sum += value;
  }
  result.mean = static_cast<std::uint8_t>((sum + luma.size() / 2) / luma.size());
  const auto percentile = [&](std::size_t rank) {
    std::size_t seen = 0;
    for (std::size_t value = 0; value < histogram.size(); ++value) {
      seen += histogram[value];
      if (seen > rank) return static_cast<std::uint8_t>(value);
    }
    return std::uint8_t{255};
  };
  result.darkest = percentile(luma.size() / 100);
  result.brightest = percentile(luma.size() - 1 - luma.size() / 100);
  return true;
}

bool make_tile(const AVFrame& frame, AVRational shape, job::PictureResult& result) {
  constexpr int kWide = job::kTileWidth, kHigh = job::kTileHeight;
  const double ratio = shape.num > 0 && shape.den > 0 ? av_q2d(shape) : 16.0 / 9;
  const int width = std::clamp(static_cast<int>(std::lround(kHigh * ratio / 2)) * 2, 8, kWide);
  const int height = std::clamp(static_cast<int>(std::lround(kWide / ratio / 2)) * 2, 8, kHigh);
  result.tile.fill(0);
  Scaler scaler;
  // libswscale writes whole vectors: into a buffer with room, not straight into the tile.
  const AvFrame rgb = scaler.scale(frame, width, height, AV_PIX_FMT_RGB24, SWS_AREA);
  if (!rgb) return false;
  const int left = (kWide - width) / 2, top = (kHigh - height) / 2;
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* line = rgb->data[0] + std::ptrdiff_t{y} * rgb->linesize[0];
    std::copy(line, line + width * 3, result.tile.begin() + ((top + y) * kWide + left) * 3);
  }
  return true;
}

}  // namespace headgate::transcode::picture

// look_at_picture() of dataplane/transcode/worker.h: decode, deinterlace, scale, colours, figures, JPEG.
#include <time.h>

#include <algorithm>
#include <cstring>

#include "dataplane/transcode/picture/colour.h"
#include "dataplane/transcode/picture/decode.h"
#include "dataplane/transcode/picture/deinterlace.h"
#include "dataplane/transcode/picture/jpeg.h"
#include "dataplane/transcode/picture/scale.h"
#include "dataplane/transcode/picture/statistics.h"
#include "dataplane/transcode/worker.h"

namespace headgate::transcode {
namespace {

using namespace picture;

std::uint32_t cpu_us() noexcept {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<std::uint32_t>(now.tv_sec * 1'000'000 + now.tv_nsec / 1000);
}

// Without a JPEG nobody sees more of it than the tile: twice its height is enough.
constexpr int kUnseenHeight = 2 * job::kTileHeight;
constexpr int kMaxThumbnailHeight = 2160;

// Fills in the result; returns the JPEG's size.
std::size_t look(const job::PictureRequest& request, std::span<const std::uint8_t> payloads,
                 job::PictureResult& result, std::span<std::uint8_t> jpeg) {
  const bool wants_jpeg = request.wants_jpeg != 0;
  Decoded decoded =
      decode_random_access(static_cast<mpegts::StreamKind>(request.codec), payloads, !wants_jpeg);
  if (!decoded.frame) return 0;
  result.interlaced = decoded.interlaced ? 1 : 0;
  result.width = decoded.width;
  result.height = decoded.height;
  const Colour colour = colour_of(*decoded.frame, decoded.height);
  result.hdr = colour.hdr() ? 1 : 0;
  if (wants_jpeg && decoded.interlaced && !decoded.single_field) deinterlace(*decoded.frame);
  const int wanted =
      wants_jpeg ? std::clamp<int>(request.thumbnail_height, 16, kMaxThumbnailHeight) : kUnseenHeight;
  const Size size = shown_size(decoded.shape, decoded.height, wanted);
  Scaler scaler;
  const AvFrame scaled = scaler.scale(*decoded.frame, size.width, size.height, format_before(colour),
                                      wants_jpeg ? SWS_BICUBIC : SWS_AREA);
  decoded.frame.reset();
  const AvFrame shown = scaled ? to_jpeg_colours(*scaled, colour) : nullptr;
  if (!shown || !measure_luma(*shown, result) || !make_tile(*shown, decoded.shape, result)) return 0;
  result.verdict = job::PictureVerdict::shown;
  if (!wants_jpeg) return 0;
  const std::size_t bytes = write_jpeg(*shown, jpeg);
  if (bytes == 0) return 0;
  result.thumbnail_width = static_cast<std::uint16_t>(size.width);
  result.thumbnail_height = static_cast<std::uint16_t>(size.height);
  return bytes;
}

}  // namespace

std::size_t look_at_picture(const job::PictureRequest& request, std::span<const std::uint8_t> payloads,
                            std::span<std::uint8_t> out) {
  if (out.size() < sizeof(job::PictureResult)) return 0;
  const std::uint32_t begun = cpu_us();
  job::PictureResult result;
  const std::size_t bytes = look(request, payloads, result, out.subspan(sizeof result));
  result.jpeg_size = static_cast<std::uint32_t>(bytes);
  result.decode_us = cpu_us() - begun;
  std::memcpy(out.data(), &result, sizeof result);
  return sizeof result + bytes;
}

}  // namespace headgate::transcode

// links: headgate::transcode_picture
// One picture as a stranger sends it: the first byte chooses codec and whether there is to be a JPEG.
// Nothing is written beyond the room that is given.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "dataplane/transcode/worker.h"

namespace job = headgate::job;
namespace transcode = headgate::transcode;
using headgate::mpegts::StreamKind;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool loaded = (transcode::load_codecs(), true);
  constexpr std::size_t kMost = 16 * 1024;
  constexpr std::size_t kRoom = sizeof(job::PictureResult) + 40'000, kGuard = 64;
  if (!loaded || size < 4 || size > kMost) return 0;
  constexpr StreamKind kKinds[] = {StreamKind::mpeg2_video, StreamKind::h264, StreamKind::hevc};
  job::PictureRequest request;
  request.codec = static_cast<std::uint8_t>(kKinds[data[0] % 3]);
  request.wants_jpeg = (data[0] & 0x80) != 0 ? 1 : 0;
  request.thumbnail_height = static_cast<std::uint16_t>((data[0] & 0x40) != 0 ? 0xFFFF : 360);
  std::vector<std::uint8_t> out(kRoom + kGuard, 0xA5);
  const std::size_t written =
      transcode::look_at_picture(request, {data + 1, size - 1}, std::span(out).first(kRoom));
  const bool whole = std::all_of(out.begin() + kRoom, out.end(), [](std::uint8_t b) { return b == 0xA5; });
  if (written < sizeof(job::PictureResult) || written > kRoom || !whole) std::abort();
  const auto result = job::read<job::PictureResult>(out);
  if (result->jpeg_size != written - sizeof(job::PictureResult)) std::abort();
  if (result->verdict > job::PictureVerdict::undecodable) std::abort();
  return 0;
}

// links: headgate::mpegts
// Payloads of every served kind of video and audio. First byte: the kind; second: the size of the payloads,
// in 4 bytes.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "mpegts/es/audio.h"
#include "mpegts/es/video.h"
#include "mpegts/tstd/video_leak.h"

namespace {

using namespace headgate::mpegts;

void video(es::VideoParser& parser, std::span<const std::uint8_t> payload) {
  parser.inspect_start(payload);
  if (const auto leak = video_leak(payload); leak && *leak < 64'000) std::abort();  // the least of level 1
  std::size_t covered = 0;
  for (const auto& unit : parser.split(payload).units) {
    if (unit.offset != covered) std::abort();
    covered += unit.size;
  }
  if (covered != payload.size()) std::abort();
}

// Returns the bytes of the frames.
std::size_t audio(es::AudioParser& parser, std::span<const std::uint8_t> payload) {
  std::size_t bytes = 0;
  for (const auto& frame : parser.on_payload(payload)) {
    if (frame.data.empty() || !parser.format()) std::abort();
    const volatile std::uint8_t last = frame.data.back();
    static_cast<void>(last);
    bytes += frame.data.size();
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  constexpr std::array kKinds{StreamKind::h264,       StreamKind::hevc,     StreamKind::mpeg2_video,
                              StreamKind::mpeg_audio, StreamKind::aac_adts, StreamKind::ac3,
                              StreamKind::eac3,       StreamKind::aac_latm};
  const StreamKind kind = kKinds[data[0] % kKinds.size()];
  const std::size_t step = data[1] == 0 ? size : std::size_t{data[1]} * 4;
  es::VideoParser video_parser(kind);
  es::AudioParser audio_parser(kind);
  std::size_t fed = 0, found = 0;
  for (std::size_t at = 2; at < size; at += step) {
    // A copy of its own, so that the sanitizer sees a read past its end.
    const std::vector<std::uint8_t> payload(data + at, data + at + std::min(step, size - at));
    if (is_video(kind)) {
      video(video_parser, payload);
    } else {
      fed += payload.size();
      found += audio(audio_parser, payload);
    }
  }
  audio_parser.reset();
  if (found + audio_parser.skipped_bytes() != fed) std::abort();  // no byte is lost uncounted
  return 0;
}

// links: headgate::bridge
// PES payloads of each kind that has frames. First byte: the kind; second: the size of the payloads, in 4
// bytes.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "dataplane/bridge/hub/frame_maker.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headgate;
  using mpegts::StreamKind;
  if (size < 3) return 0;
  constexpr std::array kKinds{StreamKind::h264,     StreamKind::hevc,     StreamKind::mpeg_audio,
                              StreamKind::aac_adts, StreamKind::aac_latm, StreamKind::ac3,
                              StreamKind::eac3};
  bridge::hub::Track track;
  track.kind = kKinds[data[0] % kKinds.size()];
  const auto maker = bridge::hub::make_frame_maker(track);
  const std::size_t step = data[1] == 0 ? size : std::size_t{data[1]} * 4;
  std::vector<bridge::hub::MadeFrame> made;
  std::int64_t dts = 0;
  for (std::size_t at = 2; at < size; at += step) {
    const std::span payload(data + at, std::min(step, size - at));
    maker->on_payload({at % 3 != 0, dts, dts + 7}, payload, made);
    dts += 1'080'000;
  }
  maker->flush(made);
  for (const auto& each : made) {
    if (each.frame == nullptr || each.track == nullptr || each.frame->data.empty()) std::abort();
  }
  return 0;
}

// links: headgate::bridge
// Formats and frames of a hostile publisher, up to the transport stream made of them: whole packets, counters
// that follow, whatever the bytes and times are. Each step is a byte that says what comes, and its argument.
#include <array>
#include <cstdlib>

#include "dataplane/bridge/ingest/frame_input.h"
#include "mpegts/packet/ts_packet.h"

namespace {

using namespace headgate;
using mpegts::StreamKind;

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : left_(data, size) {}
  bool empty() const { return left_.empty(); }
  std::uint8_t byte() {
    if (left_.empty()) return 0;
    const std::uint8_t value = left_[0];
    left_ = left_.subspan(1);
    return value;
  }
  std::vector<std::uint8_t> bytes() {
    const std::size_t wanted = byte();
    const std::size_t times = byte() % 8 == 0 ? 40 : 1;
    const std::size_t size = std::min(wanted * times, left_.size());
    const std::vector<std::uint8_t> out(left_.begin(), left_.begin() + static_cast<std::ptrdiff_t>(size));
    left_ = left_.subspan(size);
    return out;
  }
  // Mostly a few milliseconds, at times anything.
  std::int64_t time() {
    const std::uint8_t how = byte();
    if (how < 240) return std::int64_t{how} * 27'000 * (how % 8 == 0 ? 100 : 1);
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | byte();
    return static_cast<std::int64_t>(value);
  }

 private:
  std::span<const std::uint8_t> left_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::array kKinds{StreamKind::h264,       StreamKind::hevc, StreamKind::aac_adts,
                              StreamKind::mpeg_audio, StreamKind::ac3,  StreamKind::opus,
                              StreamKind::mpeg2_video};
  Input in(data, size);
  std::int64_t now = 1'700'000'000'000'000'000;
  std::array<int, mpegts::kPidCount> continuity;
  continuity.fill(-1);
  bridge::ingest::FrameInput input(
      [&](std::span<const std::uint8_t> packets) {
        if (packets.empty() || packets.size() % mpegts::kPacketSize != 0) std::abort();
        for (std::size_t at = 0; at < packets.size(); at += mpegts::kPacketSize) {
          const mpegts::TsPacket packet{packets.subspan(at).first<mpegts::kPacketSize>()};
          if (!packet.has_sync() || !packet.valid()) std::abort();
          int& last = continuity[packet.pid().value];
          const int step = packet.has_payload() ? 1 : 0;
          if (last >= 0 && packet.continuity_counter() != ((last + step) & 15)) std::abort();
          last = packet.continuity_counter();
        }
      },
      [&] { return now; });
  std::int64_t dts = 0;
  while (!in.empty()) {
    const std::uint8_t what = in.byte();
    now += std::int64_t{what} * 1'000'000;
    if (what < 24) {
      auto format = std::make_shared<bridge::hub::FrameFormat>();
      for (int i = what % 4; i >= 0; --i) {
        auto& track = format->tracks.emplace_back();
        track.kind = kKinds[in.byte() % kKinds.size()];
        track.configuration = in.bytes();
        if (mpegts::is_video(track.kind)) {
          track.video.emplace();
        } else {
          track.audio.emplace();
          track.audio->sample_rate = in.byte() * 400U;
          track.audio->samples_per_frame = in.byte() * 16U;
        }
      }
      input.on_format(format);
    } else if (what < 28) {
      input.on_discontinuity();
    } else if (what < 30) {
      input.end();
    } else if (what < 32) {
      what == 30 ? input.go_on() : input.begin_anew();
    } else if (what < 36) {
      input.on_tick(now);
    } else {
      auto frame = std::make_shared<bridge::hub::Frame>();
      const std::int64_t step = in.time();
      dts = static_cast<std::int64_t>(static_cast<std::uint64_t>(dts) + static_cast<std::uint64_t>(step));
      frame->track = static_cast<std::uint8_t>(what % 4);
      frame->dts = dts;
      frame->pts = static_cast<std::int64_t>(static_cast<std::uint64_t>(dts) +
                                             static_cast<std::uint64_t>(what % 3 == 0 ? in.time() : 0));
      frame->duration = what % 5 == 0 ? 576'000 : 0;
      frame->random_access = what % 7 == 0;
      frame->data = in.bytes();
      input.on_frame(frame);
    }
  }
  input.end();
  const auto counters = input.counters();
  const auto& muxer = input.muxer();
  if (counters.frames != counters.unusable + counters.without_place + muxer.units + muxer.dropped_units)
    std::abort();
  return 0;
}

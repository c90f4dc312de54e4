// links: headgate::transcode_sound
// Messages to a sound worker. First byte: kind of the stream; second: what is wanted of it. Then messages: a
// byte of control (bits 0-1: packet, stream, end, idle; 2: loss; 3: discontinuity; 4: no time; 5-7: how the
// time moves), two bytes of length, the payload.
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "dataplane/transcode/worker.h"
#include "mpegts/psi/tables.h"

namespace {

using namespace headgate;
using mpegts::StreamKind;

void require(bool fact) {
  if (!fact) std::abort();
}

// What comes out keeps the promises of dataplane/job/message.h whatever goes in.
struct Judge final : transcode::Output {
  std::optional<std::int64_t> last;
  void send(job::Message kind, const ring::MessageHeader& header,
            std::span<const std::uint8_t> payload) override {
    if (kind == job::Message::levels) {
      const auto levels = job::read<job::SoundLevels>(payload);
      require(levels.has_value());
      require(std::isfinite(levels->momentary_lufs) && std::isfinite(levels->short_term_lufs));
      require(levels->momentary_lufs >= -70 && levels->short_term_lufs >= -70);
      require(levels->correlation >= -1 && levels->correlation <= 1);
      require(levels->peak_dbfs >= -120 && levels->rms_dbfs >= -120);
      return;
    }
    if (kind == job::Message::trouble) return require(payload.size() < 1000);
    require(kind == job::Message::frame);
    require(header.pts % 576'000 == 0 && header.dts == header.pts);
    require((header.flags & job::kDiscontinuity) != 0 || (last && header.pts == *last + 576'000));
    last = header.pts;
    require(payload.size() > 7 && payload[0] == 0xFF && payload[1] == 0xF1);
    require((static_cast<std::size_t>(payload[3] & 3) << 11 | payload[4] << 3 | payload[5] >> 5) ==
            payload.size());
  }
};

constexpr std::array kKinds{StreamKind::mpeg_audio, StreamKind::aac_adts, StreamKind::ac3, StreamKind::eac3,
                            StreamKind::aac_latm,   StreamKind::dts,      StreamKind::opus};

job::StreamBegin begin_of(std::uint8_t kind, std::uint8_t wanted) {
  job::StreamBegin begin;
  begin.codec = static_cast<std::uint8_t>(kKinds[kind % kKinds.size()]);
  begin.encode = (wanted & 3) != 3 ? 1 : 0;
  begin.sampled_ms = static_cast<std::uint16_t>((wanted & 0x7C) * 8);
  return begin;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  Judge judge;
  const auto worker = transcode::make_sound_worker(judge);
  ring::MessageHeader header;
  const auto say = [&](job::Message kind, std::span<const std::uint8_t> payload) {
    header.kind = static_cast<std::uint16_t>(kind);
    worker->on_message(header, payload);
  };
  say(job::Message::stream, job::bytes_of(begin_of(data[0], data[1])));
  std::size_t at = 2, fills = 0;
  while (at + 3 <= size) {
    const unsigned control = data[at];
    const std::size_t length =
        std::min<std::size_t>(data[at + 1] | static_cast<std::size_t>(data[at + 2]) << 8, size - at - 3);
    const std::span<const std::uint8_t> payload(data + at + 3, length);
    at += 3 + length;
    header.flags = ((control & 4) != 0 ? job::kLoss : 0U) | ((control & 8) != 0 ? job::kDiscontinuity : 0U) |
                   ((control & 16) != 0 ? job::kUntimed : 0U);
    constexpr std::int64_t kMoves[] = {648'000,     576'000,     864'000, 27'000'000,
                                       -13'500'000, 540'000'000, 1'000,   0};
    const unsigned move = control >> 5;
    // A few long gaps are enough: each is seconds of silence to encode.
    if (move != 3 || ++fills < 4) header.pts += kMoves[move];
    if (move == 7 && length >= 8) std::memcpy(&header.pts, payload.data(), 8);
    switch (control & 3) {
      case 1:
        if (length >= 2) say(job::Message::stream, job::bytes_of(begin_of(payload[0], payload[1])));
        break;
      case 2:
        if (length < 4) {
          say(job::Message::end, {});
          judge.last.reset();
          break;
        }
        [[fallthrough]];
      default:
        say(job::Message::packet, payload);
    }
  }
  say(job::Message::end, {});
  return 0;
}

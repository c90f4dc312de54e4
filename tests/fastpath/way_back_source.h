// Who sends in the tests of the way back: an encoder that publishes H.264 and AAC with FLV's whole
// milliseconds by a clock that is fast or slow, over a network that bunches; and a short file for a slate.
// The frames hold no real pictures or sound, only their FrameMark. Threading: one thread.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "dataplane/bridge/ingest/entry.h"
#include "dataplane/bridge/pull/paced_queue.h"
#include "mpegts/mux/program_muxer.h"
#include "tests/fastpath/received_stream.h"

namespace headgate::fastpath::test {

using Bytes = std::vector<std::uint8_t>;

// Frame n of an endless source: 30000/1001 pictures a second, a random access point each 30, and sound of
// 48 kHz.
struct SourceFrame {
  static constexpr std::uint32_t kGroup = 30;
  bool video = false;
  std::uint32_t number = 0;

  // Of the source's clock.
  double exact_ms() const { return video ? number * 1001.0 / 30 : number * 64.0 / 3; }
  std::int64_t dts_ms() const { return static_cast<std::int64_t>(std::floor(exact_ms())); }
  std::int64_t pts_ms() const { return dts_ms() + (video ? std::array{67, 133, 33}[number % 3] : 0); }
  bool key() const { return !video || number % kGroup == 0; }
  std::size_t size() const { return video ? (number % kGroup == 0 ? 2500 : 300 + number % 7 * 60) : 120; }
};

// Pictures and sound in the order of their times.
class SourceFrames {
 public:
  SourceFrame next() {
    SourceFrame& first = picture_.exact_ms() <= sound_.exact_ms() ? picture_ : sound_;
    const SourceFrame out = first;
    ++first.number;
    return out;
  }
  SourceFrame peek() const { return picture_.exact_ms() <= sound_.exact_ms() ? picture_ : sound_; }

 private:
  SourceFrame picture_{true, 0};
  SourceFrame sound_{false, 0};
};

// With its mark behind the NAL unit's header, or at the beginning of the sound.
inline Bytes payload_of(const SourceFrame& frame, std::uint8_t source) {
  Bytes out(frame.size(), 0x9B);
  std::size_t at = 0;
  if (frame.video) {
    const std::size_t nal = frame.size() - 4;
    out[0] = out[1] = 0;
    out[2] = static_cast<std::uint8_t>(nal >> 8);
    out[3] = static_cast<std::uint8_t>(nal);
    out[4] = frame.key() ? 0x65 : 0x41;
    at = 5;
  }
  const auto mark = FrameMark{source, frame.number}.bytes();
  std::copy(mark.begin(), mark.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
  return out;
}

class Publisher {
 public:
  // When what was made at a time arrives, both in ns since it began; rising.
  using Way = std::function<std::int64_t(std::int64_t made_ns)>;

  Publisher(bridge::ingest::Entry& entry, double ppm) : entry_(entry), ppm_(ppm) {}

  // It begins anew, its times at 0; `source` is in the marks.
  void begin(std::uint8_t source, std::int64_t now_ns, Way way) {
    if (!entry_.attach("encoder", {})) std::abort();
    source_ = source;
    way_ = std::move(way);
    began_ns_ = now_ns;
    frames_ = {};
    on_ = true;
    auto format = std::make_shared<bridge::hub::FrameFormat>();
    format->tracks.resize(2);
    format->tracks[0].kind = mpegts::StreamKind::h264;
    format->tracks[0].configuration = {1, 66, 0, 30, 0xFF, 0xE1, 0,    4,    0x67, 66,
                                       0, 30, 1, 0,  4,    0x68, 0xCE, 0x38, 0x80};
    format->tracks[0].video.emplace();
    format->tracks[1].kind = mpegts::StreamKind::aac_adts;
    format->tracks[1].configuration = {0x11, 0x90};
    format->tracks[1].audio.emplace();
    format->tracks[1].audio->sample_rate = 48'000;
    format->tracks[1].audio->samples_per_frame = 1024;
    entry_.frames().on_format(format);
    arrival_ns_ = arrival_of(frames_.peek());
  }
  void end() {
    entry_.detach("");
    on_ = false;
  }
  bool on() const { return on_; }
  // What has come by now.
  void step(std::int64_t now_ns) {
    while (on_ && arrival_ns_ <= now_ns) {
      deliver(frames_.next());
      arrival_ns_ = arrival_of(frames_.peek());
    }
  }
  // When a frame was made, by our clock.
  std::int64_t made_ns(const SourceFrame& frame) const {
    return began_ns_ + std::llround(frame.exact_ms() * 1e6 / (1 + ppm_ * 1e-6));
  }

 private:
  std::int64_t arrival_of(const SourceFrame& frame) { return began_ns_ + way_(made_ns(frame) - began_ns_); }
  void deliver(const SourceFrame& frame) {
    auto out = std::make_shared<bridge::hub::Frame>();
    out->track = frame.video ? 0 : 1;
    out->dts = frame.dts_ms() * 27'000;
    out->pts = frame.pts_ms() * 27'000;
    out->random_access = frame.key();
    out->data = payload_of(frame, source_);
    entry_.frames().on_frame(out);
  }

  bridge::ingest::Entry& entry_;
  double ppm_;
  Way way_;
  std::uint8_t source_ = 0;
  std::int64_t began_ns_ = 0;
  std::int64_t arrival_ns_ = 0;
  SourceFrames frames_;
  bool on_ = false;
};

// A file that is looped as `file://` inputs are, without its reading.
class Slate {
 public:
  static constexpr std::uint32_t kPictures = 240;  // 8.008 s

  Slate(bridge::ingest::Entry& entry, std::uint8_t source) : entry_(entry) {
    if (!entry_.attach("slate", {})) std::abort();
    mpegts::ProgramMuxer muxer([this](std::span<const std::uint8_t> packets) {
      file_.insert(file_.end(), packets.begin(), packets.end());
    });
    mpegts::MuxProgram program;
    program.service_name = "Slate";
    program.tracks = {{mpegts::StreamKind::h264, "", 0, 0}, {mpegts::StreamKind::aac_adts, "", 0, 0}};
    muxer.set_program(program);
    SourceFrames frames;
    while (!(frames.peek().video && frames.peek().number == kPictures)) push(muxer, frames.next(), source);
    muxer.flush();
  }

  void step(std::int64_t elapsed_ns) {
    while (queue_.level() < std::chrono::milliseconds(200)) {
      for (int i = 0; i < 100 && at_ < file_.size(); ++i, at_ += 188)
        queue_.push(mpegts::TsPacket(std::span<const std::uint8_t>(file_).subspan(at_).first<188>()));
      if (at_ < file_.size()) continue;
      queue_.end_of_loop();
      at_ = 0;
    }
    queue_.advance(std::chrono::nanoseconds(elapsed_ns),
                   [this](std::span<const std::uint8_t> packets, bool) { entry_.on_ts(packets); });
  }

 private:
  static void push(mpegts::ProgramMuxer& muxer, const SourceFrame& frame, std::uint8_t source) {
    Bytes data = payload_of(frame, source);
    Bytes head{0xFF, 0xF1, 0x4C, 0x80, 0, 0x1F, 0xFC};  // ADTS: LC, 48 kHz, stereo
    if (frame.video) {
      data[3] = 1;
      data[2] = 0;
      head = {0, 0, 0, 1, 9, 0xF0};
      if (frame.key())
        head.insert(head.end(), {0, 0, 0, 1, 0x67, 66, 0, 30, 0, 0, 0, 1, 0x68, 0xCE, 0x38, 0x80});
    } else {
      const std::size_t size = data.size() + head.size();
      head[3] = static_cast<std::uint8_t>(0x80 | size >> 11);
      head[4] = static_cast<std::uint8_t>(size >> 3);
      head[5] = static_cast<std::uint8_t>(size << 5 | 0x1F);
    }
    data.insert(data.begin(), head.begin(), head.end());
    mpegts::MuxUnit unit;
    unit.track = frame.video ? 0 : 1;
    unit.dts = std::llround(frame.exact_ms() * 27'000);
    unit.pts = unit.dts + (frame.pts_ms() - frame.dts_ms()) * 27'000;
    unit.random_access = frame.video && frame.key();
    unit.data = data;
    muxer.push(unit);
  }

  bridge::ingest::Entry& entry_;
  Bytes file_;
  std::size_t at_ = 0;
  bridge::pull::PacedQueue queue_{true};
};

}  // namespace headgate::fastpath::test

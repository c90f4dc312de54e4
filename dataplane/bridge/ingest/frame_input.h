// Makes a transport stream of the frames of a source: formats to tables, frames to PES, the source's times to
// those of a stream that goes on over reconnections. References: ISO/IEC 13818-1:2022 2.14.1, 2.17.1 (AVC and
// HEVC in PES), ISO/IEC 14496-3 1.A.2 (ADTS). Threading: owned by the bridge's media thread. Memory: what a
// ProgramMuxer keeps, and of the first half second at most kMaxHeld frames and kMaxHeldBytes.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/bridge/hub/frame.h"
#include "dataplane/bridge/hub/track.h"
#include "dataplane/bridge/ingest/source_clock.h"
#include "mpegts/es/adts.h"
#include "mpegts/es/byte_stream.h"
#include "mpegts/mux/program_muxer.h"

namespace headgate::bridge::ingest {

class FrameInput final : public hub::FrameSink {
 public:
  // Sources tell their tracks one after the other: a first format without both picture and sound waits so
  // long for the rest, so that the stream does not begin with tables that change at once.
  static constexpr std::int64_t kPatience = mpegts::kTicksPerSecond / 2;
  static constexpr std::size_t kMaxHeld = 512;
  static constexpr std::size_t kMaxHeldBytes = 8 * 1024 * 1024;
  static constexpr std::size_t kMaxTracks = 16;
  // A source silent for so long gets what waits sent without it: in time for the usual remux.buffer of a
  // second.
  static constexpr std::int64_t kSilenceNs = 700'000'000;

  struct Service {
    std::uint16_t number = 1;
    std::string name;
    std::string provider;
    bool operator==(const Service&) const = default;
  };
  using Clock = std::function<std::int64_t()>;  // Unix time, ns

  FrameInput(mpegts::ProgramMuxer::Sink sink, Clock clock);

  void set_service(const Service& service);
  void on_format(std::shared_ptr<const hub::FrameFormat> format) override;
  void on_frame(std::shared_ptr<const hub::Frame> frame) override;
  void on_discontinuity() override;

  // The source is gone; what waits is sent.
  void end();
  // Its successor continues the stream, or another one begins.
  void go_on();
  void begin_anew();
  void on_tick(std::int64_t now_ns);

  struct Counters {
    std::uint64_t frames = 0;
    std::uint64_t bytes = 0;
    std::uint64_t unusable = 0;       // not whole, without configuration, or too long for their packing
    std::uint64_t without_place = 0;  // of tracks that are left out
    std::uint64_t clock_jumps = 0;
  };
  Counters counters() const;
  const mpegts::ProgramMuxer::Counters& muxer() const { return muxer_.counters(); }
  const std::vector<hub::LeftOutTrack>& left_out() const { return left_out_; }

 private:
  struct Lane {
    hub::FrameTrack track;
    std::optional<std::size_t> place;  // in the program; nothing: left out
    std::optional<mpegts::es::ByteStreamMaker> pictures;
    std::optional<mpegts::es::AdtsMaker> aac;
    // Sound: its times counted in samples from `from` on, while those of the source agree.
    std::optional<std::int64_t> from;
    std::uint64_t samples = 0;
  };
  std::string open(Lane& lane) const;
  void take_format(const hub::FrameFormat& format);
  void set_program();
  void take_frame(const hub::Frame& frame);
  bool pack(Lane& lane, const hub::Frame& frame, mpegts::MuxUnit& unit);
  static std::int64_t even(Lane& lane, const hub::Frame& frame, std::int64_t time);
  void release();

  mpegts::ProgramMuxer muxer_;
  Clock clock_;
  Service service_;
  SourceClock times_;
  std::vector<Lane> lanes_;  // by track of the format
  bool has_video_ = false;
  std::vector<hub::LeftOutTrack> left_out_;
  std::vector<std::uint8_t> buffer_;
  Counters counters_;

  std::shared_ptr<const hub::FrameFormat> latest_;  // while the first frames are held
  std::deque<std::shared_ptr<const hub::Frame>> held_;
  std::size_t held_bytes_ = 0;
  bool holding_ = true;
  std::int64_t held_since_ns_ = 0;
  std::int64_t last_frame_ns_ = 0;
  bool flushed_ = true;
};

}  // namespace headgate::bridge::ingest

// One derived rendition: PES payloads of a channel's video in, smaller H.264 access units out, with the
// source's times and an IDR at each of its random access points. Threading: owned by one thread; makes none.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "dataplane/job/message.h"
#include "dataplane/transcode/ladder/decoder.h"
#include "dataplane/transcode/ladder/encoder.h"
#include "dataplane/transcode/picture/colour.h"
#include "dataplane/transcode/picture/scale.h"
#include "dataplane/transcode/worker.h"

namespace headgate::transcode::ladder {

class Rendition {
 public:
  Rendition(Output& output, std::uint16_t stream, const job::StreamBegin& wanted);
  ~Rendition();
  void on_packet(const ring::MessageHeader& header, std::span<const std::uint8_t> payload);
  // Hands on all that is held back.
  void drain();

 private:
  // A frame waiting for the next one, while the frame rate is not known.
  struct Held {
    AvFrame frame;
    std::int64_t pts;
  };
  void on_frame(const AVFrame& frame);
  void encode(const AVFrame& frame, std::int64_t pts, AVRational rate);
  bool open_encoder(const EncoderFormat& format);
  void close_encoder();
  EncoderFormat format_for(const AVFrame& frame, AVRational rate) const;
  AvFrame scaled(const AVFrame& frame, const EncoderFormat& format);
  void on_encoded(const Encoded& encoded);
  void say(const std::string& trouble);

  Output& output_;
  std::uint16_t stream_;
  job::StreamBegin wanted_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<Encoder> encoder_;
  picture::Scaler scaler_;
  std::optional<Held> held_;
  std::optional<AVRational> measured_rate_;
  std::deque<std::int64_t> idrs_;         // times of random access points whose frames have not come out yet
  std::optional<std::int64_t> begin_;     // what is shown before has references that never came
  std::optional<std::int64_t> last_pts_;  // that went into the encoder
  std::optional<std::int64_t> last_dts_;  // that went out
  std::uint32_t flags_ = 0;               // for the next frame into the encoder
  std::uint64_t silent_ = 0;              // packets since the last frame
  std::string trouble_;
};

}  // namespace headgate::transcode::ladder

// Frames of any sound that is decoded here, out of PES payloads: mpegts::es::AudioParser for what it knows,
// and DTS and Opus, which only a decoder needs.
// References: ETSI TS 102 114 5.3 (DTS core frame header); Opus in MPEG-2 TS (ETSI TS 103 491 B.2:
// opus_control_header), RFC 6716 3.1 (TOC).
// Threading: owned by one thread. Memory: one PES payload and one frame.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mpegts/es/audio.h"

namespace headgate::transcode::sound {

struct SoundFrame {
  std::span<const std::uint8_t> data;  // valid until the next call
  std::int64_t offset = 0;             // 27 MHz from the PES's time, or from the one before: starts_before
  std::int64_t duration = 0;           // 27 MHz
  bool starts_before = false;
};

class Splitter {
 public:
  explicit Splitter(mpegts::StreamKind kind) : kind_(kind), parser_(kind) {}
  const std::vector<SoundFrame>& on_payload(std::span<const std::uint8_t> payload);
  void reset();  // something is missing: forgets the begun frame
  // What AudioParser says (RFC 6381), but "latm" for AAC in LATM; "dts", "opus"; "" until a frame was found.
  const std::string& codec() const { return codec_; }

 private:
  void split_dts(std::span<const std::uint8_t> payload);
  void split_opus(std::span<const std::uint8_t> payload);

  mpegts::StreamKind kind_;
  mpegts::es::AudioParser parser_;
  std::vector<SoundFrame> frames_;
  std::vector<std::uint8_t> work_;   // DTS: a begun frame, and the payload
  std::size_t used_ = 0;             // of work_, by the last call
  std::int64_t carried_offset_ = 0;  // of the begun frame
  std::string codec_;
};

}  // namespace headgate::transcode::sound

// Frames of AAC (ADTS, and LATM/LOAS sync), MPEG audio layers I-III, AC-3 and E-AC-3 inside PES payloads.
// References: ISO/IEC 14496-3 1.A.2 (ADTS), 1.7 (LATM); ISO/IEC 11172-3 2.4.1; ETSI TS 102 366 (AC-3,
// E-AC-3). Threading: owned by one thread per PID; a frame that spans PES packets is carried over (bounded to
// one frame).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mpegts/psi/tables.h"

namespace headgate::mpegts::es {

struct AudioFormat {
  StreamKind kind = StreamKind::unknown;
  std::uint32_t sample_rate = 0;  // AAC with SBR signalled only inside the frames: of the core
  // LFE counted. E-AC-3: those of the independent substream, which a decoder without the dependent ones
  // plays.
  std::uint32_t channels = 0;
  std::uint32_t samples_per_frame = 0;
  // RFC 6381: "mp4a.40.2", "mp4a.40.5", "mp4a.40.33" (layer II), "mp4a.40.34" (layer III), "ac-3", "ec-3"
  std::string codec;
  bool operator==(const AudioFormat&) const = default;
};

struct AudioFrame {
  std::span<const std::uint8_t> data;  // the whole frame with its header; valid until the next call
  // Of this frame's first sample, from the first frame that STARTS in this payload. With starts_before: from
  // the first that starts in the payload where this one began, which is the last payload that could have a
  // PTS (2.4.3.7).
  std::uint64_t sample_offset = 0;
  bool starts_before = false;  // began in the payload before: the PES's PTS is not its own
};

// Locks to a stream when a second header follows where the first says, or when frames fill a payload from its
// first byte to its last; a chance sync word is not taken for a frame.
class AudioParser {
 public:
  explicit AudioParser(StreamKind kind);
  // The frames that END in this payload. Bytes that are no frame are skipped and counted.
  std::vector<AudioFrame> on_payload(std::span<const std::uint8_t> payload);
  const std::optional<AudioFormat>& format() const { return format_; }
  std::uint64_t skipped_bytes() const { return skipped_; }
  void
  reset();  // after a gap: forgets the begun frame (its bytes count as skipped) and the lock, not the format

 private:
  struct Candidate;
  enum class Verdict : std::uint8_t { frame, no_frame, need_more };
  Verdict examine(std::size_t at, std::size_t carried, Candidate& candidate) const;
  bool accept(const Candidate& candidate, std::size_t at);
  void extend_with_dependents(Candidate& candidate, std::size_t at) const;

  StreamKind kind_;
  std::optional<AudioFormat> format_;
  std::vector<std::uint8_t> carry_;
  std::vector<std::uint8_t> work_;
  std::uint64_t skipped_ = 0;
  bool locked_ = false;
  std::uint32_t signature_ = 0;      // of the locked stream
  std::uint64_t carry_samples_ = 0;  // sample_offset of the frame that begins carry_
  std::size_t substreams_ = 1;       // E-AC-3: in the frame before
};

}  // namespace headgate::mpegts::es

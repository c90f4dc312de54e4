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
  std::uint32_t sample_rate = 0;
  std::uint32_t channels = 0;  // LFE counted
  std::uint32_t samples_per_frame = 0;
  std::string codec;  // RFC 6381: "mp4a.40.2", "mp4a.40.5", "mp4a.40.33" (layer II), "mp4a.40.34" (layer
                      // III), "ac-3", "ec-3"
  bool operator==(const AudioFormat&) const = default;
};

struct AudioFrame {
  std::span<const std::uint8_t> data;  // the whole frame with its header; valid until the next call
  std::uint64_t sample_offset =
      0;  // of this frame's first sample, from the first frame that STARTS in this payload
  bool starts_before = false;  // began in the payload before: the PES's PTS is not its own
};

class AudioParser {
 public:
  explicit AudioParser(StreamKind kind);
  // The frames that END in this payload. Bytes that are no frame are skipped and counted.
  std::vector<AudioFrame> on_payload(std::span<const std::uint8_t> payload);
  const std::optional<AudioFormat>& format() const { return format_; }
  std::uint64_t skipped_bytes() const { return skipped_; }
  void reset();

 private:
  StreamKind kind_;
  std::optional<AudioFormat> format_;
  std::vector<std::uint8_t> carry_;
  std::vector<std::uint8_t> work_;
  std::uint64_t skipped_ = 0;
};

}  // namespace headgate::mpegts::es

// Access units and random access points of MPEG-2 video, H.264 and HEVC, as they lie in PES payloads (byte
// stream format). References: ISO/IEC 13818-2 6.2.2; ITU-T H.264 7.3.1, 7.4.1.2.3, Annex B; ITU-T
// H.265 7.3.1, 7.4.2.4.4, Annex B. Threading: owned by one thread per PID. Remembers parameter sets
// (bounded).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mpegts/psi/tables.h"

namespace headgate::mpegts::es {

// What the parameter sets say, enough for CODECS, RESOLUTION and FRAME-RATE of a playlist.
struct VideoFormat {
  StreamKind kind = StreamKind::unknown;
  std::uint32_t width = 0;  // after cropping
  std::uint32_t height = 0;
  std::uint32_t frame_rate_num = 0;  // 0/0 where the stream does not say
  std::uint32_t frame_rate_den = 0;
  bool interlaced = false;
  std::string codec;  // RFC 6381: "avc1.64001f", "hvc1.1.6.L93.B0", "mp2v.4d" style for MPEG-2 ("mp4v.61")
  bool operator==(const VideoFormat&) const = default;
};

enum class RandomAccess : std::uint8_t {
  none,
  recovery_point,  // H.264 I picture with recovery point SEI; MPEG-2 I with open GOP
  clean,           // IDR; HEVC IRAP; MPEG-2 sequence header with I of a closed GOP
};

// One access unit in a PES payload.
struct AccessUnit {
  std::size_t offset = 0;  // in the payload
  std::size_t size = 0;
  RandomAccess random_access = RandomAccess::none;
};

// Looks at the PES payloads of one video PID.
class VideoParser {
 public:
  explicit VideoParser(StreamKind kind);  // mpeg2_video, h264 or hevc
  ~VideoParser();
  VideoParser(VideoParser&&) noexcept;

  // What begins this payload: reads only as far as the first coded slice (or I/P decision), so it is cheap.
  // Updates format() when parameter sets come by.
  RandomAccess inspect_start(std::span<const std::uint8_t> payload);

  // All access units of the payload, in order; bytes before the first start code belong to the unit before
  // (continuation: the first entry then has offset 0 and continues the previous payload's last unit:
  // `continues` true).
  struct Split {
    bool continues = false;
    std::vector<AccessUnit> units;
  };
  Split split(std::span<const std::uint8_t> payload);

  // Nothing until the first parameter sets.
  const std::optional<VideoFormat>& format() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::mpegts::es

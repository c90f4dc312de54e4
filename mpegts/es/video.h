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

// What the sequence header or SPS itself says of the buffer a decoder needs, for the byte stream
// (vbv_buffer_size, bit_rate: ISO/IEC 13818-2 6.3.3, 6.3.5; the last CPB of nal_hrd_parameters: ITU-T H.264
// E.2.2, H.265 E.3.3).
struct VideoBuffering {
  std::optional<std::uint64_t> size_bits;
  std::optional<std::uint64_t> rate_bps;
  bool low_delay = false;        // a picture may be late on purpose
  bool fixed_vbv_delay = false;  // MPEG-2: the last picture had a vbv_delay other than 0xFFFF
  bool operator==(const VideoBuffering&) const = default;
};

enum class RandomAccess : std::uint8_t {
  none,
  recovery_point,  // H.264 picture with recovery point SEI; MPEG-2 sequence header with I of an open GOP
  // IDR; HEVC IRAP (16..21: BLA, IDR, CRA, whose RASL pictures a joining decoder drops by itself,
  // H.265 8.1.3); MPEG-2 sequence header with I of a GOP with closed_gop or broken_link.
  clean,
};

// One access unit in a PES payload. A coded field is a picture and so a unit of its own (H.264 7.4.1.2, 3.1;
// ISO/IEC 13818-1 2.1.1): a frame sent as two fields gives two units, the later one marked. A unit's
// random_access is known with its first slice: where that lies in the next payload, the unit's entry here
// says none and the entry that continues it there says what it is.
struct AccessUnit {
  std::size_t offset = 0;  // in the payload
  std::size_t size = 0;
  RandomAccess random_access = RandomAccess::none;
  bool second_field = false;  // of the frame that the unit before began
  // nal_unit_type of the first slice (H.264: 5 IDR; HEVC: 16..18 BLA, 19..20 IDR, 21 CRA), MPEG-2:
  // picture_coding_type.
  std::uint8_t nal_type = 0;
};

// Looks at the PES payloads of one video PID.
class VideoParser {
 public:
  explicit VideoParser(StreamKind kind);  // mpeg2_video, h264 or hevc
  ~VideoParser();
  VideoParser(VideoParser&&) noexcept;

  // What begins this payload (of the first unit that STARTS in it, where the payload opens with the tail of
  // another): reads only as far as that unit's first coded slice or picture header, so it is cheap. Updates
  // format() when parameter sets come by.
  RandomAccess inspect_start(std::span<const std::uint8_t> payload);
  // Whether the last inspect_start() came as far as that slice or picture header: without it `none` is no
  // verdict, only too few bytes.
  bool inspected_picture() const noexcept;

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
  // Of the parameter sets that format() is of.
  VideoBuffering buffering() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::mpegts::es

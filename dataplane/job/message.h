// What the bridge and a transcode worker say to each other in message rings (dataplane/ring/message_ring.h).
// Numbers are in host byte order: one machine. Times are on the channel's timeline, 27 MHz. The structures
// are copied byte by byte; a reader takes none that is shorter than it must be, and no number in it on trust.
// References: ISO/IEC 13818-7 (ADTS), ITU-R BS.1770-4 and EBU R128/Tech 3341 (loudness), ITU-T H.264 Annex B.
// Threading: values.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

#include "mpegts/psi/tables.h"

namespace headgate::job {

enum class Message : std::uint16_t {
  // To a worker.
  // Payload StreamBegin: a stream begins, or its format changed; before its first packet, and again about
  // every second, for a worker that took the place of one that died. The same again means nothing.
  stream = 1,
  packet = 2,   // payload: of one PES packet
  end = 3,      // no more of this stream
  picture = 4,  // payload PictureRequest and PES payloads from a random access point on; `id`: the asker's
  // From a worker.
  frame =
      16,  // payload: one ADTS frame, or one access unit in byte stream format with parameter sets at IDRs
  levels = 17,   // payload SoundLevels
  result = 18,   // payload PictureResult, then the JPEG; `id`: of the request
  trouble = 19,  // payload: text, why this stream yields nothing now; empty: all is well again
};

// Flags of packet and frame.
inline constexpr std::uint32_t kDiscontinuity = 1;  // times before and after don't join
inline constexpr std::uint32_t kLoss = 2;           // something is missing before it
inline constexpr std::uint32_t kRandomAccess = 4;   // pictures: a decoder can begin here
inline constexpr std::uint32_t kFilled = 8;         // frame: silence in place of what is missing
inline constexpr std::uint32_t kUntimed = 16;       // packet: no time stamps; it goes on from the one before

struct StreamBegin {
  std::uint8_t codec = 0;   // mpegts::StreamKind
  std::uint8_t encode = 0;  // sound: 1 makes AAC; 0 measures only
  // Sound, when only measuring: of each second so many ms are decoded; 0: all.
  std::uint16_t sampled_ms = 0;
  // Pictures of a ladder: what is wanted.
  std::uint32_t width = 0;  // 0: by the source's display aspect ratio
  std::uint32_t height = 0;
  std::uint32_t bitrate = 0;  // bit/s
};

// About four times a second for each stream, over what was decoded since the last one.
struct SoundLevels {
  float momentary_lufs = -70;   // 400 ms; -70: nothing measured, or silence
  float short_term_lufs = -70;  // 3 s; NaN never
  float peak_dbfs = -120;       // highest sample
  float rms_dbfs = -120;
  float correlation = 1;      // of left and right, -1..1; mono: 1
  std::uint32_t clipped = 0;  // samples in runs of three or more at full scale
  std::uint32_t samples = 0;  // a channel, that this was measured over
  std::uint32_t channels = 0;
  std::uint32_t sample_rate = 0;
  std::uint32_t decode_errors = 0;  // frames since the stream began
};

inline constexpr std::size_t kGridWidth = 32;
inline constexpr std::size_t kGridHeight = 18;
inline constexpr std::size_t kTileWidth = 192;
inline constexpr std::size_t kTileHeight = 108;

struct PictureRequest {
  std::uint8_t codec = 0;       // mpegts::StreamKind
  std::uint8_t wants_jpeg = 0;  // 0: only what it looks like
  std::uint16_t thumbnail_height = 360;
};

enum class PictureVerdict : std::uint8_t {
  shown,        // decoded
  undecodable,  // the decoder made no picture of it
  crashed,      // its process died
  timed_out,    // it took longer than it may
  refused,      // this asker's pictures killed their processes too often
};

struct PictureResult {
  PictureVerdict verdict = PictureVerdict::undecodable;
  std::uint8_t interlaced = 0;
  std::uint8_t hdr = 0;
  std::uint8_t reserved = 0;
  std::uint16_t width = 0;  // of the coded picture
  std::uint16_t height = 0;
  std::uint16_t thumbnail_width = 0;
  std::uint16_t thumbnail_height = 0;
  std::uint32_t jpeg_size = 0;
  std::uint32_t decode_us = 0;  // CPU time of the whole job
  // Of the luma, 8 bits, limited range stretched to 0..255.
  std::uint8_t mean = 0;
  std::uint8_t darkest = 0;    // 1st percentile
  std::uint8_t brightest = 0;  // 99th percentile
  std::uint8_t detail = 0;     // mean absolute difference of neighbours, times 8, at most 255
  std::array<std::uint8_t, kGridWidth * kGridHeight> grid{};      // mean luma of each cell, row by row
  std::array<std::uint8_t, kTileWidth * kTileHeight * 3> tile{};  // RGB for the mosaic, letterboxed
};

static_assert(std::is_trivially_copyable_v<StreamBegin> && sizeof(StreamBegin) == 16);
static_assert(std::is_trivially_copyable_v<SoundLevels> && sizeof(SoundLevels) == 40);
static_assert(std::is_trivially_copyable_v<PictureRequest> && sizeof(PictureRequest) == 4);
static_assert(std::is_trivially_copyable_v<PictureResult>);

template <typename T>
std::span<const std::uint8_t> bytes_of(const T& value) {
  return {reinterpret_cast<const std::uint8_t*>(&value), sizeof value};
}

// The structure at the front of a payload; nothing where that is too short.
template <typename T>
std::optional<T> read(std::span<const std::uint8_t> payload) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (payload.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, payload.data(), sizeof value);
  return value;
}

}  // namespace headgate::job

// How a codec tells the parser of video.h where access units begin and which of them can be joined at.
// One implementation per codec; each remembers its parameter sets (bounded). Threading: owned by one thread.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "mpegts/es/video.h"

namespace headgate::mpegts::es {

// What a start code's contents mean for the access unit.
enum class Part : std::uint8_t {
  prefix,         // may stand only before the picture: begins a unit where the present one has its picture
  picture_start,  // first slice or picture header: likewise; the facts of the picture are in Unit
  other,          // belongs to the unit that is there
};

// The identity of a picture, to know its next slice from the next picture (H.264 7.4.1.2.4) and the second
// field of a frame from a first one.
struct PictureKey {
  std::uint32_t frame_num = 0;  // MPEG-2: temporal_reference
  std::uint32_t pps = 0;
  std::uint32_t idr_pic_id = 0;
  bool idr = false;
  bool reference = false;
  bool field = false;
  bool bottom = false;
  bool operator==(const PictureKey&) const = default;
};

// State of one walk over the stream. The parser clears it at each unit but for `picture` and `second_field`.
struct Unit {
  bool open = false;         // a unit was begun
  bool has_picture = false;  // and its picture came by
  bool recovery_point = false;
  bool sequence_header = false;
  bool closed_gop = false;
  RandomAccess random_access = RandomAccess::none;
  std::uint8_t nal_type = 0;
  bool second_field = false;
  std::optional<PictureKey> picture;  // of the last picture

  void begin() noexcept {
    open = true;
    has_picture = recovery_point = sequence_header = closed_gop = false;
    random_access = RandomAccess::none;
    nal_type = 0;
  }
  // Whether a picture with this key, the next in the stream, is the second field of a frame; remembers it.
  void next_picture(const PictureKey& key) noexcept {
    second_field = picture && !second_field && key.field && picture->field &&
                   key.frame_num == picture->frame_num && key.bottom != picture->bottom && !key.idr;
    picture = key;
  }
};

class UnitScanner {
 public:
  virtual ~UnitScanner() = default;
  // `bytes`: from the byte after 00 00 01 to the end of the payload, not to the end of the NAL unit. Prefix
  // parts only note what they are in the codec; the parser calls note() after it has begun the unit they
  // belong to.
  virtual Part classify(std::span<const std::uint8_t> bytes, const Unit& unit) = 0;
  virtual void note(std::span<const std::uint8_t> bytes, Unit& unit) = 0;

  std::optional<VideoFormat> format;
  VideoBuffering buffering;
};

std::unique_ptr<UnitScanner> make_h264_scanner();
std::unique_ptr<UnitScanner> make_hevc_scanner();
std::unique_ptr<UnitScanner> make_mpeg2_scanner();

// Sets the rate, reduced; 0/0 where the stream's figures are no picture rate (zero, or above 300 a second).
void set_frame_rate(VideoFormat& format, std::uint64_t num, std::uint64_t den) noexcept;

}  // namespace headgate::mpegts::es

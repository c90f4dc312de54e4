// What the tests of pictures and of the ladder share: access units of a transport stream, and the pictures
// that the ffmpeg program makes of the same stream, which judge ours.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/job/message.h"
#include "mpegts/es/video.h"

namespace headgate::transcode::picture_test {

using Bytes = std::vector<std::uint8_t>;
using mpegts::StreamKind;

struct AccessUnit {
  Bytes bytes;
  std::int64_t pts = 0;  // 90 kHz
  std::int64_t dts = 0;
  bool random_access = false;
  bool second_field = false;
};

// A file of HEADGATE_STREAMS; nothing where that is not set.
std::optional<std::string> capture(const std::string& name);
// All that video PID's access units.
std::vector<AccessUnit> read_units(const std::string& file, std::uint16_t pid, StreamKind kind);
// Makes a stream once a run: ffmpeg with these arguments, PID 256.
std::string made_stream(const std::string& name, const std::string& arguments);

// The request for the picture at `index` and its access units, with what completes it.
struct Ask {
  job::PictureRequest request;
  Bytes units;
};
Ask ask(const std::vector<AccessUnit>& units, std::size_t index, StreamKind kind, bool wants_jpeg = true,
        int height = 360);

struct Seen {
  job::PictureResult result;
  Bytes jpeg;
};
Seen look(const Ask& ask, std::size_t room = 2 * 1024 * 1024);

// 4:2:0 of full range and BT.601, as in a JPEG.
struct Picture {
  int width = 0, height = 0;
  Bytes samples;
};
// `ffmpeg ARGUMENTS` to one raw picture.
Picture by_ffmpeg(const std::string& arguments, int width, int height);
Picture open_jpeg(const Seen& seen);
// Of the whole, and of the worst plane.
struct Likeness {
  double all = 0, luma = 0, worst_chroma = 0;
};
Likeness psnr(const Picture& a, const Picture& b);

// A file in a folder of this run that goes with it.
std::string temporary(const std::string& name);

}  // namespace headgate::transcode::picture_test

// What the tests of derived renditions share: a worker that is fed, and what must come out of it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>

#include "dataplane/transcode/worker.h"
#include "tests/transcode/picture_support.h"

namespace headgate::transcode::picture_test {

inline constexpr std::int64_t kSecond = 27'000'000;

struct Frame {
  ring::MessageHeader header;
  Bytes unit;
  bool idr() const { return (header.flags & job::kRandomAccess) != 0; }
};

class Ladder final : public Output {
 public:
  Ladder(StreamKind kind, std::uint32_t height, std::uint32_t bitrate, std::uint32_t width = 0) {
    load_codecs();
    worker_ = make_ladder_worker(*this);
    begin(kind, height, bitrate, width);
  }
  void begin(StreamKind kind, std::uint32_t height, std::uint32_t bitrate, std::uint32_t width = 0) {
    job::StreamBegin wanted;
    wanted.codec = static_cast<std::uint8_t>(kind);
    wanted.height = height;
    wanted.width = width;
    wanted.bitrate = bitrate;
    tell(job::Message::stream, {}, job::bytes_of(wanted));
  }
  void packet(const AccessUnit& unit, std::uint32_t flags = 0, std::int64_t shift = 0) {
    ring::MessageHeader header;
    header.pts = unit.pts * 300 + shift;
    header.dts = unit.dts * 300 + shift;
    header.flags = flags | (unit.random_access ? job::kRandomAccess : 0);
    tell(job::Message::packet, header, unit.bytes);
    if (!unit.second_field) ++fed_;
    // How much is held back, in frames.
    if (!frames.empty()) most_held_ = std::max(most_held_, fed_ - frames.size());
  }
  // A PES packet's payload, in which several units, or pieces of them, may lie.
  void payload(std::span<const std::uint8_t> bytes, std::optional<std::int64_t> pts,
               std::optional<std::int64_t> dts, bool random_access, std::uint32_t flags = 0) {
    ring::MessageHeader header;
    header.pts = pts.value_or(0) * 300;
    header.dts = dts.value_or(0) * 300;
    header.flags = flags | (pts ? 0U : job::kUntimed) | (random_access ? job::kRandomAccess : 0U);
    tell(job::Message::packet, header, bytes);
  }
  void end() { tell(job::Message::end, {}, {}); }

  void send(job::Message kind, const ring::MessageHeader& header,
            std::span<const std::uint8_t> payload) override {
    if (kind == job::Message::frame) frames.push_back({header, Bytes(payload.begin(), payload.end())});
    if (kind == job::Message::trouble) troubles.emplace_back(payload.begin(), payload.end());
  }

  // As a raw byte stream.
  std::string write(const std::string& name) const {
    const std::string path = temporary(name);
    std::ofstream out(path, std::ios::binary);
    for (const Frame& frame : frames) {
      out.write(reinterpret_cast<const char*>(frame.unit.data()),
                static_cast<std::streamsize>(frame.unit.size()));
    }
    return path;
  }
  std::size_t most_held() const { return most_held_; }

  std::vector<Frame> frames;
  std::vector<std::string> troubles;

 private:
  void tell(job::Message kind, ring::MessageHeader header, std::span<const std::uint8_t> payload) {
    header.kind = static_cast<std::uint16_t>(kind);
    worker_->on_message(header, payload);
  }
  std::unique_ptr<Worker> worker_;
  std::size_t fed_ = 0, most_held_ = 0;
};

inline void play(Ladder& ladder, const std::vector<AccessUnit>& units) {
  for (const AccessUnit& unit : units) ladder.packet(unit);
  ladder.end();
}

// Of the frames that are shown from the first random access point on.
inline std::vector<std::int64_t> times(const std::vector<AccessUnit>& units) {
  std::vector<std::int64_t> found;
  const auto first = std::find_if(units.begin(), units.end(), [](const auto& u) { return u.random_access; });
  for (auto unit = first; unit != units.end(); ++unit) {
    if (!unit->second_field && unit->pts >= first->pts) found.push_back(unit->pts * 300);
  }
  std::sort(found.begin(), found.end());
  return found;
}
inline std::vector<std::int64_t> random_access_times(const std::vector<AccessUnit>& units) {
  std::vector<std::int64_t> found;
  for (const AccessUnit& unit : units) {
    if (unit.random_access) found.push_back(unit.pts * 300);
  }
  return found;
}
inline std::vector<std::int64_t> times(const std::vector<Frame>& frames) {
  std::vector<std::int64_t> found;
  for (const Frame& frame : frames) found.push_back(frame.header.pts);
  std::sort(found.begin(), found.end());
  return found;
}
inline std::vector<std::int64_t> idr_times(const std::vector<Frame>& frames) {
  std::vector<std::int64_t> found;
  for (const Frame& frame : frames) {
    if (frame.idr()) found.push_back(frame.header.pts);
  }
  return found;
}

inline void expect_times_in_order(const std::vector<Frame>& frames) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    EXPECT_LE(frames[i].header.dts, frames[i].header.pts) << i;
    if (i == 0) continue;
    EXPECT_GT(frames[i].header.dts, frames[i - 1].header.dts) << i;
  }
}

// 6 s of moving pictures with noise, B-frames, GOPs of 24 and 26 pictures by turns.
inline std::vector<AccessUnit> made(const char* size = "320x180") {
  const std::string file = made_stream(
      std::string("h264-") + size,
      std::string("-f lavfi -i testsrc2=size=") + size +
          ":rate=25 -t 6 -vf noise=alls=6:allf=t -c:v libx264 -preset ultrafast "
          "-bf 2 -sc_threshold 0 -g 50 -force_key_frames '0,0.96,2,2.96,4,4.96' -crf 18 -pix_fmt yuv420p");
  return read_units(file, 256, StreamKind::h264);
}

}  // namespace headgate::transcode::picture_test

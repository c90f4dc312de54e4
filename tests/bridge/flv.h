// Reads what ffmpeg makes of a stream, to compare with: FLV tags (Adobe FLV 10.1, annex E) and boxes of MP4
// (ISO/IEC 14496-12 4.2). Needs the ffmpeg program. Threading: values.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace headgate::bridge::test {

inline std::vector<std::uint8_t> output_of(const std::string& command) {
  std::vector<std::uint8_t> out;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return out;
  std::vector<std::uint8_t> part(65536);
  for (std::size_t n = 0; (n = std::fread(part.data(), 1, part.size(), pipe)) > 0;) {
    out.insert(out.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(n));
  }
  ::pclose(pipe);
  return out;
}

inline bool has_ffmpeg() { return std::system("ffmpeg -version > /dev/null 2>&1") == 0; }

struct FlvTag {
  bool video = false;
  bool header = false;  // the configuration
  bool key = false;
  std::int64_t dts_ms = 0;
  std::int64_t pts_ms = 0;
  std::vector<std::uint8_t> data;
};

inline std::vector<FlvTag> parse_flv(const std::vector<std::uint8_t>& b) {
  std::vector<FlvTag> tags;
  const auto u24 = [&](std::size_t at) {
    return static_cast<std::size_t>(b[at]) << 16 | static_cast<std::size_t>(b[at + 1]) << 8 | b[at + 2];
  };
  for (std::size_t at = 13; at + 11 <= b.size();) {
    const std::size_t size = u24(at + 1);
    if (at + 11 + size > b.size()) break;
    FlvTag tag;
    tag.video = b[at] == 9;
    tag.dts_ms = static_cast<std::int64_t>(u24(at + 4) | static_cast<std::size_t>(b[at + 7]) << 24);
    tag.pts_ms = tag.dts_ms;
    const std::size_t body = at + 11;
    const bool media = (b[at] == 9 && size >= 5) || (b[at] == 8 && size >= 2);
    if (media) {
      tag.key = (b[body] & 0xF0) == 0x10;
      tag.header = b[body + 1] == 0;
      if (tag.video) tag.pts_ms += static_cast<std::int32_t>(u24(body + 2) << 8) >> 8;
      const std::size_t skip = tag.video ? 5 : 2;
      tag.data.assign(b.begin() + static_cast<std::ptrdiff_t>(body + skip),
                      b.begin() + static_cast<std::ptrdiff_t>(body + size));
      const bool end_of_sequence = tag.video && b[body + 1] == 2;
      if (!end_of_sequence && !tag.data.empty()) tags.push_back(std::move(tag));
    }
    at += 11 + size + 4;
  }
  return tags;
}

// The contents of the first box of this type, wherever it lies.
inline std::vector<std::uint8_t> find_box(const std::vector<std::uint8_t>& b, const std::string& type) {
  for (std::size_t at = 4; at + 4 <= b.size(); ++at) {
    if (!std::equal(type.begin(), type.end(), b.begin() + static_cast<std::ptrdiff_t>(at))) continue;
    const std::size_t size = static_cast<std::size_t>(b[at - 4]) << 24 |
                             static_cast<std::size_t>(b[at - 3]) << 16 |
                             static_cast<std::size_t>(b[at - 2]) << 8 | b[at - 1];
    if (size < 8 || at - 4 + size > b.size()) continue;
    return {b.begin() + static_cast<std::ptrdiff_t>(at + 4),
            b.begin() + static_cast<std::ptrdiff_t>(at - 4 + size)};
  }
  return {};
}

}  // namespace headgate::bridge::test

// A small H.264 stream of hand-made NAL units and the FLV messages an encoder makes of it. The parameter sets
// are those of a real encoder (320x180, 25 pictures a second).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace headgate::bridge::test {

using Octets = std::vector<std::uint8_t>;

inline Octets joined(std::initializer_list<Octets> parts) {
  Octets out;
  for (const Octets& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

// SPS and PPS of libx264: 320x180, 4:4:4, 25 pictures a second.
inline const Octets kSps{0x67, 0xF4, 0x00, 0x0C, 0x91, 0x9B, 0x28, 0x28, 0x33, 0xF1, 0xB8, 0x08, 0x80,
                         0x00, 0x00, 0x03, 0x00, 0x80, 0x00, 0x00, 0x19, 0x07, 0x8A, 0x14, 0xCB};
inline const Octets kPps{0x68, 0xEB, 0xE3, 0xC4, 0x48, 0x44};
// VPS, SPS and PPS of libx265: 320x180, 4:4:4, 25 pictures a second.
inline const Octets kVps{0x40, 0x01, 0x0C, 0x01, 0xFF, 0xFF, 0x04, 0x08, 0x00, 0x00, 0x03, 0x00,
                         0x9E, 0x08, 0x00, 0x00, 0x03, 0x00, 0x00, 0x3C, 0x95, 0x98, 0x09};
inline const Octets kHevcSps{0x42, 0x01, 0x01, 0x04, 0x08, 0x00, 0x00, 0x03, 0x00, 0x9E, 0x08,
                             0x00, 0x00, 0x03, 0x00, 0x00, 0x3C, 0x90, 0x01, 0x41, 0x01, 0x73,
                             0xE5, 0xCB, 0x2B, 0x34, 0x92, 0x65, 0x78, 0x0B, 0x70, 0x20, 0x20,
                             0x00, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x06, 0x42};
inline const Octets kHevcPps{0x44, 0x01, 0xC1, 0x72, 0x86, 0x0C, 0x46, 0x24};

inline Octets avcc(const Octets& sps, const Octets& pps, std::uint8_t length_size = 4) {
  return joined({{1, sps[1], sps[2], sps[3], static_cast<std::uint8_t>(0xFC | (length_size - 1)), 0xE1, 0,
                  static_cast<std::uint8_t>(sps.size())},
                 sps,
                 {1, 0, static_cast<std::uint8_t>(pps.size())},
                 pps});
}

inline Octets hvcc() {
  Octets out{0x01, 0x04, 0x08, 0x00, 0x00, 0x00, 0x9E, 0x08, 0x00, 0x00, 0x00, 0x00,
             0x3C, 0xF0, 0x00, 0xFC, 0xFF, 0xF8, 0xF8, 0x00, 0x00, 0x0F, 3};
  for (const Octets& set : {kVps, kHevcSps, kHevcPps}) {
    const auto type = static_cast<std::uint8_t>(set[0] >> 1 & 0x3F);
    const Octets head{type, 0, 1, 0, static_cast<std::uint8_t>(set.size())};
    out.insert(out.end(), head.begin(), head.end());
    out.insert(out.end(), set.begin(), set.end());
  }
  return out;
}

inline Octets length_prefixed(const Octets& nal, std::size_t length_size = 4) {
  Octets out;
  for (std::size_t i = length_size; i > 0; --i)
    out.push_back(static_cast<std::uint8_t>(nal.size() >> 8 * (i - 1)));
  out.insert(out.end(), nal.begin(), nal.end());
  return out;
}

// A slice of nothing in particular.
inline Octets slice(bool key, std::size_t size = 20) {
  Octets out(size, 0x55);
  out[0] = key ? 0x65 : 0x41;
  out[1] = 0x88;
  return out;
}

inline Octets avc_header(const Octets& configuration) { return joined({{0x17, 0, 0, 0, 0}, configuration}); }
inline Octets avc_frame(bool key, const Octets& nals, std::uint8_t composition_ms = 0) {
  return joined({{static_cast<std::uint8_t>(key ? 0x17 : 0x27), 1, 0, 0, composition_ms}, nals});
}
// AAC-LC, 48 kHz, stereo.
inline const Octets kAacHeader{0xAF, 0, 0x11, 0x90};
inline Octets aac_frame(std::size_t size = 10, std::uint8_t fill = 7) {
  return joined({{0xAF, 1}, Octets(size, fill)});
}

}  // namespace headgate::bridge::test

// Access units of H.264 and HEVC from what FLV, RTMP and MP4 hold (NAL units behind lengths, parameter sets
// out of band) to the byte stream format that a transport stream carries: each unit opens with an access unit
// delimiter, and where a decoder may begin the parameter sets stand behind it, before SEI and slices.
// References: ISO/IEC 14496-15 5.3.3, 8.3.3; ITU-T H.264 7.4.1.2.3, Annex B; ITU-T H.265 7.4.2.4.4, Annex B;
// ISO/IEC 13818-1:2022 2.14.1 (AVC needs the delimiter), 2.17.1. Threading: owned by one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/psi/tables.h"

namespace headgate::mpegts::es {

class ByteStreamMaker {
 public:
  explicit ByteStreamMaker(StreamKind kind) : kind_(kind) {}

  // avcC or hvcC. False: it can't be read, and the one before stays in force.
  bool set_configuration(std::span<const std::uint8_t> record);

  // One access unit, into `out` (cleared first). Its random access is that of its slices where the source
  // did not say it. Nothing where a length leaves the unit, or it has no slice. Delimiters and filler of the
  // source are left out, and parameter sets that the configuration holds already.
  struct Made {
    bool random_access = false;
  };
  std::optional<Made> make(std::span<const std::uint8_t> unit, bool random_access,
                           std::vector<std::uint8_t>& out);

 private:
  struct Sets {
    std::vector<std::vector<std::uint8_t>> nals;  // in the order in which they are sent
    std::size_t length_size = 4;
  };
  static std::optional<Sets> read_avc(std::span<const std::uint8_t> record);
  static std::optional<Sets> read_hevc(std::span<const std::uint8_t> record);

  StreamKind kind_;
  Sets sets_;
  std::vector<std::span<const std::uint8_t>> nals_;  // of the unit under way
};

}  // namespace headgate::mpegts::es

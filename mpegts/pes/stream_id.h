// Threading: pure.
#pragma once

#include <cstdint>

namespace headgate::mpegts {

// Whether flags follow PES_packet_length in packets of this stream_id, and times maybe; else the payload does
// (ISO/IEC 13818-1:2022 2.4.3.6).
constexpr bool has_optional_header(std::uint8_t stream_id) noexcept {
  switch (stream_id) {
    case 0xBC:  // program_stream_map
    case 0xBE:  // padding_stream
    case 0xBF:  // private_stream_2
    case 0xF0:  // ECM
    case 0xF1:  // EMM
    case 0xF2:  // DSMCC_stream
    case 0xF8:  // ITU-T H.222.1 type E
    case 0xFF:  // program_stream_directory
      return false;
    default:
      return stream_id >= 0xBC;
  }
}

}  // namespace headgate::mpegts

// What a target decoder (target_decoder.h) found: plain values. Reference: ISO/IEC 13818-1:2022 2.4.2.
// Threading: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace headgate::mpegts {

struct TstdBuffer {
  std::uint64_t size = 0;  // bytes
  std::uint64_t most = 0;  // the highest fill, in bytes: above `size`, how large it would have to be
  std::uint64_t overflows = 0;
  bool operator==(const TstdBuffer&) const = default;
};

// Of a stream, or of a program's system data.
struct TstdInfo {
  // Why what follows TB_n can't be judged: the stream doesn't say enough, or the standard doesn't. Empty: it
  // is.
  std::string_view unjudged;
  std::uint32_t transport_bps = 0;         // Rx_n, Rx_sys
  TstdBuffer transport;                    // TB_n, TB_sys
  std::optional<TstdBuffer> multiplexing;  // MB_n of video
  std::optional<TstdBuffer> main;          // EB_n of video, B_n of audio, B_sys
  std::uint64_t access_units = 0;          // whose times came
  std::uint64_t underflows = 0;            // of them not whole at their time
  std::uint64_t not_emptied = 0;           // times that TB or MB was not empty for over a second
  std::optional<double> delay_max_ms;      // the longest stay of an access unit's first byte
  std::uint64_t delayed = 0;               // access units that stayed longer than they may
  std::uint64_t restarts = 0;              // judged anew behind a loss or a jump of the clock

  std::uint64_t buffer_errors() const noexcept {
    return transport.overflows + (multiplexing ? multiplexing->overflows : 0) + (main ? main->overflows : 0) +
           underflows;
  }
};

}  // namespace headgate::mpegts

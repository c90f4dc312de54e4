// AAC configurations inside the streams: LATM's StreamMuxConfig with its AudioSpecificConfig (ISO/IEC
// 14496-3 1.7.3, 1.6.2.1) and the program_config_element (4.4.1.1). One program with one layer, as broadcasts
// use. Threading: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace headgate::mpegts::es {

struct LatmConfig {
  std::uint32_t sample_rate = 0;
  std::uint32_t channels = 0;
  std::uint32_t samples = 0;  // of one AudioMuxElement, all its subframes
  std::string codec;
};

struct LatmElement {
  bool same_config = false;          // useSameStreamMux: the configuration of before goes on
  std::optional<LatmConfig> config;  // nothing where it is the same or cannot be read
};

// `element`: the AudioMuxElement behind the three bytes of the LOAS header.
LatmElement parse_latm_element(std::span<const std::uint8_t> element);

// Channels of the program_config_element that begins these bytes, LFE counted; 0 where there is none.
std::uint32_t aac_pce_channels(std::span<const std::uint8_t> raw_data_block);

}  // namespace headgate::mpegts::es

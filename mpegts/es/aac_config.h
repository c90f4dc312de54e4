// AAC configurations inside the streams: LATM's StreamMuxConfig with its AudioSpecificConfig (ISO/IEC
// 14496-3 1.7.3, 1.6.2.1) and the program_config_element (4.4.1.1), and how both kinds of streams become
// AudioSpecificConfig and raw_data_blocks. One program with one layer, as broadcasts use. Threading: pure
// functions; a LatmReader is owned by one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

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

// A frame of ADTS without its header (1.A.2.2). Nothing where it can't be taken apart: too short, or with
// several raw_data_blocks, whose borders only a decoder finds.
std::optional<std::span<const std::uint8_t>> adts_raw_data_block(std::span<const std::uint8_t> frame);

// The AudioSpecificConfig of a frame of ADTS: 2 bytes, and the program_config_element behind them where
// channel_configuration is 0 and the frame opens with one. Empty where it is 0 and the frame has none.
std::vector<std::uint8_t> adts_configuration(std::span<const std::uint8_t> frame);

// What an AudioSpecificConfig says, as far as an ADTS header needs it (1.6.2.1). Of SBR and PS, signalled
// before the core, the core's.
struct AacCore {
  std::uint8_t object_type = 0;
  std::uint8_t signalled_type = 0;  // 5 SBR, 29 PS, else object_type
  std::uint8_t rate_index = 0;      // of the core; 15: a rate that has no index
  std::uint32_t core_rate = 0;
  std::uint32_t output_rate = 0;
  std::uint8_t channel_configuration = 0;
  std::uint32_t channels = 0;
  bool short_frames = false;  // 960 samples
  // Where channel_configuration is 0: the id_syn_ele and the program_config_element as they begin a
  // raw_data_block, whole bytes.
  std::vector<std::uint8_t> program_config;
};
// Nothing where it ends too early, or a rate or the channels can't be read.
std::optional<AacCore> parse_aac_core(std::span<const std::uint8_t> audio_specific_config);

// Takes AudioMuxElements apart.
class LatmReader {
 public:
  // The raw_data_blocks of one element, byte by byte; empty before the first configuration and where it
  // can't be read.
  std::vector<std::vector<std::uint8_t>> read(std::span<const std::uint8_t> element);
  // AudioSpecificConfig, padded with zero bits; empty before the first.
  const std::vector<std::uint8_t>& configuration() const { return configuration_; }

 private:
  std::vector<std::uint8_t> configuration_;
  std::uint32_t sub_frames_ = 1;
  std::size_t other_data_bits_ = 0;
};

}  // namespace headgate::mpegts::es

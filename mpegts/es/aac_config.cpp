#include "mpegts/es/aac_config.h"

#include "mpegts/es/audio_header.h"
#include "mpegts/es/bit_reader.h"

namespace headgate::mpegts::es {
namespace {

constexpr std::uint32_t kSbr = 5, kPs = 29, kErBsac = 22, kElementPce = 5;

std::uint32_t read_object_type(BitReader& r) {
  const std::uint32_t type = r.u(5);
  return type == 31 ? 32 + r.u(6) : type;
}

std::uint32_t read_sample_rate(BitReader& r) {
  const std::uint32_t index = r.u(4);
  return index == 15 ? r.u(24) : aac_sample_rate(index);
}

std::uint32_t latm_value(BitReader& r) {  // LatmGetValue
  const std::uint32_t bytes = r.u(2) + 1;
  return r.u(8 * bytes);
}

std::uint32_t read_pce(BitReader& r) {
  r.skip(4 + 2 + 4);  // element_instance_tag, object_type, sampling_frequency_index
  const std::uint32_t front = r.u(4), side = r.u(4), back = r.u(4), lfe = r.u(2);
  r.skip(3 + 4);            // assoc_data, valid_cc
  if (r.flag()) r.skip(4);  // mono_mixdown
  if (r.flag()) r.skip(4);  // stereo_mixdown
  if (r.flag()) r.skip(3);  // matrix_mixdown
  std::uint32_t channels = lfe;
  for (std::uint32_t i = 0; i < front + side + back; ++i) {
    channels += r.flag() ? 2 : 1;  // a channel pair element
    r.skip(4);
  }
  return r.ok() ? channels : 0;
}

// AudioSpecificConfig as far as rate, channels and frame length.
std::optional<LatmConfig> read_audio_config(BitReader& r) {
  LatmConfig config;
  std::uint32_t type = read_object_type(r);
  const std::uint32_t signalled = type;
  const std::uint32_t core_rate = read_sample_rate(r);
  const std::uint32_t configuration = r.u(4);
  config.sample_rate = core_rate;
  if (type == kSbr || type == kPs) {
    config.sample_rate = read_sample_rate(r);
    type = read_object_type(r);
    if (type == kErBsac) r.skip(4);
  }
  const bool short_frames = r.flag();  // frameLengthFlag of GASpecificConfig: 960
  if (r.flag()) r.skip(14);            // coreCoderDelay
  r.skip(1);                           // extensionFlag
  config.channels = aac_channels(configuration);
  if (configuration == 0) config.channels = read_pce(r);
  if (signalled == kPs) config.channels = 2;
  if (!r.ok() || core_rate == 0 || config.sample_rate == 0 || config.channels == 0) return std::nullopt;
  config.samples = short_frames ? 960 : 1024;
  // Samples count at the rate that is played, which SBR may double.
  if (config.sample_rate == 2 * core_rate) config.samples *= 2;
  config.codec = "mp4a.40." + std::to_string(signalled);
  return config;
}

}  // namespace

LatmElement parse_latm_element(std::span<const std::uint8_t> element) {
  BitReader r(element);
  LatmElement result;
  result.same_config = r.flag();
  if (result.same_config || !r.ok()) return result;
  const bool version1 = r.flag();
  if (version1 && r.flag()) return result;  // audioMuxVersionA 1 is reserved
  if (version1) latm_value(r);              // taraBufferFullness
  r.skip(1);                                // allStreamsSameTimeFraming
  const std::uint32_t sub_frames = r.u(6) + 1;
  const std::uint32_t programs = r.u(4), layers = r.u(3);
  if (programs != 0 || layers != 0) return result;
  if (version1) latm_value(r);  // ascLen
  result.config = read_audio_config(r);
  if (result.config) result.config->samples *= sub_frames;
  return result;
}

std::uint32_t aac_pce_channels(std::span<const std::uint8_t> raw_data_block) {
  BitReader r(raw_data_block);
  return r.u(3) == kElementPce ? read_pce(r) : 0;
}

}  // namespace headgate::mpegts::es

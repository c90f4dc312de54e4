#include "mpegts/es/adts.h"

#include "mpegts/es/aac_config.h"
#include "mpegts/es/audio_header.h"

namespace headgate::mpegts::es {
namespace {

constexpr std::size_t kHeader = 7;
constexpr std::size_t kMaxFrame = 0x1FFF;  // aac_frame_length, 13 bits
constexpr std::uint8_t kMain = 1, kLtp = 4, kSbr = 5, kPs = 29;
constexpr std::uint8_t kEscapedRate = 15;
constexpr std::uint8_t kProgramConfigElement = 5;  // id_syn_ele, 3 bits

// ISO/IEC 13818-1 table 2-72; sampling rates and channels of the levels: ISO/IEC 14496-3 table 1.14.
std::uint8_t level_of(const AacCore& core) {
  const std::uint32_t channels = core.channels;
  if (core.signalled_type == kPs) return channels <= 2 && core.output_rate <= 48'000 ? 0x60 : 0;
  if (core.signalled_type == kSbr) {
    if (core.output_rate > 48'000) return 0;
    return channels <= 2 ? 0x58 : channels <= 6 ? 0x5A : 0;
  }
  if (core.object_type != 2) return 0;
  if (channels <= 2 && core.core_rate <= 24'000) return 0x50;
  if (channels <= 2 && core.core_rate <= 48'000) return 0x51;
  if (channels <= 6 && core.core_rate <= 48'000) return 0x52;
  return channels <= 6 && core.core_rate <= 96'000 ? 0x53 : 0;
}

}  // namespace

bool AdtsMaker::refuse(std::string problem) {
  usable_ = false;
  problem_ = std::move(problem);
  return false;
}

bool AdtsMaker::set_configuration(std::span<const std::uint8_t> audio_specific_config) {
  const auto core = parse_aac_core(audio_specific_config);
  if (!core) return refuse("its AudioSpecificConfig can't be read");
  if (core->object_type < kMain || core->object_type > kLtp) {
    return refuse("AAC of object type " + std::to_string(core->object_type) +
                  ": ADTS knows Main, LC, SSR and LTP only");
  }
  if (core->short_frames) return refuse("AAC with frames of 960 samples, which ADTS can't say");
  if (core->rate_index == kEscapedRate) {
    return refuse("AAC at " + std::to_string(core->core_rate) + " Hz, which ADTS can't say");
  }
  if (core->channel_configuration > 7) {
    return refuse("AAC with channel configuration " + std::to_string(core->channel_configuration) +
                  ", which ADTS can't say");
  }
  usable_ = true;
  problem_.clear();
  profile_ = static_cast<std::uint8_t>(core->object_type - 1);
  rate_index_ = core->rate_index;
  channels_ = core->channel_configuration;
  program_config_ = core->program_config;
  profile_and_level_ = level_of(*core);
  return true;
}

bool AdtsMaker::make(std::span<const std::uint8_t> raw_data_block, std::vector<std::uint8_t>& out) const {
  out.clear();
  if (!usable_ || raw_data_block.empty()) return false;
  const bool has_element = raw_data_block[0] >> 5 == kProgramConfigElement;
  const std::span<const std::uint8_t> element =
      has_element ? std::span<const std::uint8_t>{} : std::span<const std::uint8_t>{program_config_};
  const std::size_t size = kHeader + element.size() + raw_data_block.size();
  if (size > kMaxFrame) return false;
  out.reserve(size);
  // syncword, ID 0 (MPEG-4), layer 0, protection_absent; adts_buffer_fullness 0x7FF: variable rate; one
  // block.
  out = {0xFF,
         0xF1,
         static_cast<std::uint8_t>(profile_ << 6 | rate_index_ << 2 | channels_ >> 2),
         static_cast<std::uint8_t>((channels_ & 3) << 6 | size >> 11),
         static_cast<std::uint8_t>(size >> 3),
         static_cast<std::uint8_t>((size & 7) << 5 | 0x1F),
         0xFC};
  // The element ends on a byte's border, so what follows it stands as it stood.
  out.insert(out.end(), element.begin(), element.end());
  out.insert(out.end(), raw_data_block.begin(), raw_data_block.end());
  return true;
}

}  // namespace headgate::mpegts::es

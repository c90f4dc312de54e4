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

struct PceElements {
  std::uint32_t front = 0, side = 0, back = 0, lfe = 0, data = 0, coupling = 0;
};

// As far as the channels are known; 0 where it can't be read.
std::uint32_t read_pce(BitReader& r, PceElements& e) {
  r.skip(4 + 2 + 4);  // element_instance_tag, object_type, sampling_frequency_index
  e.front = r.u(4), e.side = r.u(4), e.back = r.u(4), e.lfe = r.u(2);
  e.data = r.u(3), e.coupling = r.u(4);
  if (r.flag()) r.skip(4);  // mono_mixdown
  if (r.flag()) r.skip(4);  // stereo_mixdown
  if (r.flag()) r.skip(3);  // matrix_mixdown
  std::uint32_t channels = e.lfe;
  for (std::uint32_t i = 0; i < e.front + e.side + e.back; ++i) {
    channels += r.flag() ? 2 : 1;  // a channel pair element
    r.skip(4);
  }
  return r.ok() ? channels : 0;
}

// The rest of it; `from`: where what its byte_alignment() counts from begins.
void skip_pce_tail(BitReader& r, const PceElements& e, std::size_t from) {
  r.skip(std::size_t{4} * (e.lfe + e.data) + std::size_t{5} * e.coupling);
  r.skip((8 - (r.position() - from) % 8) % 8);
  r.skip(std::size_t{r.u(8)} * 8);  // comment_field_data
}

class BitWriter {
 public:
  void put(std::uint32_t value, unsigned bits) {
    for (; bits > 0; --bits) {
      if (used_ == 0) out_.push_back(0);
      const std::uint32_t bit = value >> (bits - 1) & 1U;
      out_.back() = static_cast<std::uint8_t>(out_.back() | bit << (7 - used_));
      used_ = (used_ + 1) % 8;
    }
  }
  void copy(BitReader& r, std::size_t bits) {
    for (; bits >= 8; bits -= 8) put(r.u(8), 8);
    put(r.u(static_cast<unsigned>(bits)), static_cast<unsigned>(bits));
  }
  void align() { used_ = 0; }
  std::vector<std::uint8_t> take() { return std::move(out_); }

 private:
  std::vector<std::uint8_t> out_;
  unsigned used_ = 0;
};

// AudioSpecificConfig as far as rate, channels and frame length.
std::optional<LatmConfig> read_audio_config(BitReader& r) {
  const std::size_t from = r.position();
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
  if (configuration == 0) {
    PceElements elements;
    config.channels = read_pce(r, elements);
    skip_pce_tail(r, elements, from);
  }
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
  PceElements elements;
  return r.u(3) == kElementPce ? read_pce(r, elements) : 0;
}

std::optional<std::span<const std::uint8_t>> adts_raw_data_block(std::span<const std::uint8_t> frame) {
  if (frame.size() < 9 || (frame[6] & 3) != 0) return std::nullopt;
  const bool protection_absent = (frame[1] & 1) != 0;
  return frame.subspan(protection_absent ? 7 : 9);
}

std::vector<std::uint8_t> adts_configuration(std::span<const std::uint8_t> frame) {
  const auto block = adts_raw_data_block(frame);
  if (!block) return {};
  const std::uint32_t profile = frame[2] >> 6, rate = frame[2] >> 2 & 0x0F;
  const std::uint32_t channels = (frame[2] & 1U) << 2 | frame[3] >> 6;
  BitWriter out;
  out.put(profile + 1, 5);
  out.put(rate, 4);
  out.put(channels, 4);
  out.put(0, 3);  // GASpecificConfig: frameLengthFlag, dependsOnCoreCoder, extensionFlag
  if (channels != 0) return out.take();
  BitReader r(*block);
  if (r.u(3) != kElementPce) return {};
  PceElements elements;
  if (read_pce(r, elements) == 0) return {};
  const std::size_t fixed =
      r.position() - 3 + std::size_t{4} * (elements.lfe + elements.data) + std::size_t{5} * elements.coupling;
  skip_pce_tail(r, elements, 0);
  if (!r.ok()) return {};
  BitReader again(*block);
  again.skip(3);
  out.copy(again, fixed);
  out.align();
  again.skip((8 - again.position() % 8) % 8);
  out.copy(again, r.position() - again.position());
  return out.take();
}

namespace {

// The index of a rate, also of one that was sent in 24 bits; 15 where it has none.
std::uint8_t rate_index_of(std::uint32_t rate) {
  for (std::uint8_t index = 0; index < 13; ++index) {
    if (aac_sample_rate(index) == rate) return index;
  }
  return 15;
}

// The program_config_element that stands at this bit, moved behind an id_syn_ele. Empty where it is cut off.
std::vector<std::uint8_t> program_config_at(std::span<const std::uint8_t> config, std::size_t at) {
  BitReader r(config);
  r.skip(at);
  PceElements elements;
  if (read_pce(r, elements) == 0) return {};
  const std::size_t fixed = r.position() - at + std::size_t{4} * (elements.lfe + elements.data) +
                            std::size_t{5} * elements.coupling;
  BitWriter out;
  out.put(kElementPce, 3);
  BitReader again(config);
  again.skip(at);
  out.copy(again, fixed);
  out.align();
  again.skip((8 - again.position() % 8) % 8);  // counted from the AudioSpecificConfig's first bit
  const std::uint32_t comment = again.u(8);
  out.put(comment, 8);
  out.copy(again, std::size_t{comment} * 8);
  return again.ok() ? out.take() : std::vector<std::uint8_t>{};
}

}  // namespace

std::optional<AacCore> parse_aac_core(std::span<const std::uint8_t> audio_specific_config) {
  BitReader r(audio_specific_config);
  AacCore core;
  std::uint32_t type = read_object_type(r);
  core.signalled_type = static_cast<std::uint8_t>(type);
  core.core_rate = core.output_rate = read_sample_rate(r);
  core.channel_configuration = static_cast<std::uint8_t>(r.u(4));
  if (type == kSbr || type == kPs) {
    core.output_rate = read_sample_rate(r);
    type = read_object_type(r);
    if (type == kErBsac) r.skip(4);
  }
  core.object_type = static_cast<std::uint8_t>(type);
  core.rate_index = rate_index_of(core.core_rate);
  core.short_frames = r.flag();
  if (r.flag()) r.skip(14);  // coreCoderDelay
  r.skip(1);                 // extensionFlag
  core.channels = aac_channels(core.channel_configuration);
  if (!r.ok() || core.core_rate == 0 || core.output_rate == 0) return std::nullopt;
  if (core.channel_configuration == 0) {
    BitReader pce = r;
    PceElements elements;
    core.channels = read_pce(pce, elements);
    core.program_config = program_config_at(audio_specific_config, r.position());
    if (core.program_config.empty()) return std::nullopt;
  }
  return core;
}

std::vector<std::vector<std::uint8_t>> LatmReader::read(std::span<const std::uint8_t> element) {
  BitReader r(element);
  if (!r.flag()) {  // useSameStreamMux
    configuration_.clear();
    const bool version1 = r.flag();
    if (version1 && r.flag()) return {};
    if (version1) latm_value(r);
    const bool same_framing = r.flag();
    sub_frames_ = r.u(6) + 1;
    const std::uint32_t programs = r.u(4), layers = r.u(3);
    if (!same_framing || programs != 0 || layers != 0) return {};
    const std::size_t length = version1 ? latm_value(r) : 0;
    const std::size_t from = r.position();
    if (!read_audio_config(r)) return {};
    const std::size_t size = version1 ? length : r.position() - from;
    if (size < r.position() - from) return {};
    BitReader again(element);
    again.skip(from);
    BitWriter out;
    if (size > element.size() * 8) return {};
    out.copy(again, size);
    if (!again.ok()) return {};
    r.skip(size - (r.position() - from));
    if (r.u(3) != 0) return {};  // frameLengthType: other than AAC frames of varying length
    r.skip(8);                   // latmBufferFullness
    other_data_bits_ = 0;
    if (r.flag()) {
      if (version1) {
        other_data_bits_ = latm_value(r);
      } else {
        bool more = true;
        while (more && r.ok()) {
          more = r.flag();
          other_data_bits_ = other_data_bits_ << 8 | r.u(8);
        }
      }
    }
    if (r.flag()) r.skip(8);  // crcCheckSum
    if (!r.ok()) return {};
    configuration_ = out.take();
  }
  std::vector<std::vector<std::uint8_t>> blocks;
  for (std::uint32_t i = 0; i < sub_frames_ && !configuration_.empty(); ++i) {
    std::size_t size = 0;
    std::uint32_t part = 0;
    do {
      part = r.u(8);
      size += part;
    } while (part == 0xFF);
    if (!r.ok() || size == 0 || size * 8 > element.size() * 8 - r.position()) return {};
    BitWriter block;
    block.copy(r, size * 8);
    blocks.push_back(block.take());
  }
  return blocks;
}

}  // namespace headgate::mpegts::es

// AAC as a transport stream carries it: each raw_data_block behind an ADTS header made of the
// AudioSpecificConfig. SBR and PS stay in the frames and are found there by decoders (implicit signalling).
// References: ISO/IEC 14496-3 1.A.2 (ADTS), 1.6.2.1 (AudioSpecificConfig), 4.4.1.1 (program_config_element).
// Threading: owned by one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace headgate::mpegts::es {

class AdtsMaker {
 public:
  // False: ADTS can't carry it; problem() says why, and make() gives nothing.
  bool set_configuration(std::span<const std::uint8_t> audio_specific_config);
  const std::string& problem() const { return problem_; }

  // One raw_data_block, into `out` (cleared first). False: it is longer than ADTS can say, or there is no
  // configuration.
  bool make(std::span<const std::uint8_t> raw_data_block, std::vector<std::uint8_t>& out) const;

  // MPEG-4_audio_profile_and_level (ISO/IEC 13818-1 table 2-72) of the configuration; 0: none fits.
  std::uint8_t profile_and_level() const { return profile_and_level_; }

 private:
  bool refuse(std::string problem);

  bool usable_ = false;
  std::uint8_t profile_ = 0;  // audio object type - 1
  std::uint8_t rate_index_ = 0;
  std::uint8_t channels_ = 0;
  std::uint8_t profile_and_level_ = 0;
  std::vector<std::uint8_t> program_config_;  // begins each raw_data_block where channels_ is 0
  std::string problem_ = "no AudioSpecificConfig came yet";
};

}  // namespace headgate::mpegts::es

// Descriptors of service information as values: service lists, logical channel numbers, local time offsets,
// names and languages of events, application signalling. References: EN 300 468 V1.17.1 6.2; EACEM, D-Book
// and NorDig for the private ones, which mean that only under their private_data_specifier (6.2.31).
// Threading: pure functions and values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "mpegts/psi/descriptors.h"

namespace headgate::mpegts {

// ETSI TS 101 162, private_data_specifier.
inline constexpr std::uint32_t kNordigSpecifier = 0x00000029;
inline constexpr std::uint32_t kDtgSpecifier = 0x0000233A;

struct ListedService {  // service_list_descriptor 0x41, 6.2.35
  std::uint16_t service_id = 0;
  std::uint8_t service_type = 0;
};
struct ListedChannel {
  // Which descriptor gave it: 0x83 without a private_data_specifier is taken for EACEM's, as receivers do.
  enum class Form : std::uint8_t { eacem, eacem_hd, dtg, nordig1, nordig2 };
  Form form = Form::eacem;
  std::uint8_t channel_list = 0;  // channel_list_id of NorDig's version 2, which has several
  std::uint16_t service_id = 0;
  std::uint16_t number = 0;
  bool visible = true;
};
struct LocalTimeOffset {  // 0x58, 6.2.20
  std::array<char, 3> country{};
  std::uint8_t region = 0;
  std::int32_t offset_s = 0;  // local time less UTC
  std::optional<std::int64_t> change_unix_s;
  std::int32_t next_offset_s = 0;
};

const char* to_string(ListedChannel::Form form) noexcept;

std::vector<ListedService> as_service_list(const Descriptor& d);
std::vector<ListedChannel> as_listed_channels(const Descriptor& d);
std::vector<LocalTimeOffset> as_local_time_offsets(const Descriptor& d);
// ISO_639_language_code of a short_event_descriptor 0x4D, 6.2.37.
std::optional<std::array<char, 3>> as_short_event_language(const Descriptor& d) noexcept;
// application_signalling_descriptor 0x6F (ETSI TS 102 809 5.3.5.1) beside stream_type 0x05: the stream is an
// AIT.
bool is_ait(const PmtStream& stream) noexcept;

}  // namespace headgate::mpegts

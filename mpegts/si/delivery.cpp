#include "mpegts/si/delivery.h"

#include <array>

#include "mpegts/psi/bytes.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint8_t kSatellite = 0x43;
constexpr std::uint8_t kCable = 0x44;
constexpr std::uint8_t kTerrestrial = 0x5A;
constexpr std::uint8_t kExtension = 0x7F;
// EN 300 468 table 109.
constexpr std::uint8_t kT2System = 0x04;
constexpr std::uint8_t kC2System = 0x0D;

// So many digits from the first one on; nothing where one is above 9.
std::optional<std::uint64_t> digits(std::span<const std::uint8_t> b, std::size_t count) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const unsigned digit = i % 2 == 0 ? b[i / 2] >> 4 : b[i / 2] & 0x0FU;
    if (digit > 9) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

template <std::size_t kCount>
const char* name_of(const std::array<const char*, kCount>& names, std::size_t at) noexcept {
  return at < kCount ? names[at] : "";
}

// FEC_inner, table 35.
const char* inner_fec(std::uint8_t value) noexcept {
  static constexpr std::array<const char*, 10> kRates{"",    "1/2", "2/3", "3/4", "5/6",
                                                      "7/8", "8/9", "3/5", "4/5", "9/10"};
  return value == 0x0F ? "none" : name_of(kRates, value);
}

std::optional<Delivery> satellite(std::span<const std::uint8_t> b) {
  const auto frequency = b.size() < 11 ? std::nullopt : digits(b, 8);
  if (!frequency) return std::nullopt;
  Delivery out;
  const bool s2 = (b[6] & 0x04) != 0;
  out.system = s2 ? "DVB-S2" : "DVB-S";
  out.frequency_hz = *frequency * 10'000;
  if (const auto position = digits(b.subspan(4), 4))
    out.orbital_position = static_cast<double>(*position) / ((b[6] & 0x80) != 0 ? 10.0 : -10.0);
  static constexpr std::array<const char*, 4> kPolarization{"H", "V", "L", "R"};
  static constexpr std::array<const char*, 3> kRollOff{"0.35", "0.25", "0.20"};
  static constexpr std::array<const char*, 4> kModulation{"auto", "QPSK", "8PSK", "16-QAM"};
  out.polarization = kPolarization[b[6] >> 5 & 3];
  if (s2) out.roll_off = name_of(kRollOff, b[6] >> 3 & 3);
  out.modulation = kModulation[b[6] & 3];
  out.symbol_rate = static_cast<std::uint32_t>(digits(b.subspan(7), 7).value_or(0) * 100);
  out.fec = inner_fec(b[10] & 0x0F);
  return out;
}

std::optional<Delivery> cable(std::span<const std::uint8_t> b) {
  const auto frequency = b.size() < 11 ? std::nullopt : digits(b, 8);
  if (!frequency) return std::nullopt;
  Delivery out;
  out.system = "DVB-C";
  out.frequency_hz = *frequency * 100;
  static constexpr std::array<const char*, 6> kModulation{"",       "16-QAM",  "32-QAM",
                                                          "64-QAM", "128-QAM", "256-QAM"};
  out.modulation = name_of(kModulation, b[6]);
  out.symbol_rate = static_cast<std::uint32_t>(digits(b.subspan(7), 7).value_or(0) * 100);
  out.fec = inner_fec(b[10] & 0x0F);
  return out;
}

std::optional<Delivery> terrestrial(std::span<const std::uint8_t> b) {
  if (b.size() < 7) return std::nullopt;
  Delivery out;
  out.system = "DVB-T";
  out.frequency_hz = (std::uint64_t{detail::read16(b, 0)} << 16 | detail::read16(b, 2)) * 10;
  static constexpr std::array<std::uint32_t, 4> kBandwidth{8'000'000, 7'000'000, 6'000'000, 5'000'000};
  static constexpr std::array<const char*, 3> kConstellation{"QPSK", "16-QAM", "64-QAM"};
  static constexpr std::array<const char*, 5> kCodeRate{"1/2", "2/3", "3/4", "5/6", "7/8"};
  static constexpr std::array<const char*, 4> kGuard{"1/32", "1/16", "1/8", "1/4"};
  static constexpr std::array<const char*, 3> kMode{"2k", "8k", "4k"};
  const std::size_t bandwidth = b[4] >> 5;
  out.bandwidth_hz = bandwidth < kBandwidth.size() ? kBandwidth[bandwidth] : 0;
  out.modulation = name_of(kConstellation, b[5] >> 6);
  out.fec = name_of(kCodeRate, b[5] & 7);
  // hierarchy_information: without a hierarchy there is one stream and one rate.
  if ((b[5] >> 3 & 3) != 0) out.fec_low = name_of(kCodeRate, b[6] >> 5);
  out.guard_interval = kGuard[b[6] >> 3 & 3];
  out.transmission_mode = name_of(kMode, b[6] >> 1 & 3);
  return out;
}

}  // namespace

std::optional<Delivery> as_delivery(const Descriptor& d) {
  if (d.tag == kSatellite) return satellite(d.body);
  if (d.tag == kCable) return cable(d.body);
  if (d.tag == kTerrestrial) return terrestrial(d.body);
  if (d.tag != kExtension || d.body.empty()) return std::nullopt;
  Delivery out;
  if (d.body[0] == kT2System) out.system = "DVB-T2";
  if (d.body[0] == kC2System) out.system = "DVB-C2";
  return out.system.empty() ? std::nullopt : std::optional(out);
}

}  // namespace headgate::mpegts

#include "mpegts/si/ca_systems.h"

#include <array>

namespace headgate::mpegts {
namespace {

struct Family {
  std::uint16_t first;
  std::uint16_t last;
  const char* name;
};
constexpr std::array<Family, 15> kFamilies{{{0x0100, 0x01FF, "Mediaguard"},
                                            {0x0500, 0x05FF, "Viaccess"},
                                            {0x0600, 0x06FF, "Irdeto"},
                                            {0x0700, 0x07FF, "DigiCipher"},
                                            {0x0900, 0x09FF, "VideoGuard"},
                                            {0x0B00, 0x0BFF, "Conax"},
                                            {0x0D00, 0x0DFF, "CryptoWorks"},
                                            {0x0E00, 0x0EFF, "PowerVu"},
                                            {0x1000, 0x10FF, "Tandberg"},
                                            {0x1700, 0x17FF, "BetaCrypt"},
                                            {0x1800, 0x18FF, "Nagravision"},
                                            {0x2600, 0x2601, "BISS"},
                                            {0x2610, 0x2610, "BISS-CA"},
                                            {0x4AFC, 0x4AFC, "Panaccess"},
                                            {0x5601, 0x5604, "Verimatrix"}}};

}  // namespace

const char* ca_system_name(std::uint16_t ca_system_id) noexcept {
  for (const Family& family : kFamilies) {
    if (ca_system_id >= family.first && ca_system_id <= family.last) return family.name;
  }
  return "";
}

}  // namespace headgate::mpegts

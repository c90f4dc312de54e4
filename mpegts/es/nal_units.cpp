#include "mpegts/es/nal_units.h"

#include "mpegts/es/start_code.h"

namespace headgate::mpegts::es {

std::vector<std::span<const std::uint8_t>> nal_units(std::span<const std::uint8_t> bytes) {
  std::vector<std::span<const std::uint8_t>> units;
  std::size_t code = find_start_code(bytes, 0);
  while (code < bytes.size()) {
    const std::size_t begin = code + 3;
    code = find_start_code(bytes, begin);
    std::size_t end = code;
    while (end > begin && bytes[end - 1] == 0) --end;  // trailing_zero_8bits, zero_byte
    if (end > begin) units.push_back(bytes.subspan(begin, end - begin));
  }
  return units;
}

void append_length_prefixed(std::vector<std::uint8_t>& out, std::span<const std::uint8_t> nal) {
  const auto size = static_cast<std::uint32_t>(nal.size());
  for (const unsigned shift : {24U, 16U, 8U, 0U}) out.push_back(static_cast<std::uint8_t>(size >> shift));
  out.insert(out.end(), nal.begin(), nal.end());
}

}  // namespace headgate::mpegts::es

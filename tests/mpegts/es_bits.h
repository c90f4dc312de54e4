// Writes bits, Exp-Golomb codes and NAL units for the tests of mpegts/es.
#pragma once

#include <cstdint>
#include <vector>

namespace headgate::mpegts::es {

using Bytes = std::vector<std::uint8_t>;

class BitWriter {
 public:
  BitWriter& u(unsigned bits, std::uint64_t value) {
    for (unsigned i = bits; i > 0; --i) {
      if (used_ % 8 == 0) bytes_.push_back(0);
      bytes_.back() = static_cast<std::uint8_t>(bytes_.back() | (value >> (i - 1) & 1U) << (7 - used_ % 8));
      ++used_;
    }
    return *this;
  }
  BitWriter& ue(std::uint32_t value) {
    unsigned length = 0;
    while ((std::uint64_t{value} + 1) >> (length + 1) != 0) ++length;
    return u(length, 0).u(length + 1, std::uint64_t{value} + 1);
  }
  // With rbsp_trailing_bits.
  Bytes rbsp() {
    u(1, 1);
    return bytes_;
  }
  Bytes bytes() const { return bytes_; }

 private:
  Bytes bytes_;
  std::size_t used_ = 0;
};

inline void append(Bytes& to, const Bytes& more) { to.insert(to.end(), more.begin(), more.end()); }

// A NAL unit with its start code and emulation prevention bytes; `header` is its one or two header bytes.
inline Bytes nal(const Bytes& header, const Bytes& rbsp, bool zero_byte = true) {
  Bytes out;
  if (zero_byte) out.push_back(0);
  append(out, {0, 0, 1});
  append(out, header);
  unsigned zeros = 0;
  for (const std::uint8_t byte : rbsp) {
    if (zeros >= 2 && byte <= 3) {
      out.push_back(3);
      zeros = 0;
    }
    out.push_back(byte);
    zeros = byte == 0 ? zeros + 1 : 0;
  }
  return out;
}

inline Bytes join(std::initializer_list<Bytes> parts) {
  Bytes out;
  for (const auto& part : parts) append(out, part);
  return out;
}

}  // namespace headgate::mpegts::es

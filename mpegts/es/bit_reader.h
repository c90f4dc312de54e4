// Bit readers that never leave their bytes: past the end they give zeros and ok() turns false.
// NalReader drops emulation prevention bytes and ends by itself at the next start code (ITU-T H.264 7.3.1,
// Annex B; H.265 7.3.1.1), so that no NAL end needs to be searched for. Threading: values, owned by the
// caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace headgate::mpegts::es {

// The reading of fields, over a source of bytes: Source::next_byte(std::uint8_t&) returns false at the end.
template <typename Source>
class BasicBitReader {
 public:
  explicit BasicBitReader(std::span<const std::uint8_t> bytes) noexcept : source_(bytes) {}

  bool ok() const noexcept { return ok_; }
  bool flag() noexcept { return u(1) != 0; }
  // Bits read so far; of plain bytes only.
  std::size_t position() const noexcept { return source_.position() * 8 - left_; }

  std::uint32_t u(unsigned bits) noexcept {
    std::uint32_t value = 0;
    for (; bits > 0; --bits) {
      if (left_ == 0) {
        if (!source_.next_byte(byte_)) {
          ok_ = false;
          return 0;
        }
        left_ = 8;
      }
      --left_;
      value = value << 1 | (static_cast<std::uint32_t>(byte_ >> left_) & 1U);
    }
    return value;
  }

  void skip(std::size_t bits) noexcept {
    for (; bits > 0 && left_ > 0; --bits) --left_;
    for (; bits >= 8 && ok_; bits -= 8)
      ok_ = source_.next_byte(byte_);  // whole bytes: SEI messages may be long
    if (ok_) u(static_cast<unsigned>(bits));
  }

  // Exp-Golomb codes of H.264 9.1 and H.265 9.2.
  std::uint32_t ue() noexcept {
    unsigned zeros = 0;
    while (ok_ && !flag()) {
      if (++zeros > 31) ok_ = false;
    }
    return ok_ ? (1U << zeros) - 1U + u(zeros) : 0U;
  }
  std::int32_t se() noexcept {
    const std::uint32_t k = ue();
    const auto half = static_cast<std::int32_t>(k / 2U);
    return (k & 1U) != 0 ? half + 1 : -half;
  }

 private:
  Source source_;
  std::uint8_t byte_ = 0;
  unsigned left_ = 0;
  bool ok_ = true;
};

class PlainBytes {
 public:
  explicit PlainBytes(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {}
  bool next_byte(std::uint8_t& out) noexcept {
    if (at_ >= bytes_.size()) return false;
    out = bytes_[at_++];
    return true;
  }
  std::size_t position() const noexcept { return at_; }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

class NalBytes {
 public:
  explicit NalBytes(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {}
  bool next_byte(std::uint8_t& out) noexcept {
    if (at_ >= bytes_.size()) return false;
    std::uint8_t byte = bytes_[at_];
    if (zeros_ >= 2) {
      if (byte < 3) return false;  // 00 00 00..02 cannot stand inside a NAL unit
      if (byte == 3) {
        zeros_ = 0;
        if (++at_ >= bytes_.size()) return false;
        byte = bytes_[at_];
      }
    }
    ++at_;
    zeros_ = byte == 0 ? zeros_ + 1 : 0;
    out = byte;
    return true;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
  unsigned zeros_ = 0;
};

using BitReader = BasicBitReader<PlainBytes>;
using NalReader = BasicBitReader<NalBytes>;

}  // namespace headgate::mpegts::es

#include "mpegts/monitor/section_scanner.h"

#include <algorithm>
#include <cstring>

#include "mpegts/psi/section.h"

namespace headgate::mpegts {
namespace {

constexpr std::size_t kLength = 3;    // table_id to section_length
constexpr std::size_t kLongest = 12;  // the shortest long form: header and CRC_32
constexpr std::uint8_t kTot = 0x73;   // has a CRC without section_syntax_indicator (EN 300 468 5.2.6)

}  // namespace

SectionScanner::Bytes SectionScanner::begin(const TsPacket& packet) noexcept {
  if (packet.transport_error() || packet.scrambling_control() != 0) return {};
  const auto payload = packet.payload();
  if (payload.empty()) return {};
  const std::uint32_t hash = crc32_mpeg(packet.bytes());
  const auto continuity = static_cast<std::int8_t>(packet.continuity_counter());
  if (packet.discontinuity()) {
    in_section_ = stands_ = false;
  } else if (last_continuity_ >= 0) {
    if (continuity == last_continuity_) {
      if (hash == last_hash_ && !repeated_ && !stands_) {
        repeated_ = true;
        return {};
      }
      stands_ = true;
    } else {
      stands_ = false;
    }
    if (continuity != ((last_continuity_ + 1) & 0x0F)) in_section_ = false;
  }
  repeated_ = false;
  last_continuity_ = continuity;
  last_hash_ = hash;
  if (!packet.payload_unit_start())
    return in_section_ ? Bytes{payload.data(), payload.size(), payload.size(), false} : Bytes{};
  const std::size_t start = std::size_t{1} + payload[0];
  if (start > payload.size()) {
    in_section_ = false;
    return {};
  }
  return {payload.data() + 1, payload.size() - 1, start - 1, true};
}

// True where a section has ended; `bytes` then goes on behind it.
bool SectionScanner::take(Bytes& bytes) noexcept {
  const auto skip = [&](std::size_t count) {
    bytes.at += count;
    bytes.left -= count;
    bytes.rest -= std::min(bytes.rest, count);
  };
  if (bytes.rest > 0) {
    std::size_t used = bytes.rest;
    const bool ended = in_section_ && run(bytes.at, bytes.rest, used);
    // Behind the end of a section that began in a packet before is stuffing.
    skip(bytes.rest);
    return ended;
  }
  if (bytes.may_start) {
    bytes.may_start = false;
    in_section_ = false;
  }
  if (!in_section_) {
    if (bytes.at[0] == 0xFF) {
      skip(bytes.left);
      return false;
    }
    in_section_ = true;
    filled_ = 0;
    wanted_ = kLength;
    crc_ = 0xFFFFFFFF;
    section_.head.fill(0);
  }
  std::size_t used = 0;
  const bool ended = run(bytes.at, bytes.left, used);
  skip(used);
  return ended;
}

bool SectionScanner::run(const std::uint8_t* from, std::size_t size, std::size_t& used) noexcept {
  used = 0;
  while (used < size) {
    const std::size_t count = std::min<std::size_t>(wanted_ - filled_, size - used);
    if (filled_ < kHead) {
      const std::size_t kept = std::min(count, kHead - filled_);
      std::memcpy(section_.head.data() + filled_, from + used, kept);
    }
    crc_ = crc32_mpeg({from + used, count}, crc_);
    filled_ = static_cast<std::uint16_t>(filled_ + count);
    used += count;
    if (filled_ < wanted_) return false;
    if (wanted_ == kLength) {
      wanted_ = static_cast<std::uint16_t>(kLength + ((section_.head[1] & 0x0F) << 8 | section_.head[2]));
      if (wanted_ == kLength || wanted_ > kMaxSectionSize) {
        in_section_ = false;
        // One of no length ends here; one too long makes the rest unreadable.
        if (wanted_ > kMaxSectionSize) used = size;
        return false;
      }
      continue;
    }
    in_section_ = false;
    section_.size = wanted_;
    section_.has_crc = section_.long_form() || section_.table_id() == kTot;
    section_.crc_ok = !section_.has_crc || (crc_ == 0 && (!section_.long_form() || wanted_ >= kLongest));
    return true;
  }
  return false;
}

}  // namespace headgate::mpegts

#include "mpegts/remux/random_access.h"

#include <algorithm>
#include <cstring>

#include "mpegts/pes/pes_packet.h"

namespace headgate::mpegts::remux {
namespace {

// A slice or picture header that lies at the end of what has come may be cut: its type is read when so much
// has come behind it.
constexpr std::size_t kMargin = 16;
constexpr std::size_t kLongestTimes = 19;  // a PES header as far as its DTS

constexpr std::uint8_t kGroupStart = 0xB8;  // ISO/IEC 13818-2 table 6-1
constexpr std::uint8_t kClosedGop = 0x40;   // in the fourth byte of the group header
constexpr std::uint8_t kBrokenLink = 0x20;
constexpr std::uint8_t kCra = 21;  // H.265 table 7-1
constexpr std::uint8_t kBlaWLp = 16;

}  // namespace

RandomAccessFinder::RandomAccessFinder(StreamKind kind) : kind_(kind), parser_(kind) {}

RandomAccessFinder::Verdict RandomAccessFinder::begin(const TsPacket& packet) {
  filled_ = 0;
  indicator_ = packet.random_access();
  scrambled_ = packet.scrambling_control() != 0;
  open_group_ = false;
  pts_.reset();
  return more(packet);
}

RandomAccessFinder::Verdict RandomAccessFinder::more(const TsPacket& packet) {
  if (scrambled_) return indicator_ ? Verdict::yes : Verdict::no;
  if (packet.scrambling_control() != 0) return Verdict::no;
  const auto payload = packet.payload();
  if (payload.size() > buffer_.size() - filled_) return Verdict::no;
  std::copy(payload.begin(), payload.end(), buffer_.begin() + static_cast<std::ptrdiff_t>(filled_));
  filled_ += payload.size();
  return judge();
}

RandomAccessFinder::Verdict RandomAccessFinder::judge() {
  const std::span<const std::uint8_t> pes{buffer_.data(), filled_};
  const auto header = PesHeader::parse(pes);
  if (!header) return filled_ < kLongestTimes ? Verdict::undecided : Verdict::no;
  pts_ = header->pts;
  if (is_audio(kind_)) return Verdict::yes;
  if (!is_video(kind_) || header->scrambled) return indicator_ ? Verdict::yes : Verdict::no;
  if (header->payload_offset >= filled_) return Verdict::undecided;
  const bool whole = header->packet_length != 0 && filled_ >= header->packet_length + 6;
  const auto payload = pes.subspan(header->payload_offset);
  if (!whole) {
    if (payload.size() <= kMargin) return Verdict::undecided;
    parser_.inspect_start(payload.first(payload.size() - kMargin));
    if (!parser_.inspected_picture()) return Verdict::undecided;
  }
  const es::RandomAccess access = parser_.inspect_start(payload);
  open_group_ = access == es::RandomAccess::recovery_point;
  return access == es::RandomAccess::none ? Verdict::no : Verdict::yes;
}

void BrokenLinkMarker::on_payload(std::span<std::uint8_t> payload) noexcept {
  if (kind_ != StreamKind::hevc && kind_ != StreamKind::mpeg2_video) return;
  for (std::uint8_t& byte : payload) {
    if (group_byte_ > 0 && ++group_byte_ == 5) {
      if ((byte & kClosedGop) == 0) {
        byte |= kBrokenLink;
        marked_ = true;
      }
      group_byte_ = 0;
    }
    if (code_) {
      code_ = false;
      if (kind_ == StreamKind::hevc && ((byte >> 1) & 0x3F) == kCra) {
        byte = static_cast<std::uint8_t>((byte & 0x81) | kBlaWLp << 1);
        marked_ = true;
      } else if (kind_ == StreamKind::mpeg2_video && byte == kGroupStart) {
        group_byte_ = 1;
      }
    }
    code_ = zeros_ >= 2 && byte == 1;
    zeros_ = byte == 0 ? zeros_ + 1 : 0;
  }
}

}  // namespace headgate::mpegts::remux

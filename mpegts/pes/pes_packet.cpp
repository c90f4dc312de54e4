#include "mpegts/pes/pes_packet.h"

#include <algorithm>

#include "mpegts/packet/clock_fields.h"
#include "mpegts/pes/stream_id.h"

namespace headgate::mpegts {
namespace {

constexpr std::size_t kFixedHeader = 6;     // start code, stream_id, PES_packet_length
constexpr std::size_t kOptionalHeader = 9;  // and the flags and PES_header_data_length
constexpr std::size_t kTimestampSize = 5;

// Nothing where a marker_bit is 0: such a value is damaged.
std::optional<Pts90kHz> read_timestamp(std::span<const std::uint8_t, kTimestampSize> b) noexcept {
  if ((b[0] & b[2] & b[4] & 1) == 0) return std::nullopt;
  return stamp_at(b);
}

}  // namespace

std::optional<PesHeader> PesHeader::parse(std::span<const std::uint8_t> bytes) noexcept {
  if (bytes.size() < kFixedHeader || bytes[0] != 0 || bytes[1] != 0 || bytes[2] != 1) return std::nullopt;
  PesHeader header;
  header.stream_id = bytes[3];
  header.packet_length = static_cast<std::size_t>(bytes[4]) << 8 | bytes[5];
  header.payload_offset = kFixedHeader;
  if (header.stream_id < 0xBC) return std::nullopt;  // a video start code or a system header, no PES
  if (!has_optional_header(header.stream_id)) return header;
  if (bytes.size() < kOptionalHeader || (bytes[6] & 0xC0) != 0x80) return std::nullopt;
  header.scrambled = (bytes[6] & 0x30) != 0;
  header.data_alignment = (bytes[6] & 0x04) != 0;
  const std::size_t data_length = bytes[8];
  header.payload_offset = kOptionalHeader + data_length;
  const unsigned flags = bytes[7] >> 6;
  if ((flags & 2) == 0 || data_length < kTimestampSize) return header;
  if (bytes.size() < kOptionalHeader + kTimestampSize) return std::nullopt;
  header.pts = read_timestamp(bytes.subspan(kOptionalHeader).first<kTimestampSize>());
  header.dts = header.pts;
  if (flags != 3 || data_length < 2 * kTimestampSize) return header;
  if (bytes.size() < kOptionalHeader + 2 * kTimestampSize) return std::nullopt;
  if (header.pts)
    header.dts = read_timestamp(bytes.subspan(kOptionalHeader + kTimestampSize).first<kTimestampSize>());
  return header;
}

void PesAssembler::on_packet(const TsPacket& packet, PesSink& sink) {
  if (packet.transport_error() || !packet.valid()) {
    damaged_ = true;
    ++discarded_;
    return;
  }
  if (!packet.has_payload()) return;  // does not count in continuity_counter (2.4.3.3)
  const int continuity = packet.continuity_counter();
  if (last_continuity_ >= 0 && continuity == last_continuity_ && !packet.discontinuity() &&
      !duplicate_seen_) {
    duplicate_seen_ = true;  // one repetition is legal (2.4.3.3)
    return;
  }
  if (last_continuity_ >= 0 && continuity != ((last_continuity_ + 1) & 0x0F)) damaged_ = true;
  last_continuity_ = continuity;
  duplicate_seen_ = false;
  if (packet.payload_unit_start()) {
    finish(sink);
    begin(packet);
  } else if (!in_pes_) {
    ++discarded_;
    return;
  }
  append(packet);
  deliver_if_complete(sink);
}

void PesAssembler::begin(const TsPacket& packet) {
  buffer_.clear();
  in_pes_ = true;
  damaged_ = false;
  random_access_ = packet.random_access();
}

void PesAssembler::append(const TsPacket& packet) {
  if (packet.scrambling_control() != 0) {
    damaged_ = true;
    ++discarded_;
    // Where the start is scrambled, nothing of this PES packet can be known.
    if (buffer_.empty()) in_pes_ = false;
    return;
  }
  const auto payload = packet.payload();
  const std::size_t room = max_size_ - std::min(max_size_, buffer_.size());
  if (payload.size() > room) {
    damaged_ = true;
    ++discarded_;
  }
  buffer_.insert(buffer_.end(), payload.begin(),
                 payload.begin() + static_cast<std::ptrdiff_t>(std::min(payload.size(), room)));
}

void PesAssembler::deliver_if_complete(PesSink& sink) {
  if (!in_pes_ || buffer_.size() < kFixedHeader) return;
  const std::size_t length = static_cast<std::size_t>(buffer_[4]) << 8 | buffer_[5];
  if (length == 0 || buffer_.size() < kFixedHeader + length) return;
  // Bytes behind the end are stuffing of a multiplexer that knows no adaptation field, or the length is
  // wrong.
  const auto surplus = std::span<const std::uint8_t>(buffer_).subspan(kFixedHeader + length);
  if (std::any_of(surplus.begin(), surplus.end(), [](std::uint8_t b) { return b != 0xFF; })) damaged_ = true;
  buffer_.resize(kFixedHeader + length);
  finish(sink);
}

void PesAssembler::finish(PesSink& sink) {
  if (!in_pes_) return;
  in_pes_ = false;
  PesPacket pes;
  const auto header = PesHeader::parse(buffer_);
  if (!header || header->payload_offset > buffer_.size()) {
    ++discarded_;
    return;
  }
  pes.header = *header;
  pes.payload = std::span<const std::uint8_t>(buffer_).subspan(header->payload_offset);
  pes.random_access = random_access_;
  const bool short_of_length =
      header->packet_length != 0 && buffer_.size() < kFixedHeader + header->packet_length;
  pes.damaged = damaged_ || header->scrambled || short_of_length;
  sink.on_pes(pid_, pes);
}

void PesAssembler::flush(PesSink& sink) {
  finish(sink);
  reset();
}

void PesAssembler::reset() {
  buffer_.clear();
  in_pes_ = damaged_ = random_access_ = duplicate_seen_ = false;
  last_continuity_ = -1;
}

}  // namespace headgate::mpegts

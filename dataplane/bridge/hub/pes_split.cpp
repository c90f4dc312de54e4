#include "dataplane/bridge/hub/pes_split.h"

#include <algorithm>

#include "mpegts/packet/ts_packet.h"

namespace headgate::bridge::hub {
namespace {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;
using mpegts::kPacketSize;
using mpegts::TsPacket;

constexpr std::size_t kBody = kPacketSize - 4;
constexpr std::size_t kMore = 16;  // packets added: a whole turn of the counter

void put_stamp(Bytes& out, std::uint8_t prefix, mpegts::Pts90kHz stamp) {
  const std::uint64_t t = stamp.ticks & (mpegts::kPtsModulus - 1);
  out.push_back(static_cast<std::uint8_t>(prefix << 4 | (t >> 29 & 0x0E) | 1));
  out.push_back(static_cast<std::uint8_t>(t >> 22));
  out.push_back(static_cast<std::uint8_t>(t >> 14 | 1));
  out.push_back(static_cast<std::uint8_t>(t >> 7));
  out.push_back(static_cast<std::uint8_t>(t << 1 | 1));
}

Bytes header_of(const mpegts::PesHeader& first, std::size_t pes_size, const PesCut& cut) {
  const bool both = cut.pts.ticks != cut.dts.ticks;
  const std::size_t times = both ? 10 : 5;
  const std::size_t length = first.packet_length == 0 ? 0 : pes_size - cut.at + 3 + times;
  Bytes out{0,
            0,
            1,
            first.stream_id,
            static_cast<std::uint8_t>(length >> 8),
            static_cast<std::uint8_t>(length),
            0x84,  // data_alignment_indicator: an access unit begins here
            static_cast<std::uint8_t>(both ? 0xC0 : 0x80),
            static_cast<std::uint8_t>(times)};
  put_stamp(out, both ? 3 : 2, cut.pts);
  if (both) put_stamp(out, 1, cut.dts);
  return out;
}

// One packet: an adaptation field that begins with `field` (flags and what they announce) and is stuffed as
// needed.
void put_packet(Bytes& out, const TsPacket& like, std::uint8_t counter, bool start, View field,
                View payload) {
  out.push_back(mpegts::kSyncByte);
  out.push_back(static_cast<std::uint8_t>((like.bytes()[1] & 0xBF) | (start ? 0x40 : 0)));
  out.push_back(like.bytes()[2]);
  const std::size_t room = kBody - payload.size();
  out.push_back(static_cast<std::uint8_t>((room > 0 ? 0x30 : 0x10) | (counter & 0x0F)));
  if (room > 0) {
    out.push_back(static_cast<std::uint8_t>(room - 1));
    std::size_t used = 1;
    if (room > 1) {
      if (field.empty()) {
        out.push_back(0);
        ++used;
      } else {
        out.insert(out.end(), field.begin(), field.end());
        used += field.size();
      }
    }
    out.insert(out.end(), room - used, 0xFF);
  }
  out.insert(out.end(), payload.begin(), payload.end());
}

// Where the cut lies.
struct Place {
  std::size_t packet = 0;  // offset in bytes
  std::size_t before = 0;  // payload bytes of that packet before the cut
};

std::optional<Place> find(View packets, std::size_t at) {
  std::size_t seen = 0;
  int last = -1;
  for (std::size_t offset = 0; offset + kPacketSize <= packets.size(); offset += kPacketSize) {
    const TsPacket packet(packets.subspan(offset).first<kPacketSize>());
    if (!packet.has_payload() || packet.continuity_counter() == last) continue;
    last = packet.continuity_counter();
    const std::size_t size = packet.payload().size();
    if (at < seen + size) return Place{offset, at - seen};
    seen += size;
  }
  return std::nullopt;
}

// The flags and fields of the packet's adaptation field, stuffing included; empty without.
View field_of(const TsPacket& packet) {
  if (!packet.has_adaptation() || packet.adaptation_length() == 0) return {};
  return View(packet.bytes()).subspan(5, packet.adaptation_length());
}

// The seventeen packets in place of one; false where its bytes don't suffice.
bool put_both(Bytes& out, const TsPacket& packet, std::size_t before, View head, std::size_t least_first) {
  const View payload = packet.payload();
  const std::size_t rest = payload.size() - before;
  const std::size_t second = before == 0 ? kMore + 1 : std::min(kMore, rest + 1);
  const std::size_t first = kMore + 1 - second;
  // Each packet has a byte at least; the header stands whole in the first of its part.
  if (first > before || second > rest + 1) return false;
  const View field = field_of(packet);
  std::uint8_t counter = packet.continuity_counter();
  std::size_t at = 0;
  for (std::size_t i = 0; i < first; ++i) {
    const std::size_t size = i == 0 ? before - (first - 1) : 1;
    if (i == 0 && size < least_first) return false;
    put_packet(out, packet, counter++, i == 0 && packet.payload_unit_start(), i == 0 ? field : View{},
               payload.subspan(at, size));
    at += size;
  }
  Bytes marked(field.begin(), field.end());
  if (before != 0 || marked.empty()) marked.assign(1, 0);
  marked[0] |= 0x40;  // random_access_indicator
  const std::size_t room = kBody - 1 - marked.size();
  if (head.size() > room) return false;
  for (std::size_t i = 0; i < second; ++i) {
    const std::size_t waiting = second - 1 - i;  // packets after this one, a byte each
    const std::size_t most = i == 0 ? room - head.size() : kBody;
    const std::size_t size = std::min(most, payload.size() - at - waiting);
    Bytes body;
    if (i == 0) body.assign(head.begin(), head.end());
    body.insert(body.end(), payload.begin() + static_cast<std::ptrdiff_t>(at),
                payload.begin() + static_cast<std::ptrdiff_t>(at + size));
    put_packet(out, packet, counter++, i == 0, i == 0 ? View(marked) : View{}, body);
    at += size;
  }
  return at == payload.size();
}

// The first part's header: its length, and no time stamps where none of its own.
bool mend_header(std::span<std::uint8_t> first_packet, const mpegts::PesHeader& header, const PesCut& cut) {
  const TsPacket packet(std::span<const std::uint8_t, kPacketSize>(first_packet.data(), kPacketSize));
  if (!packet.has_payload() || packet.payload().size() < header.payload_offset) return false;
  const auto pes = first_packet.last(packet.payload().size());
  if (header.packet_length != 0) {
    const std::size_t length = cut.at - 6;
    pes[4] = static_cast<std::uint8_t>(length >> 8);
    pes[5] = static_cast<std::uint8_t>(length);
  }
  if (!cut.first_untimed) return true;
  if ((pes[7] & 0x3F) != 0) return false;  // what follows the time stamps would have to move
  pes[7] = 0;
  std::fill(pes.begin() + 9, pes.begin() + static_cast<std::ptrdiff_t>(header.payload_offset),
            std::uint8_t{0xFF});
  return true;
}

}  // namespace

std::optional<std::size_t> split_pes(View packets, const mpegts::PesHeader& header, std::size_t pes_size,
                                     const PesCut& cut, Bytes& out) {
  out.clear();
  if (cut.at <= header.payload_offset || cut.at >= pes_size || packets.size() < kPacketSize)
    return std::nullopt;
  const auto place = find(packets, cut.at);
  if (!place) return std::nullopt;
  out.reserve(packets.size() + kMore * kPacketSize);
  out.assign(packets.begin(), packets.begin() + static_cast<std::ptrdiff_t>(place->packet));
  const TsPacket packet(packets.subspan(place->packet).first<kPacketSize>());
  const bool at_start = place->packet == 0;
  const std::size_t before = out.size();
  if (!put_both(out, packet, place->before, header_of(header, pes_size, cut),
                at_start ? header.payload_offset : 0))
    return std::nullopt;
  std::size_t second = before;
  while (second < out.size() && (second == 0 || (out[second + 1] & 0x40) == 0)) second += kPacketSize;
  if (!mend_header(std::span(out).first(kPacketSize), header, cut)) return std::nullopt;
  std::size_t after = place->packet + kPacketSize;
  // A duplicate of the packet that is gone repeats nothing any more.
  if (after < packets.size()) {
    const TsPacket next(packets.subspan(after).first<kPacketSize>());
    if (next.has_payload() && next.continuity_counter() == packet.continuity_counter()) after += kPacketSize;
  }
  out.insert(out.end(), packets.begin() + static_cast<std::ptrdiff_t>(after), packets.end());
  return second;
}

}  // namespace headgate::bridge::hub

#include "mpegts/si/nit.h"

#include "mpegts/psi/bytes.h"
#include "mpegts/si/sdt.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint8_t kNitActual = 0x40;  // EN 300 468 table 2
constexpr std::uint8_t kNitOther = 0x41;
constexpr std::uint8_t kBat = 0x4A;
constexpr std::uint8_t kNetworkName = 0x40;  // 6.2.27
constexpr std::uint8_t kBouquetName = 0x47;  // 6.2.4

std::optional<Nit::Kind> kind_of(std::uint8_t table_id) noexcept {
  if (table_id == kNitActual) return Nit::Kind::network;
  if (table_id == kNitOther) return Nit::Kind::other_network;
  if (table_id == kBat) return Nit::Kind::bouquet;
  return std::nullopt;
}

std::uint8_t table_id_of(Nit::Kind kind) noexcept {
  if (kind == Nit::Kind::network) return kNitActual;
  return kind == Nit::Kind::other_network ? kNitOther : kBat;
}

}  // namespace

std::optional<Nit> Nit::parse(std::span<const std::uint8_t> section) {
  const auto kind = section.empty() ? std::nullopt : kind_of(section[0]);
  if (!kind) return std::nullopt;
  const auto body = detail::long_section_body(section, section[0]);
  if (!body || body->size() < 4) return std::nullopt;
  Nit nit;
  nit.kind = *kind;
  nit.id = detail::read16(section, 3);
  nit.version = section[5] >> 1 & 0x1F;
  nit.current = (section[5] & 1) != 0;
  nit.section_number = section[6];
  nit.last_section_number = section[7];
  if (nit.section_number > nit.last_section_number) return std::nullopt;
  std::size_t at = 2 + detail::read12(*body, 0);
  if (at + 2 > body->size()) return std::nullopt;
  nit.descriptors = detail::read_descriptors(body->subspan(2, at - 2));
  const std::size_t end = at + 2 + detail::read12(*body, at);
  if (end > body->size()) return std::nullopt;
  at += 2;
  while (at + 6 <= end) {
    NitStream stream;
    stream.transport_stream_id = detail::read16(*body, at);
    stream.original_network_id = detail::read16(*body, at + 2);
    const std::size_t length = detail::read12(*body, at + 4);
    at += 6;
    if (length > end - at) return std::nullopt;
    stream.descriptors = detail::read_descriptors(body->subspan(at, length));
    at += length;
    nit.streams.push_back(std::move(stream));
  }
  return nit;
}

std::vector<std::uint8_t> Nit::to_section() const {
  auto out = detail::begin_section(table_id_of(kind), id, version, current, section_number,
                                   last_section_number, 0x70);
  detail::append_descriptors(out, descriptors, 0xF0);
  std::vector<std::uint8_t> loop;
  for (const NitStream& stream : streams) {
    detail::append16(loop, stream.transport_stream_id);
    detail::append16(loop, stream.original_network_id);
    detail::append_descriptors(loop, stream.descriptors, 0xF0);
  }
  detail::append16(out, static_cast<std::uint16_t>(0xF000 | (loop.size() & 0x0FFF)));
  out.insert(out.end(), loop.begin(), loop.end());
  return detail::finish_section(std::move(out));
}

std::string Nit::name() const {
  const auto text = descriptors.find(kind == Kind::bouquet ? kBouquetName : kNetworkName);
  return text ? dvb_text_to_utf8(*text) : std::string{};
}

}  // namespace headgate::mpegts

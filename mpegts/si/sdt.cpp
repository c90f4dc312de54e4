#include "mpegts/si/sdt.h"

#include "mpegts/psi/bytes.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint8_t kSdtActual = 0x42;  // EN 300 468 table 2
constexpr std::uint8_t kSdtOther = 0x46;
constexpr std::uint8_t kServiceDescriptor = 0x48;

// The two counted strings of a service descriptor (6.2.33).
std::string service_text(const Descriptors& descriptors, bool want_name) {
  const auto body = descriptors.find(kServiceDescriptor);
  if (!body || body->size() < 2) return {};
  const std::size_t provider_end = std::size_t{2} + (*body)[1];
  if (provider_end > body->size()) return {};
  if (!want_name) return dvb_text_to_utf8(body->subspan(2, provider_end - 2));
  if (provider_end >= body->size()) return {};
  const std::size_t length = (*body)[provider_end];
  if (provider_end + 1 + length > body->size()) return {};
  return dvb_text_to_utf8(body->subspan(provider_end + 1, length));
}

}  // namespace

std::string SdtService::name() const { return service_text(descriptors, true); }
std::string SdtService::provider() const { return service_text(descriptors, false); }

std::uint8_t SdtService::service_type() const noexcept {
  const auto body = descriptors.find(kServiceDescriptor);
  return body && !body->empty() ? (*body)[0] : std::uint8_t{0};
}

std::vector<std::uint8_t> service_descriptor(std::uint8_t service_type, std::string_view provider,
                                             std::string_view name) {
  constexpr std::size_t kProvider = 80;
  const auto provider_text = utf8_to_dvb_text(provider, kProvider);
  const auto name_text = utf8_to_dvb_text(name, 255 - 3 - kProvider);
  std::vector<std::uint8_t> out{kServiceDescriptor,
                                static_cast<std::uint8_t>(3 + provider_text.size() + name_text.size()),
                                service_type, static_cast<std::uint8_t>(provider_text.size())};
  out.insert(out.end(), provider_text.begin(), provider_text.end());
  out.push_back(static_cast<std::uint8_t>(name_text.size()));
  out.insert(out.end(), name_text.begin(), name_text.end());
  return out;
}

std::optional<Sdt> Sdt::parse(std::span<const std::uint8_t> section) {
  if (section.empty()) return std::nullopt;
  const auto body = detail::long_section_body(section, section[0] == kSdtOther ? kSdtOther : kSdtActual);
  if (!body || body->size() < 3) return std::nullopt;
  Sdt sdt;
  sdt.actual = section[0] == kSdtActual;
  sdt.transport_stream_id = detail::read16(section, 3);
  sdt.version = section[5] >> 1 & 0x1F;
  sdt.current = (section[5] & 1) != 0;
  sdt.section_number = section[6];
  sdt.last_section_number = section[7];
  if (sdt.section_number > sdt.last_section_number) return std::nullopt;
  sdt.original_network_id = detail::read16(*body, 0);
  std::size_t at = 3;
  while (at + 5 <= body->size()) {
    SdtService service;
    service.service_id = detail::read16(*body, at);
    service.flags = (*body)[at + 2] & 0x03;
    service.running_status = (*body)[at + 3] >> 5;
    service.free_ca_mode = ((*body)[at + 3] & 0x10) != 0;
    const std::size_t length = detail::read12(*body, at + 3);
    at += 5;
    if (length > body->size() - at) return std::nullopt;
    service.descriptors = detail::read_descriptors(body->subspan(at, length));
    at += length;
    sdt.services.push_back(std::move(service));
  }
  return sdt;
}

std::vector<std::uint8_t> Sdt::to_section() const {
  auto out = detail::begin_section(actual ? kSdtActual : kSdtOther, transport_stream_id, version, current,
                                   section_number, last_section_number, 0x70);
  detail::append16(out, original_network_id);
  out.push_back(0xFF);
  for (const auto& service : services) {
    detail::append16(out, service.service_id);
    out.push_back(static_cast<std::uint8_t>(0xFC | (service.flags & 0x03)));
    const auto high =
        static_cast<std::uint8_t>((service.running_status & 0x07) << 5 | (service.free_ca_mode ? 0x10 : 0));
    detail::append_descriptors(out, service.descriptors, high);
  }
  return detail::finish_section(std::move(out));
}

}  // namespace headgate::mpegts

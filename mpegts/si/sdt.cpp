#include "mpegts/si/sdt.h"

#include <algorithm>

#include "mpegts/psi/bytes.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint8_t kSdtActual = 0x42;  // EN 300 468 table 2
constexpr std::uint8_t kSdtOther = 0x46;
constexpr std::uint8_t kServiceDescriptor = 0x48;

// How the 255 bytes of a descriptor that is made here are shared.
constexpr std::size_t kProviderBytes = 80;
constexpr std::size_t kNameBytes = 255 - 3 - kProviderBytes;

// The two counted strings of a service descriptor's body (6.2.33), as sent.
std::span<const std::uint8_t> raw_text(std::span<const std::uint8_t> body, bool want_name) {
  if (body.size() < 2) return {};
  const std::size_t provider_end = std::size_t{2} + body[1];
  if (provider_end > body.size()) return {};
  if (!want_name) return body.subspan(2, provider_end - 2);
  if (provider_end >= body.size()) return {};
  const std::size_t length = body[provider_end];
  if (provider_end + 1 + length > body.size()) return {};
  return body.subspan(provider_end + 1, length);
}

std::string service_text(const Descriptors& descriptors, bool want_name) {
  const auto body = descriptors.find(kServiceDescriptor);
  return body ? dvb_text_to_utf8(raw_text(*body, want_name)) : std::string();
}

std::vector<std::uint8_t> made_descriptor(std::uint8_t service_type, std::span<const std::uint8_t> provider,
                                          std::span<const std::uint8_t> name) {
  std::vector<std::uint8_t> out{kServiceDescriptor,
                                static_cast<std::uint8_t>(3 + provider.size() + name.size()), service_type,
                                static_cast<std::uint8_t>(provider.size())};
  out.insert(out.end(), provider.begin(), provider.end());
  out.push_back(static_cast<std::uint8_t>(name.size()));
  out.insert(out.end(), name.begin(), name.end());
  return out;
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
  return made_descriptor(service_type, utf8_to_dvb_text(provider, kProviderBytes),
                         utf8_to_dvb_text(name, kNameBytes));
}

void set_service_texts(Descriptors& descriptors, std::string_view provider, std::string_view name,
                       std::uint8_t service_type) {
  if (provider.empty() && name.empty()) return;
  const auto body = descriptors.find(kServiceDescriptor);
  if (body && !body->empty()) service_type = body->front();
  const auto text = [&](std::string_view wanted, bool is_name, std::size_t limit) {
    if (!wanted.empty()) return utf8_to_dvb_text(wanted, limit);
    const auto own = raw_text(body.value_or(std::span<const std::uint8_t>()), is_name);
    return std::vector<std::uint8_t>(own.begin(), own.end());
  };
  // What stays may be longer than what is made.
  auto first = text(provider, false, kProviderBytes);
  auto second = text(name, true, 255 - 3 - std::min(first.size(), std::size_t{252}));
  if (!provider.empty() && name.empty() && first.size() + second.size() > 252)
    first = utf8_to_dvb_text(provider, 252 - second.size());
  const auto made = made_descriptor(service_type, first, second);
  if (!body) {
    descriptors.bytes.insert(descriptors.bytes.begin(), made.begin(), made.end());
    return;
  }
  const auto at = body->data() - descriptors.bytes.data() - 2;
  const auto end = at + 2 + static_cast<std::ptrdiff_t>(body->size());
  auto& bytes = descriptors.bytes;
  bytes.insert(bytes.erase(bytes.begin() + at, bytes.begin() + end), made.begin(), made.end());
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

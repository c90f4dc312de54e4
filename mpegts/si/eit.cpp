#include "mpegts/si/eit.h"

#include "mpegts/psi/bytes.h"
#include "mpegts/psi/section_edit.h"
#include "mpegts/si/sdt.h"
#include "mpegts/si/si_time.h"

namespace headgate::mpegts {
namespace {

constexpr std::size_t kEitHeader = 14;
constexpr std::uint8_t kShortEvent = 0x4D;

// The language, then two counted texts (6.2.37).
std::string short_event_text(const Descriptors& descriptors, bool want_name) {
  const auto body = descriptors.find(kShortEvent);
  if (!body || body->size() < 4) return {};
  const std::size_t name_end = std::size_t{4} + (*body)[3];
  if (name_end > body->size()) return {};
  if (want_name) return dvb_text_to_utf8(body->subspan(4, name_end - 4));
  if (name_end >= body->size()) return {};
  const std::size_t length = (*body)[name_end];
  if (name_end + 1 + length > body->size()) return {};
  return dvb_text_to_utf8(body->subspan(name_end + 1, length));
}

void put16(std::span<std::uint8_t> b, std::size_t at, std::uint16_t value) noexcept {
  b[at] = static_cast<std::uint8_t>(value >> 8);
  b[at + 1] = static_cast<std::uint8_t>(value & 0xFF);
}

}  // namespace

std::optional<EitHeader> eit_header(std::span<const std::uint8_t> s) noexcept {
  if (!is_long(s) || s.size() < kEitHeader + 4 || s[0] < kEitPfActual || s[0] > 0x6F) return std::nullopt;
  EitHeader h;
  h.table_id = s[0];
  h.service_id = table_extension(s);
  h.version = section_version(s);
  h.current = is_current(s);
  h.section_number = s[6];
  h.last_section_number = s[7];
  h.transport_stream_id = detail::read16(s, 8);
  h.original_network_id = detail::read16(s, 10);
  h.segment_last_section_number = s[12];
  h.last_table_id = s[13];
  return h;
}

void write_eit_header(std::span<std::uint8_t> s, const EitHeader& h) noexcept {
  s[0] = h.table_id;
  set_table_extension(s, h.service_id);
  s[5] = static_cast<std::uint8_t>(0xC0 | (h.version & 0x1F) << 1 | (h.current ? 1 : 0));
  s[6] = h.section_number;
  s[7] = h.last_section_number;
  put16(s, 8, h.transport_stream_id);
  put16(s, 10, h.original_network_id);
  s[12] = h.segment_last_section_number;
  s[13] = h.last_table_id;
  seal(s);
}

std::string EitEvent::name() const { return short_event_text(descriptors, true); }
std::string EitEvent::text() const { return short_event_text(descriptors, false); }

std::vector<EitEvent> eit_events(std::span<const std::uint8_t> section) {
  std::vector<EitEvent> events;
  if (!eit_header(section)) return events;
  const auto body = section.subspan(kEitHeader, section.size() - kEitHeader - 4);
  for (std::size_t at = 0; at + 12 <= body.size();) {
    const std::size_t length = detail::read12(body, at + 10);
    if (length > body.size() - at - 12) break;
    EitEvent event;
    event.event_id = detail::read16(body, at);
    event.start_unix_s = si_time(body.subspan(at + 2).first<5>());
    event.duration_s = bcd_duration(body.subspan(at + 7).first<3>());
    event.running_status = body[at + 10] >> 5;
    event.free_ca_mode = (body[at + 10] & 0x10) != 0;
    event.descriptors = detail::read_descriptors(body.subspan(at + 12, length));
    events.push_back(std::move(event));
    at += 12 + length;
  }
  return events;
}

}  // namespace headgate::mpegts

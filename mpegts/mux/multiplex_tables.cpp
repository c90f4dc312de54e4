#include "mpegts/mux/multiplex_tables.h"

#include <utility>

#include "mpegts/psi/descriptors.h"
#include "mpegts/si/nit.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint8_t kNetworkName = 0x40;  // EN 300 468 table 12
constexpr std::uint8_t kServiceList = 0x41;
constexpr std::uint8_t kServiceDescriptor = 0x48;
constexpr std::uint8_t kPrivateData = 0x5F;
constexpr std::uint8_t kLogicalChannel = 0x83;
constexpr std::uint8_t kRunning = 4;  // table 6
constexpr std::uint8_t kScheduleFlag = 0x02, kPresentFollowingFlag = 0x01;
constexpr std::size_t kSdtHead = 11, kServiceHead = 5, kCrc = 4;
constexpr std::size_t kMaxSdt = 1024;  // EN 300 468 5.1.1

std::uint8_t high(std::uint16_t value) noexcept { return static_cast<std::uint8_t>(value >> 8); }
std::uint8_t low(std::uint16_t value) noexcept { return static_cast<std::uint8_t>(value & 0xFF); }

// Without a PMT a service can't be tuned to.
bool is_in(const MultiplexPlace& place) noexcept { return !place.member->pmt().empty(); }

std::uint8_t type_of(const MultiplexMember::Service& service) noexcept {
  const std::uint8_t told = service.source ? service.source->service_type() : std::uint8_t{0};
  return told != 0 ? told : service.service_type;
}

SdtService service_of(const MultiplexPlace& place) {
  const MultiplexMember::Service& service = place.member->service();
  SdtService out;
  out.service_id = place.member->identity().service_id;
  out.flags = static_cast<std::uint8_t>((service.eit_schedule ? kScheduleFlag : 0) |
                                        (service.eit_present_following ? kPresentFollowingFlag : 0));
  out.running_status = service.source ? service.source->running_status : kRunning;
  out.free_ca_mode = service.scrambled;
  const bool renamed = !place.name.empty() || !place.provider.empty();
  const bool described = service.source && service.source->descriptors.find(kServiceDescriptor);
  if (renamed || !described) {
    const std::string name = !place.name.empty() || !service.source ? place.name : service.source->name();
    const std::string provider =
        !place.provider.empty() || !service.source ? place.provider : service.source->provider();
    out.descriptors.bytes = service_descriptor(type_of(service), provider, name);
  }
  if (service.source) {
    append_some(out.descriptors, service.source->descriptors,
                [&](const Descriptor& d) { return d.tag != kServiceDescriptor || (!renamed && described); });
  }
  return out;
}

std::vector<std::vector<std::uint8_t>> sdt_of(const MultiplexIdentity& identity,
                                              const std::vector<MultiplexPlace>& places) {
  std::vector<Sdt> parts(1);
  std::size_t used = kSdtHead + kCrc;
  for (const MultiplexPlace& place : places) {
    if (!is_in(place)) continue;
    SdtService service = service_of(place);
    const std::size_t size = kServiceHead + service.descriptors.bytes.size();
    if (used + size > kMaxSdt && !parts.back().services.empty()) {
      parts.emplace_back();
      used = kSdtHead + kCrc;
    }
    used += size;
    parts.back().services.push_back(std::move(service));
  }
  std::vector<std::vector<std::uint8_t>> sections;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    parts[i].transport_stream_id = identity.transport_stream_id;
    parts[i].original_network_id = identity.original_network_id;
    parts[i].section_number = static_cast<std::uint8_t>(i);
    parts[i].last_section_number = static_cast<std::uint8_t>(parts.size() - 1);
    sections.push_back(parts[i].to_section());
  }
  return sections;
}

std::vector<std::uint8_t> nit_of(const MultiplexIdentity& identity,
                                 const std::vector<MultiplexPlace>& places) {
  Nit nit;
  nit.id = identity.network_id;
  if (!identity.network_name.empty())
    append_descriptor(nit.descriptors, kNetworkName, utf8_to_dvb_text(identity.network_name, 255));
  NitStream stream;
  stream.transport_stream_id = identity.transport_stream_id;
  stream.original_network_id = identity.original_network_id;
  std::vector<std::uint8_t> list, numbers;
  for (const MultiplexPlace& place : places) {
    if (!is_in(place)) continue;
    const std::uint16_t id = place.member->identity().service_id;
    list.insert(list.end(), {high(id), low(id), type_of(place.member->service())});
    if (!identity.lcn || !place.number) continue;
    const auto number = static_cast<std::uint16_t>(0xFC00 | (*place.number & 0x3FF));  // visible
    numbers.insert(numbers.end(), {high(id), low(id), high(number), low(number)});
  }
  if (!list.empty()) append_descriptor(stream.descriptors, kServiceList, list);
  if (!numbers.empty()) {
    constexpr std::array<std::uint8_t, 4> kEacem{kEacemSpecifier >> 24 & 0xFF, kEacemSpecifier >> 16 & 0xFF,
                                                 kEacemSpecifier >> 8 & 0xFF, kEacemSpecifier & 0xFF};
    append_descriptor(stream.descriptors, kPrivateData, kEacem);
    append_descriptor(stream.descriptors, kLogicalChannel, numbers);
  }
  nit.streams = {std::move(stream)};
  return nit.to_section();
}

}  // namespace

void MultiplexTables::start_at(std::uint8_t version) noexcept {
  for (VersionedTable* table : {&pat_, &sdt_, &nit_}) table->start_at(version);
}

void MultiplexTables::set(const MultiplexIdentity& identity, const std::vector<MultiplexPlace>& places) {
  static_assert(PidBlock::kCount * 4 <= 255, "one logical channel descriptor names all");
  Pat pat;
  pat.transport_stream_id = identity.transport_stream_id;
  pat.entries = {{0, kNitPid}};
  for (const MultiplexPlace& place : places) {
    if (is_in(place)) pat.entries.push_back({place.member->identity().service_id, place.member->pmt_pid()});
  }
  pat_.set(pat.to_section());
  sdt_.set(sdt_of(identity, places));
  nit_.set(nit_of(identity, places));
  time_offsets_ = {};
  for (const MultiplexPlace& place : places) {
    if (time_offsets_.bytes.empty()) time_offsets_ = place.member->time_offsets();
  }
}

}  // namespace headgate::mpegts

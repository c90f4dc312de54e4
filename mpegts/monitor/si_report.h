// What the tables of a stream say of its network, bouquets, events, time and conditional access: plain values
// for `headgate probe` and for tests. References: EN 300 468 V1.17.1 5.2, ISO/IEC 13818-1:2022 2.4.4.6, ATSC
// A/65:2013 6. Threading: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mpegts/si/delivery.h"
#include "mpegts/si/nit.h"
#include "mpegts/si/psip.h"
#include "mpegts/si/si_descriptors.h"

namespace headgate::mpegts {

struct NetworkStream {
  std::uint16_t transport_stream_id = 0;
  std::uint16_t original_network_id = 0;
  std::optional<Delivery> delivery;
  std::vector<ListedService> services;
  std::vector<ListedChannel> channels;
};
// A NIT or a BAT, its sections together.
struct NetworkTable {
  Nit::Kind kind = Nit::Kind::network;
  std::uint16_t id = 0;
  std::uint8_t version = 0;
  std::string name;
  std::vector<NetworkStream> streams;
  std::uint16_t sections = 0;          // that came
  std::uint16_t sections_missing = 0;  // that did not
};

struct ScheduledEvent {
  std::uint16_t event_id = 0;
  std::optional<std::int64_t> start_unix_s;
  std::optional<std::uint32_t> duration_s;
  std::uint8_t running_status = 0;  // EN 300 468 table 6
  bool free_ca_mode = false;
  std::string name;
  std::string language;  // of the name
};
// EIT present/following actual of a service; `present` empty where its section came without an event, or not.
struct PresentFollowing {
  std::uint16_t service_id = 0;
  std::optional<ScheduledEvent> present;
  std::optional<ScheduledEvent> following;
};
// Of tables that are counted only.
struct EventCount {
  std::uint64_t sections = 0;  // different ones
  std::uint64_t services = 0;
  std::uint64_t events = 0;
  std::optional<std::int64_t> until_unix_s;  // when the last one ends
};

// TDT, TOT or STT: the latest.
struct BroadcastTime {
  std::string table;
  std::int64_t unix_s = 0;                 // UTC, as the stream says
  std::optional<std::int64_t> arrival_ns;  // when it came, by the analyzer's arrivals; none of a file
};

struct CaSystem {
  std::uint16_t system_id = 0;
  std::string name;  // "" where not known
  Pid pid;           // of its ECMs or EMMs
  bool operator==(const CaSystem&) const = default;
};

struct SiReport {
  std::vector<NetworkTable> networks;  // this one first
  std::vector<NetworkTable> bouquets;
  std::uint64_t other_streams = 0;       // of SDT other: transport streams
  std::uint64_t other_services = 0;      // and their services
  std::vector<PresentFollowing> events;  // in order of service_id
  EventCount schedule, other_present_following, other_schedule;
  std::optional<BroadcastTime> time;
  std::vector<LocalTimeOffset> offsets;  // of the latest TOT
  std::vector<CaSystem> emm;             // of the CAT
  std::vector<VirtualChannel> virtual_channels;
  std::vector<MgtTable> mgt;
  std::uint64_t damaged = 0;  // sections with a right CRC whose form is wrong
  std::uint64_t beyond = 0;   // sections that came when as many as are kept were there
};

}  // namespace headgate::mpegts

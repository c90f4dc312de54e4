#include "control/cli/report_si.h"

#include <fmt/core.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <ctime>

#include "control/cli/columns.h"
#include "control/protocol/counted.h"

namespace headgate::control {
namespace {

using nlohmann::json;
using protocol::counted;

template <class Value>
json or_null(const std::optional<Value>& value) {
  return value ? json(*value) : json();
}

std::string at_utc(std::int64_t unix_s, const char* format) {
  const auto seconds = static_cast<std::time_t>(unix_s);
  std::tm parts{};
  std::array<char, 32> text{};
  ::gmtime_r(&seconds, &parts);
  std::strftime(text.data(), text.size(), format, &parts);
  return text.data();
}

// A name may hold line feeds (EN 300 468 A.1): a page has one line for it.
std::string on_a_line(std::string text) {
  for (char& letter : text) {
    if (static_cast<unsigned char>(letter) < 0x20) letter = ' ';
  }
  return text;
}

const char* kind_of(mpegts::Nit::Kind kind) {
  return kind == mpegts::Nit::Kind::bouquet   ? "bouquet"
         : kind == mpegts::Nit::Kind::network ? "actual"
                                              : "other";
}

json delivery_of(const std::optional<mpegts::Delivery>& delivery) {
  if (!delivery) return nullptr;
  const auto text = [](const std::string& value) { return value.empty() ? json() : json(value); };
  const auto number = [](std::uint64_t value) { return value == 0 ? json() : json(value); };
  return {{"system", delivery->system},
          {"frequency_hz", number(delivery->frequency_hz)},
          {"modulation", text(delivery->modulation)},
          {"symbol_rate", number(delivery->symbol_rate)},
          {"fec", text(delivery->fec)},
          {"fec_low", text(delivery->fec_low)},
          {"orbital_position", or_null(delivery->orbital_position)},
          {"polarization", text(delivery->polarization)},
          {"roll_off", text(delivery->roll_off)},
          {"bandwidth_hz", number(delivery->bandwidth_hz)},
          {"guard_interval", text(delivery->guard_interval)},
          {"transmission_mode", text(delivery->transmission_mode)}};
}

json networks_json(const std::vector<mpegts::NetworkTable>& tables) {
  json result = json::array();
  for (const mpegts::NetworkTable& table : tables) {
    json streams = json::array();
    for (const mpegts::NetworkStream& stream : table.streams) {
      json services = json::array(), channels = json::array();
      for (const mpegts::ListedService& service : stream.services)
        services.push_back({{"service_id", service.service_id}, {"service_type", service.service_type}});
      for (const mpegts::ListedChannel& channel : stream.channels)
        channels.push_back({{"service_id", channel.service_id},
                            {"number", channel.number},
                            {"visible", channel.visible},
                            {"form", mpegts::to_string(channel.form)},
                            {"channel_list", channel.channel_list}});
      streams.push_back({{"transport_stream_id", stream.transport_stream_id},
                         {"original_network_id", stream.original_network_id},
                         {"delivery", delivery_of(stream.delivery)},
                         {"services", services},
                         {"channels", channels}});
    }
    result.push_back({{"kind", kind_of(table.kind)},
                      {"id", table.id},
                      {"name", table.name},
                      {"version", table.version},
                      {"sections", table.sections},
                      {"sections_missing", table.sections_missing},
                      {"streams", streams}});
  }
  return result;
}

json event_json(const std::optional<mpegts::ScheduledEvent>& event) {
  if (!event) return nullptr;
  return {{"event_id", event->event_id},
          {"start_unix", or_null(event->start_unix_s)},
          {"duration_s", or_null(event->duration_s)},
          {"running_status", event->running_status},
          {"free_ca_mode", event->free_ca_mode},
          {"name", event->name},
          {"language", event->language}};
}

json count_json(const mpegts::EventCount& count) {
  return {{"sections", count.sections},
          {"services", count.services},
          {"events", count.events},
          {"until_unix", or_null(count.until_unix_s)}};
}

// How far the stream's clock is ahead of when it came.
std::optional<double> clock_ahead(const mpegts::BroadcastTime& time) {
  if (!time.arrival_ns) return std::nullopt;
  return static_cast<double>(time.unix_s) - static_cast<double>(*time.arrival_ns) / 1e9;
}

std::string delivery_words(const mpegts::Delivery& delivery) {
  std::string text = delivery.system;
  const auto add = [&](const std::string& word) {
    if (!word.empty()) text += " " + word;
  };
  if (delivery.orbital_position)
    add(fmt::format("{:.1f}°{}", std::abs(*delivery.orbital_position),
                    *delivery.orbital_position < 0 ? "W" : "E"));
  if (delivery.frequency_hz != 0)
    add(fmt::format("{:g} MHz", static_cast<double>(delivery.frequency_hz) / 1e6));
  add(delivery.polarization);
  add(delivery.modulation);
  if (delivery.symbol_rate != 0) add(fmt::format("{:g} MBd", delivery.symbol_rate / 1e6));
  if (delivery.bandwidth_hz != 0) add(fmt::format("{:g} MHz wide", delivery.bandwidth_hz / 1e6));
  if (!delivery.fec.empty()) add("FEC " + delivery.fec);
  if (!delivery.guard_interval.empty()) add("guard " + delivery.guard_interval);
  add(delivery.transmission_mode);
  return text;
}

// One that lists many streams: the others are in JSON.
constexpr std::size_t kMostStreams = 12;

std::string network_text(const mpegts::NetworkTable& table) {
  const bool bouquet = table.kind == mpegts::Nit::Kind::bouquet;
  std::string line = fmt::format("{}{}, version {}, {}", table.name.empty() ? "-" : on_a_line(table.name),
                                 table.kind == mpegts::Nit::Kind::other_network ? " (other)" : "",
                                 table.version, counted(table.streams.size(), "transport stream"));
  if (table.sections_missing != 0)
    line += fmt::format("; {} never came", counted(table.sections_missing, "section"));
  std::string text = wrapped(fmt::format("{} {}  ", bouquet ? "Bouquet" : "Network", table.id), line, 2);
  std::size_t shown = 0;
  for (const mpegts::NetworkStream& stream : table.streams) {
    if (bouquet || shown++ == kMostStreams) break;
    std::string about =
        fmt::format("stream {} of {}", stream.transport_stream_id, stream.original_network_id);
    if (stream.delivery) about += ": " + delivery_words(*stream.delivery);
    if (!stream.services.empty()) about += fmt::format("; {}", counted(stream.services.size(), "service"));
    if (!stream.channels.empty()) about += fmt::format("; {}", counted(stream.channels.size(), "LCN"));
    text += wrapped("  ", about, 4);
  }
  if (!bouquet && table.streams.size() > kMostStreams)
    text += fmt::format("  and {} more: --json\n", table.streams.size() - kMostStreams);
  return text;
}

std::string event_words(const mpegts::ScheduledEvent& event) {
  std::string text = event.start_unix_s ? at_utc(*event.start_unix_s, "%m-%d %H:%MZ") : "no time";
  if (event.duration_s)
    text += fmt::format(" +{}:{:02}", *event.duration_s / 3600, *event.duration_s / 60 % 60);
  text += " " + (event.name.empty() ? "-" : on_a_line(event.name));
  return event.language.empty() ? text : text + " (" + on_a_line(event.language) + ")";
}

std::string events_text(const mpegts::SiReport& si) {
  std::string text;
  for (const mpegts::PresentFollowing& of : si.events)
    text += wrapped(fmt::format("Now     {}  ", of.service_id),
                    (of.present ? event_words(*of.present) : std::string("no event")) +
                        (of.following ? "; then " + event_words(*of.following) : ""),
                    8);
  const auto counts = [&](const char* what, const mpegts::EventCount& count) {
    if (count.sections == 0) return;
    std::string line = fmt::format("{} of {}, {}", counted(count.events, "event"),
                                   counted(count.services, "service"), counted(count.sections, "section"));
    if (count.until_unix_s) line += ", until " + at_utc(*count.until_unix_s, "%Y-%m-%d %H:%M UTC");
    text += fmt::format("{}{}\n", what, line);
  };
  counts("EIT schedule        ", si.schedule);
  counts("EIT p/f other       ", si.other_present_following);
  counts("EIT schedule other  ", si.other_schedule);
  return text;
}

std::string time_text(const mpegts::SiReport& si) {
  if (!si.time) return "";
  std::string line =
      fmt::format("{} by {}", at_utc(si.time->unix_s, "%Y-%m-%d %H:%M:%S UTC"), si.time->table);
  if (const auto ahead = clock_ahead(*si.time))
    line += fmt::format(", {:.1f} s {} this machine's clock", std::abs(*ahead),
                        *ahead < 0 ? "behind" : "ahead of");
  for (const mpegts::LocalTimeOffset& offset : si.offsets)
    line += fmt::format("; {} {}{}:{:02}", on_a_line({offset.country.begin(), offset.country.end()}),
                        offset.offset_s < 0 ? "-" : "+", std::abs(offset.offset_s) / 3600,
                        std::abs(offset.offset_s) / 60 % 60);
  return wrapped("Time    ", line, 8);
}

}  // namespace

json ca_json(const std::vector<mpegts::CaSystem>& systems) {
  json result = json::array();
  for (const mpegts::CaSystem& system : systems)
    result.push_back({{"ca_system_id", system.system_id},
                      {"name", system.name.empty() ? json() : json(system.name)},
                      {"pid", system.pid.value}});
  return result;
}

std::string ca_text(const std::vector<mpegts::CaSystem>& systems) {
  std::string text;
  for (const mpegts::CaSystem& system : systems)
    text += fmt::format("{}{}{}0x{:04x} (PID 0x{:04x})", text.empty() ? "" : ", ", system.name,
                        system.name.empty() ? "" : " ", system.system_id, system.pid.value);
  return text;
}

json si_json(const mpegts::StreamReport& report) {
  const mpegts::SiReport& si = report.si;
  json events = json::array(), offsets = json::array(), virtual_channels = json::array(), mgt = json::array();
  for (const mpegts::PresentFollowing& of : si.events)
    events.push_back({{"service_id", of.service_id},
                      {"present", event_json(of.present)},
                      {"following", event_json(of.following)}});
  for (const mpegts::LocalTimeOffset& offset : si.offsets)
    offsets.push_back({{"country", on_a_line({offset.country.begin(), offset.country.end()})},
                       {"region", offset.region},
                       {"offset_s", offset.offset_s},
                       {"change_unix", or_null(offset.change_unix_s)},
                       {"next_offset_s", offset.next_offset_s}});
  for (const mpegts::VirtualChannel& channel : si.virtual_channels)
    virtual_channels.push_back({{"major", channel.major},
                                {"minor", channel.minor},
                                {"short_name", channel.short_name},
                                {"transport_stream_id", channel.transport_stream_id},
                                {"program_number", channel.program_number},
                                {"service_type", channel.service_type},
                                {"source_id", channel.source_id},
                                {"hidden", channel.hidden},
                                {"access_controlled", channel.access_controlled}});
  for (const mpegts::MgtTable& table : si.mgt)
    mgt.push_back(
        {{"type", table.type}, {"pid", table.pid.value}, {"version", table.version}, {"bytes", table.bytes}});
  json time = nullptr;
  if (si.time)
    time = {
        {"table", si.time->table}, {"unix", si.time->unix_s}, {"ahead_s", or_null(clock_ahead(*si.time))}};
  return {{"networks", networks_json(si.networks)},
          {"bouquets", networks_json(si.bouquets)},
          {"other_streams", si.other_streams},
          {"other_services", si.other_services},
          {"events", events},
          {"schedule", count_json(si.schedule)},
          {"other_present_following", count_json(si.other_present_following)},
          {"other_schedule", count_json(si.other_schedule)},
          {"time", time},
          {"local_time_offsets", offsets},
          {"emm", ca_json(si.emm)},
          {"virtual_channels", virtual_channels},
          {"mgt", mgt},
          {"damaged", si.damaged},
          {"beyond", si.beyond}};
}

std::string si_text(const mpegts::StreamReport& report) {
  const mpegts::SiReport& si = report.si;
  std::string text;
  for (const mpegts::NetworkTable& table : si.networks) text += network_text(table);
  for (const mpegts::NetworkTable& table : si.bouquets) text += network_text(table);
  if (si.other_streams != 0)
    text += fmt::format("SDT other: {} of {}\n", counted(si.other_services, "service"),
                        counted(si.other_streams, "other transport stream"));
  for (const mpegts::VirtualChannel& channel : si.virtual_channels)
    text +=
        fmt::format("Virtual channel {}.{}  {}, program {}{}\n", channel.major, channel.minor,
                    on_a_line(channel.short_name), channel.program_number, channel.hidden ? ", hidden" : "");
  text += events_text(si) + time_text(si);
  if (!si.emm.empty()) text += wrapped("EMM     ", ca_text(si.emm), 8);
  if (si.damaged != 0) text += fmt::format("! {} whose form is wrong\n", counted(si.damaged, "section"));
  if (si.beyond != 0) text += fmt::format("! {} beyond what is kept\n", counted(si.beyond, "section"));
  return text;
}

}  // namespace headgate::control

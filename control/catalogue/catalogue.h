// Every alarm and every event that the gateway can tell of: what it is called, how grave it is, what it means
// and what to do about it. A new one is a line in alarm_table.h or event_table.h: the CLI, the API, the
// metrics and the tables of docs/operations.md (#alarm-ID, #event-ID) are made of it. What is discarded has
// its own tables in control/protocol/drop_reason.h and bridge_drops.h, as the processes that count need them;
// the families of metrics are in metric_table.h.
//
// Severity: critical: viewers of a channel have nothing or will soon; warning: quality or safety is lost;
// info: told, nothing to do. Threading: constants.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace headgate::catalogue {

enum class Severity : std::uint8_t { info, warning, critical };
std::string_view to_string(Severity severity) noexcept;

// What the subject of an alarm names.
enum class Scope : std::uint8_t {
  gateway,    // ""
  process,    // "bridge"
  interface,  // "cap0"
  network,    // "cap0 vlan 120"
  channel,    // "news"
  input,      // "news input 2"
  output,     // "news rtmp://live.example.com/app"
  track,      // "news pid 0x0101"
  job,        // "sound.news", of the transcode process
};
std::string_view to_string(Scope scope) noexcept;
// The channel that a subject names; "" where it names none.
std::string_view channel_of(Scope scope, std::string_view subject) noexcept;

// Whose fault it is, in the words of `why`.
enum class Culprit : std::uint8_t {
  none,     // nothing is wrong
  source,   // what sends to us: encoder site, multiplexer, origin server
  network,  // between the source and our port: link, switch, querier, route
  nic,      // our port: driver, queue, errors of the line
  host,     // this machine: CPU, memory, disk, clock
  map,      // what the files say
  encoder,  // who publishes to us
  target,   // where a push goes
  player,   // who plays
  gateway,  // a fault of Headgate itself
  unknown,  // nothing that was seen separates them
};
std::string_view to_string(Culprit culprit) noexcept;

struct AlarmKind {
  std::string_view id;  // `kind` in JSON, label `kind` of headgate_alarm
  Severity severity = Severity::warning;
  Scope scope = Scope::gateway;
  Culprit culprit = Culprit::none;  // where the diagnosis knows no better
  std::string_view sentence;        // what it means; the alarm's message has the particulars
  std::string_view remedy;
  // Hysteresis: true for so long before it is an alarm, and untrue for so long before it is over. The time
  // shown as its beginning and end is that of the condition.
  std::chrono::milliseconds raise_after{0};
  std::chrono::milliseconds clear_after{0};
};

struct EventKind {
  std::string_view id;
  std::string_view severities;  // "info", "warning, critical"
  Scope scope = Scope::gateway;
  std::string_view sentence;
  std::string_view remedy;  // "-": nothing to do
};

std::span<const AlarmKind> alarm_kinds() noexcept;
// Null for an unknown id.
const AlarmKind* find_alarm_kind(std::string_view id) noexcept;
// The remedy with the channel's id for the word CHANNEL, so that it can be typed as it stands; "": not known.
std::string remedy_for(const AlarmKind& kind, std::string_view channel);
// Every alarm is told as an event of its own id when it is raised, and as "alarm_over" at its end; these are
// the others.
std::span<const EventKind> event_kinds() noexcept;
const EventKind* find_event_kind(std::string_view id) noexcept;
// What a line of the event log means: of an alarm that was raised, or of an event. "" for an unknown id.
std::string_view sentence_of(std::string_view id, bool alarm) noexcept;

}  // namespace headgate::catalogue

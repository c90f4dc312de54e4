#include "control/catalogue/catalogue.h"

#include <algorithm>

#include "control/catalogue/alarm_table.h"
#include "control/catalogue/event_table.h"

namespace headgate::catalogue {
namespace {

template <typename Kind>
const Kind* find_kind(std::span<const Kind> kinds, std::string_view id) noexcept {
  const auto found =
      std::find_if(kinds.begin(), kinds.end(), [&](const Kind& kind) { return kind.id == id; });
  return found == kinds.end() ? nullptr : &*found;
}

// As the channel map has them; an address is none.
bool is_channel_id(std::string_view text) noexcept {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && plain(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return plain(c) || c == '_' || c == '-'; });
}

}  // namespace

std::string_view to_string(Severity severity) noexcept {
  switch (severity) {
    case Severity::info:
      return "info";
    case Severity::warning:
      return "warning";
    case Severity::critical:
      break;
  }
  return "critical";
}

std::string_view to_string(Scope scope) noexcept {
  constexpr std::string_view kNames[] = {"gateway", "process", "interface", "network", "channel",
                                         "input",   "output",  "track",     "job"};
  return kNames[static_cast<std::size_t>(scope)];
}

std::string_view to_string(Culprit culprit) noexcept {
  constexpr std::string_view kNames[] = {"none",    "source", "network", "nic",     "host",   "map",
                                         "encoder", "target", "player",  "gateway", "unknown"};
  return kNames[static_cast<std::size_t>(culprit)];
}

std::string_view channel_of(Scope scope, std::string_view subject) noexcept {
  std::string_view id;
  switch (scope) {
    case Scope::channel:
    case Scope::input:
    case Scope::output:
    case Scope::track:
      id = subject.substr(0, subject.find(' '));
      break;
    case Scope::job: {
      const auto kind = subject.find('.');
      if (kind != std::string_view::npos) id = subject.substr(kind + 1);
      id = id.substr(0, id.find('.'));
      break;
    }
    default:
      break;
  }
  return is_channel_id(id) ? id : std::string_view();
}

std::span<const AlarmKind> alarm_kinds() noexcept { return kAlarmTable; }
std::span<const EventKind> event_kinds() noexcept { return kEventTable; }

const AlarmKind* find_alarm_kind(std::string_view id) noexcept { return find_kind(alarm_kinds(), id); }
std::string remedy_for(const AlarmKind& kind, std::string_view channel) {
  constexpr std::string_view kWord = "CHANNEL";
  std::string text(kind.remedy);
  if (channel.empty()) return text;
  for (auto at = text.find(kWord); at != std::string::npos; at = text.find(kWord, at + channel.size()))
    text.replace(at, kWord.size(), channel);
  return text;
}
const EventKind* find_event_kind(std::string_view id) noexcept { return find_kind(event_kinds(), id); }

std::string_view sentence_of(std::string_view id, bool alarm) noexcept {
  const AlarmKind* raised = find_alarm_kind(id);
  const EventKind* told = find_event_kind(id);
  // Some are both: `map_rejected` of a start and of an apply.
  if (raised != nullptr && (alarm || told == nullptr)) return raised->sentence;
  return told == nullptr ? std::string_view() : told->sentence;
}

}  // namespace headgate::catalogue

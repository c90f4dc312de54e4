// The name of an alarm or an event, which the catalogue has: any other does not compile. Threading:
// constants.
#pragma once

#include "control/catalogue/alarm_table.h"
#include "control/catalogue/event_table.h"

namespace headgate::catalogue {

class AlarmId {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): so that the name itself can be written
  consteval AlarmId(const char* name) : name_(name) {
    for (const AlarmKind& kind : kAlarmTable) {
      if (kind.id == name_) return;
    }
    throw "the catalogue has no such alarm";
  }
  constexpr std::string_view name() const noexcept { return name_; }

 private:
  std::string_view name_;
};

class EventId {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): as above
  consteval EventId(const char* name) : name_(name) {
    for (const EventKind& kind : kEventTable) {
      if (kind.id == name_) return;
    }
    throw "the catalogue has no such event";
  }
  constexpr std::string_view name() const noexcept { return name_; }

 private:
  std::string_view name_;
};

}  // namespace headgate::catalogue

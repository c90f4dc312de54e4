// What happened: state changes, deaths and restarts, applies. The last kKeep in memory, all in
// data_dir/events.jsonl, which becomes events.jsonl.1 when it is kMaxFile long. Severity: info | warning |
// critical. Threading: one owner.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

namespace headgate::control {

struct Event {
  std::uint64_t id = 0;  // rises by one
  std::int64_t unix_ns = 0;
  std::string severity = "info";
  std::string kind;     // of the catalogue: an event's, or that of the alarm that was raised
  std::string subject;  // channel, process or interface; "" without
  std::string message;
  std::string channel = {};  // that it is about; "" for none
  std::uint64_t alarm = 0;   // id of the alarm that was raised, acknowledged or is over; 0: none
  bool operator==(const Event&) const = default;
};

std::string event_to_json(const Event& event);

class EventLog {
 public:
  static constexpr std::size_t kKeep = 1000;
  static constexpr std::uint64_t kMaxFile = 8 * 1024 * 1024;
  using Listener = std::function<void(const Event&)>;

  // "" keeps nothing on disk. Reads the last events back, so that ids go on and `events` shows what was
  // before a restart.
  explicit EventLog(const std::string& data_dir);
  void add(Event event);
  void on_event(Listener listener) { listener_ = std::move(listener); }
  const std::deque<Event>& recent() const noexcept { return recent_; }
  // The highest that recent() names.
  std::uint64_t last_alarm() const noexcept;

 private:
  void read_back();
  void append(const Event& event);
  std::string path_;
  std::uint64_t next_id_ = 1;
  std::uint64_t file_size_ = 0;
  std::deque<Event> recent_;
  Listener listener_;
};

}  // namespace headgate::control

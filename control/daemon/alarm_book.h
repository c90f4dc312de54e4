// The alarms of the gateway: out of the conditions that are seen, with the hysteresis of their kind
// (control/catalogue), acknowledgement, maintenance and root causes. Survives a restart of control by
// to_json() and restore(), kept in data_dir/alarms.json. Threading: one owner. Pure: time is told.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "control/catalogue/catalogue.h"

namespace headgate::control {

struct Acknowledgement {
  std::string who;
  std::int64_t unix_ns = 0;
};

struct Alarm {
  std::uint64_t id = 0;  // never given twice; what `headgate alarms ack ID` takes
  std::string kind;      // of the catalogue
  // Of its kind, or of the gravest that it explains.
  catalogue::Severity severity = catalogue::Severity::warning;
  std::string subject;  // see catalogue::Scope
  std::string channel;  // the channel that it is about; "" for none
  std::string message;  // particulars; may change while the alarm stands
  std::int64_t since_unix_ns = 0;
  std::int64_t over_since_unix_ns =
      0;  // its condition is gone, and it waits whether that stays; 0: it stands
  std::optional<Acknowledgement> acknowledged;
  bool maintenance = false;        // its channel is being worked on: shown, not counted, not delivered
  std::uint64_t cause = 0;         // id of the alarm that explains this one; 0: it stands for itself
  std::uint32_t consequences = 0;  // alarms that this one explains
};

// Of a channel, or of all channels with a tag.
struct MaintenanceWindow {
  std::uint64_t id = 0;
  std::string target;  // channel id or tag
  std::string who;
  std::int64_t from_unix_ns = 0, until_unix_ns = 0;
};

class AlarmBook {
 public:
  struct Change {
    enum class What : std::uint8_t { raised, over, acknowledged, cause_changed } what;
    Alarm alarm;
    std::int64_t at_unix_ns = 0;  // of an alarm that is over: when its condition ended
  };
  // A channel's id and tags; empty for an unknown one.
  using TagsOf = std::function<std::vector<std::string>(const std::string& channel)>;
  // The alarm (kind, subject) of `all` that explains the given one; nothing where it stands for itself.
  using CauseOf = std::function<std::optional<std::pair<std::string, std::string>>(
      const Alarm& alarm, const std::vector<Alarm>& all)>;

  // What was restored and is not seen again for so long is over: who raised it is gone.
  static constexpr std::chrono::seconds kConfirmed{15};
  // What an alarm explained is not blamed on itself for so long after its end: it needs time to recover.
  static constexpr std::chrono::seconds kRecovery{30};

  // What is true now of one kind and subject. A kind that the catalogue lacks is ignored. `since`: when it
  // began, where the observer knows better than its look (0: now).
  void set(bool active, std::string_view kind, const std::string& subject, const std::string& message,
           std::int64_t now_unix_ns, std::int64_t since_unix_ns = 0);
  // What is true now of a kind, by subject: all others of that kind are not.
  void set_all(std::string_view kind, const std::map<std::string, std::string>& active,
               std::int64_t now_unix_ns);
  // Raises and ends what has stood or been gone for long enough, and groups by causes. In order of time. An
  // alarm that comes to explain a graver one than before is raised once more: who acknowledged it did not
  // know of that.
  std::vector<Change> settle(std::int64_t now_unix_ns, const TagsOf& tags, const CauseOf& cause);

  // Worst first: critical before warning, roots before what they explain, newest first.
  std::vector<Alarm> active() const;
  // False for an unknown id.
  bool acknowledge(std::uint64_t id, const std::string& who, std::int64_t now_unix_ns);
  std::size_t acknowledge_all(const std::string& who, std::int64_t now_unix_ns);

  const MaintenanceWindow& maintain(const std::string& target, std::chrono::seconds duration,
                                    const std::string& who, std::int64_t now_unix_ns);
  bool end_maintenance(const std::string& target);
  const std::vector<MaintenanceWindow>& maintenance() const noexcept { return windows_; }
  bool in_maintenance(const std::string& channel, const std::vector<std::string>& tags,
                      std::int64_t now_unix_ns) const;

  // Rises when to_json() does, but for messages.
  std::uint64_t changes() const noexcept { return changes_; }
  // Times moved by so much: what is kept goes by the clock on the wall.
  nlohmann::json to_json(std::int64_t by_ns = 0) const;
  // Before the first set(). What is damaged is left out.
  void restore(const nlohmann::json& from);
  // Ids up to this one were given by others before.
  void ids_after(std::uint64_t id) noexcept;

 private:
  struct Entry {
    Alarm alarm;  // id 0: not raised yet
    bool condition = false;
    std::int64_t turned_unix_ns = 0;  // when `condition` became what it is
    bool confirmed = true;            // seen since restore()
  };
  using Key = std::pair<std::string, std::string>;  // kind, subject
  void turn_back(std::int64_t now_unix_ns);
  void raise_and_end(std::int64_t now_unix_ns, std::vector<Change>& changes);
  void end_windows(std::int64_t now_unix_ns);
  void group(const CauseOf& cause, std::int64_t now_unix_ns, std::vector<Change>& changes);
  void weigh(std::int64_t now_unix_ns, std::vector<Change>& changes);

  std::map<Key, Entry> entries_;
  std::map<std::uint64_t, std::int64_t> ended_;  // of late: id, when
  std::vector<Change> acknowledged_;             // since the last settle()
  std::vector<MaintenanceWindow> windows_;
  std::uint64_t next_id_ = 1;
  std::uint64_t next_window_ = 1;
  std::uint64_t changes_ = 0;
  std::int64_t restored_unix_ns_ = 0;  // 0: nothing, or not settled since
  std::int64_t settled_unix_ns_ = 0;
  std::int64_t grouped_unix_ns_ = 0;
};

}  // namespace headgate::control

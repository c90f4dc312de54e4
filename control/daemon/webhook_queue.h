// What is to be told to alarms.webhook: of the alarms that stand, those that stand for themselves and are not
// in maintenance, when they are raised, acknowledged and over, each after its own former one. What an alarm
// explains goes with it, which is why a new one waits for kSettle. Delivered at least once: what waits is
// kept over a restart by to_json() and restore(). Threading: one owner. Pure: time is told.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "control/daemon/alarm_book.h"

namespace headgate::control {

// For status and metrics.
struct WebhookView {
  std::uint64_t delivered = 0, failed = 0, dropped = 0, waiting = 0;
  std::string error;  // of the last try; "" where it went well
};

class WebhookQueue {
 public:
  static constexpr std::size_t kMost = 1000;  // that wait; the oldest is dropped
  static constexpr std::size_t kMostConsequences = 100;
  static constexpr std::chrono::seconds kSettle{2};
  static constexpr std::chrono::seconds kFirstPause{1}, kLongestPause{60};  // doubled after each failure
  static constexpr std::chrono::hours kKept{24};

  struct Delivery {
    std::uint64_t id = 0;  // rises; never given twice
    std::int64_t made_unix_ns = 0;
    std::string body;
  };

  void update(const std::vector<Alarm>& active, const std::string& node, std::int64_t now_unix_ns);
  // The first in line if its time has come, else null. Valid until the next call.
  const Delivery* next(std::int64_t now_unix_ns);
  // What became of it; "": delivered.
  void done(const std::string& error, std::int64_t now_unix_ns);
  // Nobody is to be told any more.
  void clear();

  const WebhookView& view() const noexcept { return view_; }
  std::uint64_t changes() const noexcept { return changes_; }  // rises when to_json() does
  nlohmann::json to_json() const;
  void restore(const nlohmann::json& from);  // what is damaged is left out

 private:
  void push(const char* change, const Alarm& alarm, const std::vector<Alarm>& active, const std::string& node,
            std::int64_t now_unix_ns);
  void drop_first();

  struct Told {
    nlohmann::json alarm;  // as it was last
    bool acknowledged = false;
  };
  std::map<std::uint64_t, std::int64_t> seen_;  // since when an alarm is one to be told
  std::map<std::uint64_t, Told> told_;
  std::deque<Delivery> waiting_;
  std::uint64_t next_id_ = 1, trying_ = 0;
  std::int64_t not_before_ = 0;
  std::chrono::nanoseconds pause_ = kFirstPause;
  std::uint64_t changes_ = 0;
  WebhookView view_;
};

}  // namespace headgate::control

// What this machine is like, for the alarms host_overload, disk_full and clock_stepped, and for diagnose():
// pressure on the CPU, the share of time for which our own processes waited for one, memory, room on the
// disks of run_dir and data_dir, steps of the system's clock. read_host() looks (proc(5), statvfs, adjtimex);
// HostWatch judges and is pure. Threading: one owner; read_host() blocks for well under a millisecond.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace headgate::control {

struct HostReading {
  std::optional<double> cpu_pressure;  // percent of time in which some task waited, over 10 s (PSI)
  double load = 0;                     // over a minute
  unsigned cpus = 0;
  std::uint64_t memory_total = 0, memory_available = 0;  // bytes; 0: not known
  struct Disk {
    std::string name;  // "data_dir"
    std::string path;
    std::uint64_t total = 0, available = 0;  // bytes
  };
  std::vector<Disk> disks;
  std::int64_t realtime_ns = 0, boottime_ns = 0;
  std::optional<bool> clock_synchronised;  // by NTP or the like
  struct Process {
    std::string name;
    int pid = 0;
    std::uint64_t waited_ns = 0;  // for a CPU, by the thread of it that waited longest
  };
  std::vector<Process> processes;
};

// By name and directory; by name and pid (0: does not run).
HostReading read_host(const std::vector<std::pair<std::string, std::string>>& directories,
                      const std::vector<std::pair<std::string, int>>& processes);

// What is an alarm.
struct HostCondition {
  std::string kind;     // host_overload | disk_full | clock_stepped
  std::string subject;  // "", of disk_full the directory's name
  std::string message;
  std::int64_t since_unix_ns = 0;
};

struct HostView {
  bool known = false;
  HostReading reading;
  std::map<std::string, double> starved;  // by process: share of the last 10 s that it waited for a CPU
  bool cpu_short = false;                 // so that it harms them
  std::int64_t step_ns = 0;               // the last step of the clock
  std::int64_t stepped_ago_ns = 0;        // 0: none was seen
  std::vector<HostCondition> conditions;

  // Null where there is none of that kind.
  const HostCondition* find(const std::string& kind) const;
};

class HostWatch {
 public:
  static constexpr double kPressure = 40;  // percent; with kStarved
  static constexpr double kStarved = 0.1;
  static constexpr double kMemoryLow = 0.05;
  static constexpr double kDiskFull = 0.05;                    // room left
  static constexpr std::uint64_t kDiskEnough = 1'000'000'000;  // bytes; so much room is never too little
  static constexpr std::int64_t kStepNs = 500'000'000;         // smaller ones disturb nothing
  static constexpr std::int64_t kStepToldNs = 60'000'000'000;
  static constexpr std::int64_t kWindowNs = 10'000'000'000;

  // About once a second.
  void update(const HostReading& reading);
  const HostView& view() const noexcept { return view_; }

 private:
  struct Waits {
    std::int64_t at = 0;
    std::map<std::string, std::pair<int, std::uint64_t>> by_name;  // pid, waited
  };
  void judge_starvation(const HostReading& reading);
  void judge_load(const HostReading& reading);
  void judge_clock(const HostReading& reading);
  void condition(std::string kind, std::string subject, std::string message);

  std::deque<Waits> waits_;
  std::optional<std::int64_t> offset_ns_;  // of the clock against the time since boot
  std::int64_t stepped_at_ns_ = 0;         // time since boot
  std::map<std::pair<std::string, std::string>, std::int64_t> since_;
  HostView view_;
};

}  // namespace headgate::control

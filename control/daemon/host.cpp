#include "control/daemon/host.h"

#include <fmt/core.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "control/daemon/even_clock.h"

namespace headgate::control {
namespace {

std::int64_t time_by(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// The value behind `name` on a line of /proc/meminfo, in bytes.
std::uint64_t memory_line(const std::string& text, const std::string& name) {
  const auto at = text.find(name + ":");
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + name.size() + 1, nullptr, 10) * 1024;
}

std::string whole(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// "some avg10=1.23 avg60=…": Documentation/accounting/psi.rst.
std::optional<double> pressure_of(const std::string& text) {
  const auto at = text.find("some avg10=");
  if (at == std::string::npos) return std::nullopt;
  return std::strtod(text.c_str() + at + 11, nullptr);
}

// Time on a run queue, the second figure of schedstat, by the thread that waited longest.
std::uint64_t waited_of(int pid) {
  std::uint64_t longest = 0;
  std::error_code error;
  std::filesystem::directory_iterator tasks(fmt::format("/proc/{}/task", pid), error);
  for (const std::filesystem::directory_iterator end; !error && tasks != end; tasks.increment(error)) {
    std::istringstream text(whole(tasks->path().string() + "/schedstat"));
    std::uint64_t ran = 0, waited = 0;
    if (text >> ran >> waited) longest = std::max(longest, waited);
  }
  return longest;
}

std::string amount(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  return bytes >= 1'000'000'000 ? fmt::format("{:.1f} GB", value / 1e9)
                                : fmt::format("{:.0f} MB", value / 1e6);
}

}  // namespace

const HostCondition* HostView::find(const std::string& kind) const {
  const auto found = std::find_if(conditions.begin(), conditions.end(),
                                  [&](const auto& condition) { return condition.kind == kind; });
  return found == conditions.end() ? nullptr : &*found;
}

HostReading read_host(const std::vector<std::pair<std::string, std::string>>& directories,
                      const std::vector<std::pair<std::string, int>>& processes) {
  HostReading reading;
  reading.cpu_pressure = pressure_of(whole("/proc/pressure/cpu"));
  reading.load = std::strtod(whole("/proc/loadavg").c_str(), nullptr);
  reading.cpus = static_cast<unsigned>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  const std::string memory = whole("/proc/meminfo");
  reading.memory_total = memory_line(memory, "MemTotal");
  reading.memory_available = memory_line(memory, "MemAvailable");
  for (const auto& [name, path] : directories) {
    struct statvfs about {};
    if (::statvfs(path.c_str(), &about) != 0) continue;
    reading.disks.push_back({name, path, std::uint64_t{about.f_blocks} * about.f_frsize,
                             std::uint64_t{about.f_bavail} * about.f_frsize});
  }
  for (const auto& [name, pid] : processes) {
    if (pid > 0) reading.processes.push_back({name, pid, waited_of(pid)});
  }
  timex about{};
  if (const int state = ::adjtimex(&about); state >= 0) reading.clock_synchronised = state != TIME_ERROR;
  reading.boottime_ns = time_by(CLOCK_BOOTTIME);
  reading.realtime_ns = time_by(CLOCK_REALTIME);
  reading.now_unix_ns = unix_now_ns();
  return reading;
}

// Per process over the window: the share of the time in which its worst thread wanted a CPU and had none.
void HostWatch::judge_starvation(const HostReading& reading) {
  Waits now;
  now.at = reading.boottime_ns;
  for (const HostReading::Process& process : reading.processes)
    now.by_name[process.name] = {process.pid, process.waited_ns};
  view_.starved.clear();
  while (waits_.size() > 1 && now.at - waits_[1].at >= kWindowNs) waits_.pop_front();
  if (!waits_.empty() && now.at - waits_.front().at >= kWindowNs / 2) {
    const Waits& before = waits_.front();
    for (const auto& [name, is] : now.by_name) {
      const auto was = before.by_name.find(name);
      if (was == before.by_name.end() || was->second.first != is.first || was->second.second > is.second)
        continue;
      view_.starved[name] =
          static_cast<double>(is.second - was->second.second) / static_cast<double>(now.at - before.at);
    }
  }
  waits_.push_back(std::move(now));
}

void HostWatch::judge_clock(const HostReading& reading) {
  const std::int64_t offset = reading.realtime_ns - reading.boottime_ns;
  if (offset_ns_) {
    if (const std::int64_t step = offset - *offset_ns_; step > kStepNs || step < -kStepNs) {
      view_.step_ns = step;
      stepped_at_ns_ = reading.boottime_ns;
    }
  }
  offset_ns_ = offset;  // slewing turns it slowly
  view_.stepped_ago_ns =
      stepped_at_ns_ == 0 ? 0 : std::max<std::int64_t>(1, reading.boottime_ns - stepped_at_ns_);
}

void HostWatch::condition(std::string kind, std::string subject, std::string message) {
  view_.conditions.push_back({std::move(kind), std::move(subject), std::move(message), 0});
}

void HostWatch::judge_load(const HostReading& reading) {
  const auto worst = std::max_element(view_.starved.begin(), view_.starved.end(),
                                      [](const auto& a, const auto& b) { return a.second < b.second; });
  const bool pressed = !reading.cpu_pressure || *reading.cpu_pressure >= kPressure;
  view_.cpu_short = pressed && worst != view_.starved.end() && worst->second >= kStarved;
  std::string message;
  if (view_.cpu_short) {
    message = fmt::format("{} waited for a CPU {:.0f} % of the last 10 s", worst->first, worst->second * 100);
    if (reading.cpu_pressure) message += fmt::format(", CPU pressure {:.0f} %", *reading.cpu_pressure);
    message += fmt::format(", load {:.1f} on {} CPUs", reading.load, reading.cpus);
  }
  const bool known = reading.memory_total > 0;
  if (known &&
      static_cast<double>(reading.memory_available) < kMemoryLow * static_cast<double>(reading.memory_total))
    message += fmt::format("{}{} of {} memory left", message.empty() ? "" : "; ",
                           amount(reading.memory_available), amount(reading.memory_total));
  if (!message.empty()) condition("host_overload", "", std::move(message));
}

void HostWatch::update(const HostReading& reading) {
  view_.known = true;
  view_.reading = reading;
  judge_starvation(reading);
  judge_clock(reading);
  view_.conditions.clear();  // the gravest first
  for (const HostReading::Disk& disk : reading.disks) {
    if (disk.total == 0 || disk.available >= kDiskEnough ||
        static_cast<double>(disk.available) >= kDiskFull * static_cast<double>(disk.total))
      continue;
    condition("disk_full", disk.name,
              fmt::format("{} ({}) has {} of {} left", disk.name, disk.path, amount(disk.available),
                          amount(disk.total)));
  }
  judge_load(reading);
  if (view_.stepped_ago_ns > 0 && view_.stepped_ago_ns < kStepToldNs)
    condition("clock_stepped", "",
              fmt::format("the system's clock was set {} by {:.1f} s", view_.step_ns > 0 ? "ahead" : "back",
                          static_cast<double>(view_.step_ns > 0 ? view_.step_ns : -view_.step_ns) / 1e9));
  std::map<std::pair<std::string, std::string>, std::int64_t> since;
  for (HostCondition& about : view_.conditions) {
    const auto known = since_.find({about.kind, about.subject});
    const std::int64_t from = known == since_.end() ? reading.boottime_ns : known->second;
    since[{about.kind, about.subject}] = from;
    about.since_unix_ns = reading.now_unix_ns - (reading.boottime_ns - from);
  }
  since_ = std::move(since);
}

}  // namespace headgate::control

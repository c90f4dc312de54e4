// How long the calling thread was ready to run and had no CPU, by the kernel's sched-stats, and how long a
// hypervisor let the machine stand (steal time of all its CPUs): what a test that judges times takes from
// them, for that is the machine's doing. Nothing where the kernel keeps no such figures. Threading: of the
// calling thread.
#pragma once

#include <unistd.h>

#include <chrono>
#include <fstream>
#include <string>

namespace headgate::test {

inline std::chrono::nanoseconds stolen_from_machine() {
  std::ifstream figures("/proc/stat");
  std::string name;
  std::int64_t ticks[8] = {};  // user, nice, system, idle, iowait, irq, softirq, steal
  figures >> name;
  for (auto& value : ticks) figures >> value;
  return std::chrono::nanoseconds(figures ? ticks[7] * 1'000'000'000 / ::sysconf(_SC_CLK_TCK) : 0);
}

inline std::chrono::nanoseconds waited_for_cpu() {
  std::ifstream figures("/proc/thread-self/schedstat");
  std::int64_t ran = 0;
  std::int64_t waited = 0;
  figures >> ran >> waited;
  return std::chrono::nanoseconds(figures ? waited : 0) + stolen_from_machine();
}

}  // namespace headgate::test

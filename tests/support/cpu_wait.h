// How long the calling thread was ready to run and had no CPU, by the kernel's sched-stats: what a test that
// judges times takes from them, for that is the machine's doing. Nothing where the kernel keeps no such
// figures. Threading: of the calling thread.
#pragma once

#include <chrono>
#include <fstream>

namespace headgate::test {

inline std::chrono::nanoseconds waited_for_cpu() {
  std::ifstream figures("/proc/thread-self/schedstat");
  std::int64_t ran = 0;
  std::int64_t waited = 0;
  figures >> ran >> waited;
  return std::chrono::nanoseconds(figures ? waited : 0);
}

}  // namespace headgate::test

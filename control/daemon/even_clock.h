// Unix time for whatever is judged by ages: it goes on evenly when the system's clock is set, by an operator
// or by NTP at the boot, so that nothing seems to have been silent for an hour, or will be good for another
// one. People are shown the system's own. Threading: thread-safe.
#pragma once

#include <cstdint>

namespace headgate::control {

// CLOCK_MONOTONIC and this are the Unix time that a process goes by: that of its start.
std::int64_t clock_base_ns();
// Without the steps since this process was started.
std::int64_t unix_now_ns();
// The system's clock as it is now.
std::int64_t wall_now_ns();
// What lies between the two; 0 where that is less than what slewing makes.
std::int64_t clock_steps_ns();

}  // namespace headgate::control

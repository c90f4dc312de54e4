// The process's log: lines on standard error, as text or as JSON. Threading: set_up_log() once; spdlog is
// thread-safe.
#pragma once

#include <string>

namespace headgate::fastpath {

void set_up_log(const std::string& level, const std::string& format);
// A line of DPDK's (rte_log levels: 1 emergency … 8 debug).
void log_dpdk(int level, const std::string& line);

}  // namespace headgate::fastpath

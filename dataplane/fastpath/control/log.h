// What DPDK logs, as lines of ours. Threading: thread-safe.
#pragma once

#include <string>

namespace headgate::fastpath {

// A line of DPDK's (rte_log levels: 1 emergency … 8 debug).
void log_dpdk(int level, const std::string& line);

}  // namespace headgate::fastpath

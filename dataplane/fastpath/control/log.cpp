#include "dataplane/fastpath/control/log.h"

#include "control/log/log.h"

namespace headgate::fastpath {

void log_dpdk(int level, const std::string& line) {
  if (level <= 4) {
    log::error({"", "dpdk"}, "DPDK: {}", line);
  } else if (level == 5) {
    log::warning({"", "dpdk"}, "DPDK: {}", line);
  } else {
    log::line(log::Level::debug, {"", "dpdk"}, "DPDK: {}", line);
  }
}

}  // namespace headgate::fastpath

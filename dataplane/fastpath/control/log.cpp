#include "dataplane/fastpath/control/log.h"

#include <spdlog/spdlog.h>

namespace headgate::fastpath {

void log_dpdk(int level, const std::string& line) {
  if (level <= 4) {
    spdlog::error("DPDK: {}", line);
  } else if (level == 5) {
    spdlog::warn("DPDK: {}", line);
  } else {
    spdlog::debug("DPDK: {}", line);
  }
}

}  // namespace headgate::fastpath

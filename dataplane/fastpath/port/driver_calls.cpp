#include "dataplane/fastpath/port/driver_calls.h"

#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace {

bool vfio_needed = false;
constexpr int kKindMask = 0xF;  // of socket()'s second argument; the rest are flags

}  // namespace

// NOLINTBEGIN(bugprone-reserved-identifier): the linker makes these names
extern "C" {

// The linker's names for the calls as they were.
int __real_rte_vfio_enable(const char* module);
int __real_socket(int domain, int type, int protocol);
int __real_setsockopt(int fd, int level, int option, const void* value, socklen_t size);

int __wrap_rte_vfio_enable(const char* module) {
  const int result = __real_rte_vfio_enable(module);
  return result != 0 && !vfio_needed && !headgate::fastpath::sysfs_has_modules() ? 0 : result;
}

int __wrap_socket(int domain, int type, int protocol) {
  const bool frames = domain == AF_PACKET && (type & kKindMask) == SOCK_RAW;
  return __real_socket(domain, type, frames ? 0 : protocol);
}

int __wrap_setsockopt(int fd, int level, int option, const void* value, socklen_t size) {
  if (level == SOL_PACKET && option == PACKET_FANOUT) return 0;
  return __real_setsockopt(fd, level, option, value, size);
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)

namespace headgate::fastpath {

void set_vfio_needed(bool needed) noexcept { vfio_needed = needed; }

bool sysfs_has_modules() noexcept {
  struct stat info {};
  return ::stat("/sys/module", &info) == 0;
}

}  // namespace headgate::fastpath

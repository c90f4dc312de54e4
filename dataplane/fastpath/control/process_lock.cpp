#include "dataplane/fastpath/control/process_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace headgate::fastpath {

tl::expected<ProcessLock, ProcessLock::Failure> ProcessLock::take(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0)
    return tl::unexpected(Failure{false, fmt::format("can't open {}: {}", path, std::strerror(errno))});
  ProcessLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const bool held = errno == EWOULDBLOCK;
    return tl::unexpected(Failure{held, held ? fmt::format("another headgate-fastpath holds {}", path)
                                             : fmt::format("can't lock {}: {}", path, std::strerror(errno))});
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
    return tl::unexpected(Failure{false, fmt::format("can't write {}: {}", path, std::strerror(errno))});
  return lock;
}

ProcessLock::~ProcessLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace headgate::fastpath

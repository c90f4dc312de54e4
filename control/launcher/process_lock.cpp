#include "control/launcher/process_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "control/launcher/pidfd.h"

namespace headgate::control {
namespace {

pid_t read_pid(int fd) {
  char text[32];
  const ssize_t n = ::pread(fd, text, sizeof text, 0);
  pid_t pid = 0;
  if (n > 0) std::from_chars(text, text + n, pid);
  return pid > 0 ? pid : 0;
}

bool held(int fd) {
  if (::flock(fd, LOCK_SH | LOCK_NB) == 0) {
    ::flock(fd, LOCK_UN);
    return false;
  }
  return errno == EWOULDBLOCK;
}

}  // namespace

tl::expected<ProcessLock, std::string> ProcessLock::acquire(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return tl::unexpected("can't open " + path + ": " + std::strerror(errno));
  // Somebody who looks whether the lock is held holds it for a moment himself: try a few times before
  // believing it.
  for (int attempt = 0; ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0; ++attempt) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return tl::unexpected("can't lock " + path + ": " + std::strerror(errno));
    if (attempt >= 10)
      return tl::unexpected("already running, pid " + std::to_string(read_pid(fd.get())) + " (" + path + ")");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd.get(), 0) != 0 ||
      ::pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
    return tl::unexpected("can't write " + path + ": " + std::strerror(errno));
  return ProcessLock(std::move(fd));
}

std::optional<RunningProcess> find_running(const std::string& lock_path) {
  UniqueFd fd(::open(lock_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  const pid_t pid = read_pid(fd.get());
  // A dead pid is told without touching the lock, so that a process just starting never finds it taken.
  if (pid == 0 || (::kill(pid, 0) != 0 && errno == ESRCH)) return std::nullopt;
  RunningProcess running{pid, UniqueFd(::pidfd_open(pid, 0))};
  if (!running.pidfd || !held(fd.get()) || read_pid(fd.get()) != pid) return std::nullopt;
  return running;
}

std::optional<RunningProcess> find_listening(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  const auto connect = [&]() -> pid_t {
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ucred who{};
    socklen_t size = sizeof who;
    // The backlog of one that hangs may be full: it listens all the same, but there is no telling who it is.
    const bool there =
        fd && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0;
    return there ? who.pid : 0;
  };
  const pid_t pid = connect();
  if (pid <= 0) return std::nullopt;
  RunningProcess running{pid, UniqueFd(::pidfd_open(pid, 0))};
  if (!running.pidfd || connect() != pid) return std::nullopt;  // as for a lock: still the same one
  return running;
}

}  // namespace headgate::control

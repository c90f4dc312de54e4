#include "control/protocol/socket_path.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace headgate::protocol {

tl::expected<void, std::string> SocketPath::bind(int fd, mode_t mode) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path)
    return tl::unexpected("the path of a control socket is too long: " + path_ +
                          "; choose a shorter run_dir");
  std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
  ::unlink(path_.c_str());
  // By umask and not by chmod afterwards: the bridge's sandbox has no chmod.
  const mode_t before = ::umask(static_cast<mode_t>(~mode) & 0777U);
  const int bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  ::umask(before);
  if (bound != 0) return tl::unexpected("can't listen on " + path_ + ": " + std::strerror(error));
  struct stat about {};
  bound_ = ::lstat(path_.c_str(), &about) == 0;
  device_ = about.st_dev;
  inode_ = about.st_ino;
  return {};
}

bool SocketPath::lost() const {
  if (path_.empty()) return false;
  struct stat about {};
  if (::lstat(path_.c_str(), &about) != 0) return errno == ENOENT || errno == ENOTDIR;
  return !bound_ || about.st_dev != device_ || about.st_ino != inode_;
}

void SocketPath::remove() {
  if (!path_.empty() && bound_ && !lost()) ::unlink(path_.c_str());
  bound_ = false;
}

}  // namespace headgate::protocol

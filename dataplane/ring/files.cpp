#include "dataplane/ring/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace headgate::ring {
namespace {

// What is made meanwhile has the mode that is asked for, whoever's umask this is: the other end's access must
// not be taken away. Not by chmod afterwards: the bridge's sandbox has none.
class OpenMask {
 public:
  OpenMask() noexcept : before_(::umask(0)) {}
  ~OpenMask() { ::umask(before_); }
  OpenMask(const OpenMask&) = delete;
  OpenMask& operator=(const OpenMask&) = delete;

 private:
  mode_t before_;
};

bool is_fifo(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
}

}  // namespace

tl::unexpected<std::string> failure(const std::string& what, const std::string& path) {
  return tl::unexpected<std::string>(what + " " + path + ": " + std::strerror(errno));
}

tl::unexpected<std::string> bad(const std::string& path, const std::string& why) {
  return tl::unexpected<std::string>(path + ": " + why);
}

tl::expected<void, std::string> make_fifo(const std::string& path) {
  if (is_fifo(path)) return {};
  const OpenMask open_mask;
  ::unlink(path.c_str());
  if (::mkfifo(path.c_str(), 0660) != 0) return failure("can't create", path);
  return {};
}

tl::expected<int, std::string> open_fifo(const std::string& path) {
  if (!is_fifo(path)) return bad(path, "not a FIFO");
  const int fd = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return failure("can't open", path);
  return fd;
}

tl::expected<int, std::string> make_file(const std::string& path, std::uint64_t size) {
  const OpenMask open_mask;
  ::unlink(path.c_str());
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0660);
  if (fd < 0) return failure("can't create", path);
  if (const int error = ::posix_fallocate(fd, 0, static_cast<off_t>(size)); error != 0) {
    errno = error;
    auto failed = failure("can't allocate " + std::to_string(size) + " bytes for", path);
    ::close(fd);
    ::unlink(path.c_str());
    return failed;
  }
  return fd;
}

}  // namespace headgate::ring

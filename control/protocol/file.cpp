#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "control/protocol/state.h"

namespace headgate::protocol {
namespace {

tl::unexpected<std::string> failure(const std::string& what, const std::string& path) {
  return tl::unexpected<std::string>(what + " " + path + ": " + std::strerror(errno));
}

bool write_all(int fd, const std::string& content) {
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = ::write(fd, content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

// The launcher gives state/ the group of the bridge's user, where it has one of its own; what is made inside
// inherits that group. Else the group is ours, and whoever is in it has no business here.
bool share_with_other_user(int fd) {
  struct stat about {};
  if (::fstat(fd, &about) != 0) return false;
  return about.st_gid == ::getegid() || ::fchmod(fd, 0640) == 0;
}

}  // namespace

tl::expected<void, std::string> write_file_atomically(const std::string& path, const std::string& content,
                                                      Readers readers) {
  const std::string temporary = path + ".new";
  const bool secret = readers == Readers::bridge;
  // What an earlier writer left may be open to more readers: a secret gets a file of its own.
  if (secret && ::unlink(temporary.c_str()) != 0 && errno != ENOENT)
    return failure("can't remove", temporary);
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (secret ? O_EXCL : O_TRUNC);
  const int fd = ::open(temporary.c_str(), flags, secret ? 0600 : 0640);
  if (fd < 0) return failure("can't create", temporary);
  const bool readable = !secret || share_with_other_user(fd);
  const bool written = readable && write_all(fd, content) && ::fsync(fd) == 0;
  ::close(fd);
  if (!written) return failure("can't write", temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0) return failure("can't rename to", path);
  return {};
}

tl::expected<std::string, std::string> read_file(const std::string& path) {
  // Not blocking: a FIFO in the file's place must not hold the reader up.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return failure("can't read", path);
  std::string text;
  std::array<char, 65536> chunk;
  for (;;) {
    const ssize_t n = ::read(fd, chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) break;
    if (n < 0 || text.size() + static_cast<std::size_t>(n) > kMaxFile) {
      if (n > 0) errno = EFBIG;
      auto failed = failure("can't read", path);
      ::close(fd);
      return failed;
    }
    text.append(chunk.data(), static_cast<std::size_t>(n));
  }
  ::close(fd);
  return text;
}

}  // namespace headgate::protocol

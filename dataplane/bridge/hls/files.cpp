#include "dataplane/bridge/hls/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace headgate::bridge::hls {

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return nullptr;
  struct stat status {};
  void* data = MAP_FAILED;
  if (::fstat(fd, &status) == 0 && status.st_size > 0) {
    data = ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_SHARED, fd, 0);
  }
  ::close(fd);
  if (data == MAP_FAILED) return nullptr;
  return std::shared_ptr<const MappedFile>(
      new MappedFile(static_cast<const std::byte*>(data), static_cast<std::size_t>(status.st_size)));
}

MappedFile::~MappedFile() { ::munmap(const_cast<std::byte*>(data_), size_); }

bool write_pieces(const std::string& path, std::span<const std::span<const std::uint8_t>> pieces) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) return false;
  std::vector<iovec> vectors;
  vectors.reserve(pieces.size());
  for (const auto& piece : pieces) {
    vectors.push_back({const_cast<std::uint8_t*>(piece.data()), piece.size()});
  }
  constexpr std::size_t kBatch = 512;
  std::size_t at = 0;
  bool good = true;
  while (good && at < vectors.size()) {
    const auto count = static_cast<int>(std::min(kBatch, vectors.size() - at));
    ssize_t written = ::writev(fd, vectors.data() + at, count);
    if (written < 0 && errno == EINTR) continue;
    good = written > 0;
    while (good && written > 0) {
      const auto done = std::min<std::size_t>(static_cast<std::size_t>(written), vectors[at].iov_len);
      vectors[at].iov_base = static_cast<std::uint8_t*>(vectors[at].iov_base) + done;
      vectors[at].iov_len -= done;
      written -= static_cast<ssize_t>(done);
      if (vectors[at].iov_len == 0) ++at;
    }
  }
  const int saved = errno;
  ::close(fd);
  errno = saved;
  return good;
}

}  // namespace headgate::bridge::hls

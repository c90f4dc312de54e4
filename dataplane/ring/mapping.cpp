#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "dataplane/ring/files.h"
#include "dataplane/ring/layout.h"
#include "dataplane/ring/truncation.h"

namespace headgate::ring {
namespace {

tl::expected<void, std::string> lock(int fd, Role role, const std::string& path) {
  struct flock region {};
  region.l_type = F_WRLCK;
  region.l_whence = SEEK_SET;
  region.l_start = static_cast<off_t>(role);
  region.l_len = 1;
  if (::fcntl(fd, F_OFD_SETLK, &region) == 0) return {};
  if (errno == EAGAIN || errno == EACCES) {
    return bad(path, role == Role::producer ? "another producer has it" : "another consumer has it");
  }
  return failure("can't lock", path);
}

}  // namespace

tl::expected<void, std::string> Mapping::open_wake(const std::string& path) {
  const auto fd = open_fifo(path + ".wake");
  if (!fd) return tl::unexpected<std::string>(fd.error());
  wake_fd_ = *fd;
  return {};
}

tl::expected<void, std::string> Mapping::map(const std::string& path, Role role) {
  path_ = path;
  struct stat status {};
  if (::fstat(fd_, &status) != 0) return failure("can't stat", path);
  if (!S_ISREG(status.st_mode)) return bad(path, "not a regular file");
  device_ = status.st_dev;
  inode_ = status.st_ino;
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size < kHeaderSize) return bad(path, "shorter than a ring's header");
  if (size > kHeaderSize + kMaxSlots * sizeof(Slot)) return bad(path, "longer than the largest ring");
  if (auto locked = lock(fd_, role, path); !locked) return locked;
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (memory == MAP_FAILED) return failure("can't map", path);
  memory_ = static_cast<std::uint8_t*>(memory);
  size_ = size;
  cover(memory_, size_);
  const std::uint64_t count = header().slot_count;
  if (header().magic != kMagic) return bad(path, "not a ring file");
  if (header().version != kVersion || header().slot_size != sizeof(Slot)) {
    return bad(path, "ring of version " + std::to_string(header().version) + ", this program has version " +
                         std::to_string(kVersion));
  }
  if (!std::has_single_bit(count) || count < kMinSlots || count > kMaxSlots)
    return bad(path, "impossible slot count");
  if (size != kHeaderSize + count * sizeof(Slot)) return bad(path, "size doesn't match its slot count");
  mask_ = count - 1;
  if (!plausible(header().head.load(), header().tail.load())) return bad(path, "impossible positions");
  return open_wake(path);
}

tl::expected<Mapping, std::string> Mapping::open(const std::string& path, Role role) {
  Mapping mapping;
  mapping.fd_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (mapping.fd_ < 0) return failure("can't open", path);
  if (auto mapped = mapping.map(path, role); !mapped) return tl::unexpected<std::string>(mapped.error());
  return mapping;
}

tl::expected<Mapping, std::string> Mapping::create(const std::string& path, std::uint64_t slot_count) {
  if (auto made = make_fifo(path + ".wake"); !made) return tl::unexpected<std::string>(made.error());
  const std::string temporary = path + ".new";
  const auto fd = make_file(temporary, kHeaderSize + slot_count * sizeof(Slot));
  if (!fd) return tl::unexpected<std::string>(fd.error());
  Mapping mapping;
  mapping.fd_ = *fd;
  Header header{};
  header.magic = kMagic;
  header.version = kVersion;
  header.slot_size = sizeof(Slot);
  header.slot_count = slot_count;
  if (::pwrite(mapping.fd_, &header, sizeof header, 0) != static_cast<ssize_t>(sizeof header)) {
    return failure("can't write", temporary);
  }
  if (auto mapped = mapping.map(path, Role::producer); !mapped)
    return tl::unexpected<std::string>(mapped.error());
  if (::rename(temporary.c_str(), path.c_str()) != 0) return failure("can't rename to", path);
  return mapping;
}

Mapping::Mapping(Mapping&& other) noexcept { *this = std::move(other); }

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(wake_fd_, other.wake_fd_);
  std::swap(memory_, other.memory_);
  std::swap(size_, other.size_);
  std::swap(mask_, other.mask_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
  return *this;
}

Mapping::~Mapping() {
  if (memory_ != nullptr) {
    uncover(memory_);
    ::munmap(memory_, size_);
  }
  if (fd_ >= 0) ::close(fd_);
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

bool Mapping::held(Role role) const noexcept {
  struct flock region {};
  region.l_type = F_WRLCK;
  region.l_whence = SEEK_SET;
  region.l_start = static_cast<off_t>(role);
  region.l_len = 1;
  return ::fcntl(fd_, F_OFD_GETLK, &region) == 0 && region.l_type != F_UNLCK;
}

bool Mapping::stale() const noexcept {
  struct stat status {};
  return ::stat(path_.c_str(), &status) != 0 || status.st_ino != inode_ || status.st_dev != device_ ||
         static_cast<std::uint64_t>(status.st_size) != size_;
}

}  // namespace headgate::ring

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "dataplane/ring/layout.h"
#include "dataplane/ring/truncation.h"

namespace headgate::ring {
namespace {

tl::unexpected<std::string> failure(const std::string& what, const std::string& path) {
  return tl::unexpected<std::string>(what + " " + path + ": " + std::strerror(errno));
}

tl::unexpected<std::string> bad(const std::string& path, const std::string& why) {
  return tl::unexpected<std::string>(path + ": " + why);
}

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

tl::expected<void, std::string> Mapping::open_wake(const std::string& path) {
  const std::string fifo = path + ".wake";
  if (!is_fifo(fifo)) return bad(fifo, "not a FIFO");
  // Both ends open for reading and writing: neither blocks, sees end of file, or gets SIGPIPE while the other
  // is away.
  wake_fd_ = ::open(fifo.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
  if (wake_fd_ < 0) return failure("can't open", fifo);
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
  const OpenMask open_mask;
  const std::string fifo = path + ".wake";
  if (!is_fifo(fifo)) {
    ::unlink(fifo.c_str());
    if (::mkfifo(fifo.c_str(), 0660) != 0) return failure("can't create", fifo);
  }
  const std::string temporary = path + ".new";
  ::unlink(temporary.c_str());
  Mapping mapping;
  mapping.fd_ = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0660);
  if (mapping.fd_ < 0) return failure("can't create", temporary);
  const std::uint64_t size = kHeaderSize + slot_count * sizeof(Slot);
  // Allocated now: a full tmpfs must be an error here, not SIGBUS at some later packet.
  if (const int error = ::posix_fallocate(mapping.fd_, 0, static_cast<off_t>(size)); error != 0) {
    errno = error;
    auto failed = failure("can't allocate " + std::to_string(size) + " bytes for", temporary);
    ::unlink(temporary.c_str());
    return failed;
  }
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

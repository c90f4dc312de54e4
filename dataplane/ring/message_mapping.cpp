#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "dataplane/ring/files.h"
#include "dataplane/ring/message_layout.h"
#include "dataplane/ring/truncation.h"

namespace headgate::ring {

tl::expected<void, std::string> MessageMapping::map(int fd, const std::string& path, bool whole) {
  path_ = path;
  struct stat status {};
  if (::fstat(fd, &status) != 0) return failure("can't stat", path);
  if (!S_ISREG(status.st_mode)) return bad(path, "not a regular file");
  device_ = status.st_dev;
  inode_ = status.st_ino;
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size < kMessageHeaderPage + kMinMessageBytes) return bad(path, "shorter than the smallest ring");
  if (size > kMessageHeaderPage + kMaxMessageBytes) return bad(path, "longer than the largest ring");
  const std::size_t mapped = whole ? size : kMessageHeaderPage;
  void* memory = ::mmap(nullptr, mapped, whole ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return failure("can't map", path);
  memory_ = static_cast<std::uint8_t*>(memory);
  size_ = mapped;
  cover(memory_, size_);
  const std::uint64_t capacity = page().capacity;
  if (page().magic != kMessageMagic) return bad(path, "not a message ring");
  if (page().version != kMessageVersion) {
    return bad(path, "message ring of version " + std::to_string(page().version) +
                         ", this program has version " + std::to_string(kMessageVersion));
  }
  if (!std::has_single_bit(capacity) || size != kMessageHeaderPage + capacity)
    return bad(path, "size doesn't match its capacity");
  capacity_ = capacity;
  return {};
}

tl::expected<MessageMapping, std::string> MessageMapping::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return failure("can't open", path);
  MessageMapping mapping;
  const auto mapped = mapping.map(fd, path, true);
  ::close(fd);  // a worker that is taken over finds no descriptor of it
  if (!mapped) return tl::unexpected<std::string>(mapped.error());
  const auto wake = open_fifo(path + ".wake");
  if (!wake) return tl::unexpected<std::string>(wake.error());
  mapping.wake_fd_ = *wake;
  return mapping;
}

tl::expected<MessageMapping, std::string> MessageMapping::open_to_look(const std::string& path) {
  // Read-only from the descriptor on, so that no mprotect() makes it writable.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return failure("can't open", path);
  MessageMapping mapping;
  const auto mapped = mapping.map(fd, path, false);
  ::close(fd);
  if (!mapped) return tl::unexpected<std::string>(mapped.error());
  mapping.keep_from_children();
  return mapping;
}

MessageMapping::MessageMapping(MessageMapping&& other) noexcept { *this = std::move(other); }

MessageMapping& MessageMapping::operator=(MessageMapping&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(wake_fd_, other.wake_fd_);
  std::swap(memory_, other.memory_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
  return *this;
}

MessageMapping::~MessageMapping() {
  if (memory_ != nullptr) {
    uncover(memory_);
    ::munmap(memory_, size_);
  }
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

bool MessageMapping::stale() const noexcept {
  struct stat status {};
  return ::stat(path_.c_str(), &status) != 0 || status.st_ino != inode_ || status.st_dev != device_ ||
         static_cast<std::uint64_t>(status.st_size) != kMessageHeaderPage + capacity_;
}

void MessageMapping::keep_from_children() noexcept { ::madvise(memory_, size_, MADV_DONTFORK); }

void MessageMapping::write(std::uint64_t position, std::span<const std::uint8_t> bytes) noexcept {
  const std::uint64_t at = position & (capacity_ - 1);
  const std::size_t first = std::min<std::uint64_t>(bytes.size(), capacity_ - at);
  std::uint8_t* ring = memory_ + kMessageHeaderPage;
  if (first > 0) std::memcpy(ring + at, bytes.data(), first);
  if (first < bytes.size()) std::memcpy(ring, bytes.data() + first, bytes.size() - first);
}

void MessageMapping::read(std::uint64_t position, std::span<std::uint8_t> bytes) const noexcept {
  const std::uint64_t at = position & (capacity_ - 1);
  const std::size_t first = std::min<std::uint64_t>(bytes.size(), capacity_ - at);
  const std::uint8_t* ring = memory_ + kMessageHeaderPage;
  if (first > 0) std::memcpy(bytes.data(), ring + at, first);
  if (first < bytes.size()) std::memcpy(bytes.data() + first, ring, bytes.size() - first);
}

}  // namespace headgate::ring

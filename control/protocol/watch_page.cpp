#include "control/protocol/watch_page.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace headgate::protocol {

static_assert(std::atomic<std::uint32_t>::is_always_lock_free &&
              std::atomic<std::int64_t>::is_always_lock_free);

namespace {

tl::unexpected<std::string> watch_page_error(const std::string& what, const std::string& path) {
  return tl::unexpected<std::string>(what + " " + path + ": " + std::strerror(errno));
}

class WatchFile {
 public:
  explicit WatchFile(int fd) : fd_(fd) {}
  WatchFile(const WatchFile&) = delete;
  WatchFile& operator=(const WatchFile&) = delete;
  ~WatchFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

tl::expected<WatchMapping, std::string> WatchMapping::create(const std::string& path) {
  const std::string temporary = path + ".new";
  ::unlink(temporary.c_str());
  const WatchFile file(::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (file.get() < 0) return watch_page_error("can't create", temporary);
  // Allocated now: a full tmpfs must be an error here, not SIGBUS at some later count, or at a look of the
  // reader, for a look at a hole of a tmpfs file allocates it too.
  if (const int error = ::posix_fallocate(file.get(), 0, sizeof(WatchPage)); error != 0) {
    errno = error;
    auto failed =
        watch_page_error("can't allocate " + std::to_string(sizeof(WatchPage)) + " bytes for", temporary);
    ::unlink(temporary.c_str());
    return failed;
  }
  void* memory = ::mmap(nullptr, sizeof(WatchPage), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return watch_page_error("can't map", temporary);
  WatchMapping mapping;
  mapping.page_ = static_cast<WatchPage*>(memory);
  mapping.page_->magic = kWatchMagic;
  mapping.page_->version = kWatchVersion;
  mapping.page_->pid = static_cast<std::uint32_t>(::getpid());
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return watch_page_error("can't stat", temporary);
  mapping.inode_ = status.st_ino;
  if (::rename(temporary.c_str(), path.c_str()) != 0) return watch_page_error("can't rename to", path);
  return mapping;
}

tl::expected<WatchMapping, std::string> WatchMapping::open_read_only(const std::string& path) {
  // Another user's file: it may be anything, and nothing here may wait for it or trust its length later.
  const WatchFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.get() < 0) return watch_page_error("can't open", path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return watch_page_error("can't stat", path);
  if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) != sizeof(WatchPage)) {
    return tl::unexpected<std::string>(path + ": " + std::to_string(status.st_size) +
                                       " bytes, a watch page has " + std::to_string(sizeof(WatchPage)) +
                                       "; written by another version?");
  }
  struct {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t pid;
  } begin{};
  if (::pread(file.get(), &begin, sizeof begin, 0) != static_cast<ssize_t>(sizeof begin))
    return watch_page_error("can't read", path);
  if (begin.magic != kWatchMagic || begin.version != kWatchVersion) {
    return tl::unexpected<std::string>(path + ": not a watch page of version " +
                                       std::to_string(kWatchVersion));
  }
  void* memory = ::mmap(nullptr, sizeof(WatchPage), PROT_READ, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return watch_page_error("can't map", path);
  WatchMapping mapping;
  mapping.page_ = static_cast<WatchPage*>(memory);
  mapping.inode_ = status.st_ino;
  return mapping;
}

WatchMapping::WatchMapping(WatchMapping&& other) noexcept
    : page_(std::exchange(other.page_, nullptr)), inode_(std::exchange(other.inode_, 0)) {}

WatchMapping& WatchMapping::operator=(WatchMapping&& other) noexcept {
  std::swap(page_, other.page_);
  std::swap(inode_, other.inode_);
  return *this;
}

WatchMapping::~WatchMapping() {
  if (page_ != nullptr) ::munmap(page_, sizeof(WatchPage));
}

bool WatchMapping::stale(const std::string& path) const noexcept {
  struct stat status {};
  return ::stat(path.c_str(), &status) != 0 || status.st_ino != inode_;
}

}  // namespace headgate::protocol

#include "control/protocol/page_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace headgate::protocol {
namespace {

struct PageHead {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t pid;
};

tl::unexpected<std::string> page_error(const std::string& what, const std::string& path) {
  return tl::unexpected<std::string>(what + " " + path + ": " + std::strerror(errno));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

void begin_page(void* memory, const PageKind& kind) {
  const PageHead head{kind.magic, kind.version, static_cast<std::uint32_t>(::getpid())};
  std::memcpy(memory, &head, sizeof head);
}

}  // namespace

tl::expected<void, std::string> PageFile::map(int fd, int protection, int flags, std::size_t size,
                                              const std::string& path) {
  void* memory = ::mmap(nullptr, size, protection, flags, fd, 0);
  if (memory == MAP_FAILED) return page_error("can't map", path);
  memory_ = memory;
  size_ = size;
  return {};
}

tl::expected<PageFile, std::string> PageFile::create(const std::string& path, const PageKind& kind,
                                                     const std::function<void(void*)>& begin) {
  const std::string temporary = path + ".new";
  ::unlink(temporary.c_str());
  const Descriptor file(::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (file.get() < 0) return page_error("can't create", temporary);
  // Allocated now: a full tmpfs must be an error here, not SIGBUS at some later count, or at a look of the
  // reader, for a look at a hole of a tmpfs file allocates it too.
  if (const int error = ::posix_fallocate(file.get(), 0, static_cast<off_t>(kind.size)); error != 0) {
    errno = error;
    auto failed = page_error("can't allocate " + std::to_string(kind.size) + " bytes for", temporary);
    ::unlink(temporary.c_str());
    return failed;
  }
  PageFile page;
  if (auto mapped = page.map(file.get(), PROT_READ | PROT_WRITE, MAP_SHARED, kind.size, temporary); !mapped)
    return tl::unexpected<std::string>(mapped.error());
  begin_page(page.memory_, kind);
  if (begin) begin(page.memory_);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return page_error("can't stat", temporary);
  page.inode_ = status.st_ino;
  if (::rename(temporary.c_str(), path.c_str()) != 0) return page_error("can't rename to", path);
  return page;
}

tl::expected<PageFile, std::string> PageFile::create_unshared(const PageKind& kind) {
  PageFile page;
  if (auto mapped = page.map(-1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, kind.size, kind.name);
      !mapped)
    return tl::unexpected<std::string>(mapped.error());
  begin_page(page.memory_, kind);
  return page;
}

tl::expected<PageFile, std::string> PageFile::open_read_only(const std::string& path, const PageKind& kind) {
  // Perhaps another user's file: it may be anything, and nothing here may wait for it or trust its length
  // later.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.get() < 0) return page_error("can't open", path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return page_error("can't stat", path);
  if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) != kind.size) {
    return tl::unexpected<std::string>(path + ": " + std::to_string(status.st_size) + " bytes, " + kind.name +
                                       " has " + std::to_string(kind.size) + "; written by another version?");
  }
  PageHead head{};
  if (::pread(file.get(), &head, sizeof head, 0) != static_cast<ssize_t>(sizeof head))
    return page_error("can't read", path);
  if (head.magic != kind.magic || head.version != kind.version) {
    return tl::unexpected<std::string>(path + ": not " + kind.name + " of version " +
                                       std::to_string(kind.version));
  }
  PageFile page;
  if (auto mapped = page.map(file.get(), PROT_READ, MAP_SHARED, kind.size, path); !mapped)
    return tl::unexpected<std::string>(mapped.error());
  page.inode_ = status.st_ino;
  return page;
}

PageFile::PageFile(PageFile&& other) noexcept { *this = std::move(other); }

PageFile& PageFile::operator=(PageFile&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(size_, other.size_);
  std::swap(inode_, other.inode_);
  return *this;
}

PageFile::~PageFile() {
  if (memory_ != nullptr) ::munmap(memory_, size_);
}

bool PageFile::stale(const std::string& path) const noexcept {
  struct stat status {};
  return ::stat(path.c_str(), &status) != 0 || status.st_ino != inode_;
}

}  // namespace headgate::protocol

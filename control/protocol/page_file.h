// A page of fixed layout in a file of run_dir, that one process writes and others map read-only: what
// stats_page.h and watch_page.h have in common. A page begins with its magic (64 bits), its version and the
// writer's pid (32 bits each). Threading: owned by one thread; what is in the page has its own rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include <tl/expected.hpp>

namespace headgate::protocol {

struct PageKind {
  const char* name;  // "a counter page", in errors
  std::size_t size;
  std::uint64_t magic;
  std::uint32_t version;
};

// A mapping; unmapped on destruction. The file is allocated whole, so that a full run_dir is an error at the
// start and nobody's SIGBUS later.
class PageFile {
 public:
  // Writer: makes a new file and renames it over an old one. `begin` fills in what a reader must not miss.
  static tl::expected<PageFile, std::string> create(const std::string& path, const PageKind& kind,
                                                    const std::function<void(void*)>& begin = {});
  // Writer: one that nobody else sees.
  static tl::expected<PageFile, std::string> create_unshared(const PageKind& kind);
  // Reader: fails where it is absent or of another version.
  static tl::expected<PageFile, std::string> open_read_only(const std::string& path, const PageKind& kind);
  PageFile(PageFile&& other) noexcept;
  PageFile& operator=(PageFile&& other) noexcept;
  ~PageFile();
  void* memory() const noexcept { return memory_; }
  // The file was removed, or replaced by a new process.
  bool stale(const std::string& path) const noexcept;

 private:
  PageFile() = default;
  tl::expected<void, std::string> map(int fd, int protection, int flags, std::size_t size,
                                      const std::string& path);
  void* memory_ = nullptr;
  std::size_t size_ = 0;
  std::uint64_t inode_ = 0;
};

}  // namespace headgate::protocol

// NAME.lock in run_dir: the pid inside, flock held while the process lives.
// Threading: a value, moved not copied.
#pragma once

#include <string>

#include <tl/expected.hpp>

namespace headgate::protocol {

class LockFile {
 public:
  // Error: held by another process (its pid is named), or not writable.
  static tl::expected<LockFile, std::string> take(const std::string& path);
  LockFile(LockFile&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  LockFile& operator=(LockFile&&) = delete;
  ~LockFile();

 private:
  explicit LockFile(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace headgate::protocol

// run_dir/fastpath.lock: held while this process lives, with its pid inside, so that the launcher finds and
// adopts it. Threading: main thread.
#pragma once

#include <string>

#include <tl/expected.hpp>

namespace headgate::fastpath {

class ProcessLock {
 public:
  // Error: held by another process, or not to be opened.
  struct Failure {
    bool held_by_another = false;
    std::string text;
  };
  static tl::expected<ProcessLock, Failure> take(const std::string& path);
  ProcessLock(ProcessLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  ProcessLock& operator=(ProcessLock&&) = delete;
  ~ProcessLock();

 private:
  explicit ProcessLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace headgate::fastpath

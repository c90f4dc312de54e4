// The place of a listening Unix socket in run_dir. Whoever cleans up there may take the name away while the
// process lives: it would answer nobody any more. Its owner looks about once a second and binds anew.
// Threading: one owner.
#pragma once

#include <sys/types.h>

#include <string>

#include <tl/expected.hpp>

namespace headgate::protocol {

class SocketPath {
 public:
  SocketPath() = default;
  explicit SocketPath(std::string path) : path_(std::move(path)) {}

  // Takes the name over from whatever lies there and binds: the process lock says that nobody else lives.
  // The file has `mode` from its first moment.
  tl::expected<void, std::string> bind(int fd, mode_t mode);
  // The name is gone, or is another socket's.
  bool lost() const;
  // Frees the name where it is still ours.
  void remove();
  const std::string& text() const noexcept { return path_; }

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  bool bound_ = false;
};

}  // namespace headgate::protocol

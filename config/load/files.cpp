#include "config/load/files.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "config/load/yaml_tree.h"

namespace headgate::config {

Files::Files(const std::vector<SourceFile>& texts, bool disk_for_others)
    : in_memory_(true), disk_(disk_for_others) {
  for (const SourceFile& file : texts) texts_[file.path] = file.text;
}

tl::expected<FileText, std::string> Files::read(const std::string& path) const {
  const auto known = texts_.find(path);
  if (known != texts_.end()) return FileText{known->second, 0, known->second.size()};
  if (!disk_) return tl::unexpected<std::string>(std::strerror(ENOENT));
  // A fifo or a device must neither block nor feed us for ever.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return tl::unexpected<std::string>(std::strerror(errno));
  const std::unique_ptr<const int, void (*)(const int*)> closer(
      &fd, [](const int* open_fd) { ::close(*open_fd); });
  struct stat status {};
  if (::fstat(fd, &status) != 0) return tl::unexpected<std::string>(std::strerror(errno));
  if (!S_ISREG(status.st_mode)) {
    return tl::unexpected<std::string>(S_ISDIR(status.st_mode) ? "it is a directory"
                                                               : "it is no regular file");
  }
  FileText out;
  out.mode = status.st_mode & 07777U;
  out.size = static_cast<std::uint64_t>(status.st_size);
  char buffer[65536];
  while (out.text.size() <= kMaxFileBytes) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tl::unexpected<std::string>(std::strerror(errno));
    if (got == 0) break;
    out.text.append(buffer, static_cast<std::size_t>(got));
  }
  return out;
}

bool Files::absent(const std::string& path) const {
  if (texts_.contains(path)) return false;
  return !disk_ || (::access(path.c_str(), F_OK) != 0 && errno == ENOENT);
}

std::string Files::unreadable(const std::string& path) const {
  if (!disk_ || texts_.contains(path)) return "";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::strerror(errno);
  struct stat status {};
  const bool regular = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  ::close(fd);
  if (!regular) return "it is no regular file";
  return status.st_size < 188 ? "it holds no transport packet" : "";
}

std::vector<std::string> Files::match(const std::string& pattern) const {
  if (pattern.find_first_of("*?[") == std::string::npos) return {pattern};
  std::vector<std::string> out;
  if (in_memory_) {
    for (const auto& [path, text] : texts_) {
      if (::fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0) out.push_back(path);
    }
    return out;
  }
  glob_t found{};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) out.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  std::sort(out.begin(), out.end());
  return out;
}

std::string join_path(const std::string& naming_file, const std::string& path) {
  if (!path.empty() && path[0] == '/') return path;
  const std::size_t slash = naming_file.rfind('/');
  return slash == std::string::npos ? path : naming_file.substr(0, slash + 1) + path;
}

}  // namespace headgate::config

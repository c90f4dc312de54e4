// Files in run_dir that another process, or this one's successor, reads. Threading: pure but for the file.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace headgate::bridge::hub {

// Replaced in one step, but not synced: it has to outlive the process, not the machine (run_dir is a tmpfs),
// and waiting for a disk would hold up every channel of this thread. False: errno says why not.
bool replace_file(const std::string& path, std::span<const std::uint8_t> content);
inline bool replace_file(const std::string& path, const std::string& content) {
  return replace_file(path, {reinterpret_cast<const std::uint8_t*>(content.data()), content.size()});
}

}  // namespace headgate::bridge::hub

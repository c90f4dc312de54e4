// Where the loader's files come from: the disk, or texts held in memory (an applied map, a fuzzer).
// Threading: owned by one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "config/load/report.h"

namespace headgate::config {

struct FileText {
  std::string text;
  std::uint32_t mode = 0;  // permission bits; 0 where unknown
  std::uint64_t size = 0;  // of the whole file, which may be more than what was read
};

class Files {
 public:
  Files() = default;  // the disk
  Files(const std::vector<SourceFile>& texts, bool disk_for_others);

  // At most kMaxFileBytes + 1 of a regular file. The error says why not.
  tl::expected<FileText, std::string> read(const std::string& path) const;
  // No file of this name: it is to be written, not to be made readable.
  bool absent(const std::string& path) const;
  // "", or why the bridge won't be able to read a file of media there.
  std::string unreadable(const std::string& path) const;
  // Paths that match, sorted. A name without wildcards gives itself.
  std::vector<std::string> match(const std::string& pattern) const;

 private:
  bool in_memory_ = false;
  bool disk_ = true;
  std::map<std::string, std::string> texts_;
};

std::string join_path(const std::string& naming_file, const std::string& path);

// What a passphrase_file holds: the passphrase alone, with or without an end of line. SRT takes 10 to 79
// characters (libsrt's SRTO_PASSPHRASE). The error goes on from the file's name.
tl::expected<std::string, std::string> parse_passphrase(const std::string& text);

// What a key_file holds: the key alone. One that an encoder must give stands in URLs and SRT stream ids.
tl::expected<std::string, std::string> parse_publish_key(const std::string& text);
// The stream name of a push by RTMP.
tl::expected<std::string, std::string> parse_stream_key(const std::string& text);

// What alarms.webhook is signed with.
tl::expected<std::string, std::string> parse_webhook_secret(const std::string& text);

// ROLE TOKEN lines of servers.admin.tokens_file. Errors go to the report under the name of that file.
std::vector<AdminToken> read_tokens(Report& report, const std::string& text, int file);

}  // namespace headgate::config

// The player page and the script files that it loads, read once at start from share/headgate/web.
// Threading: immutable after load().
#pragma once

#include <map>
#include <memory>
#include <string>

#include <tl/expected.hpp>

namespace headgate::bridge::http {

struct Asset {
  std::string content_type;
  std::string etag;
  std::shared_ptr<const std::string> content;
};

class Assets {
 public:
  // All files of the page, or an error that names the missing one.
  static tl::expected<Assets, std::string> load(const std::string& directory);
  const Asset* find(const std::string& name) const;
  // The page for a channel; empty where no page was loaded.
  std::string player_page(const std::string& channel_name, bool has_picture) const;

 private:
  std::map<std::string, Asset> files_;
  std::string page_;
};

// Where the files lie: beside the build's bin/, or under the prefix of libexec/headgate/.
std::string find_web_directory();
std::string escape_html(const std::string& text);

}  // namespace headgate::bridge::http

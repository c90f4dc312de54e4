#include "dataplane/bridge/http/assets.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>

#include "control/protocol/state.h"

namespace headgate::bridge::http {

namespace fs = std::filesystem;

tl::expected<Assets, std::string> Assets::load(const std::string& directory) {
  static constexpr std::array<std::pair<const char*, const char*>, 3> kFiles{{
      {"player.js", "text/javascript; charset=utf-8"},
      {"player.css", "text/css; charset=utf-8"},
      {"hls.min.js", "text/javascript; charset=utf-8"},
  }};
  Assets assets;
  const auto page = protocol::read_file(directory + "/player.html");
  if (!page) return tl::unexpected<std::string>(page.error());
  assets.page_ = *page;
  for (const auto& [name, type] : kFiles) {
    auto content = protocol::read_file(directory + "/" + name);
    if (!content) return tl::unexpected<std::string>(content.error());
    std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
    for (const char c : *content) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    assets.files_[name] = {type, fmt::format("\"{:016x}\"", hash),
                           std::make_shared<const std::string>(std::move(*content))};
  }
  return assets;
}

const Asset* Assets::find(const std::string& name) const {
  const auto found = files_.find(name);
  return found == files_.end() ? nullptr : &found->second;
}

std::string escape_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string Assets::player_page(const std::string& channel_name, bool has_picture) const {
  const std::string name = escape_html(channel_name);
  // A poster that is not there is an error in the browser's console.
  const std::string poster = has_picture ? " poster=\"thumbnail.jpg\"" : "";
  const std::pair<std::string_view, const std::string&> marks[] = {{"{{channel}}", name},
                                                                   {"{{poster}}", poster}};
  std::string out;
  std::size_t at = 0;
  for (std::size_t mark = page_.find("{{"); mark != std::string::npos; mark = page_.find("{{", at)) {
    out.append(page_, at, mark - at);
    at = mark;
    for (const auto& [word, value] : marks) {
      if (page_.compare(mark, word.size(), word) != 0) continue;
      out.append(value);
      at = mark + word.size();
    }
    if (at == mark) out.append(page_, at++, 1);
  }
  return out.append(page_, at);
}

std::string find_web_directory() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* relative : {"../share/headgate/web", "../../share/headgate/web"}) {
    const fs::path directory = program / relative;
    if (fs::exists(directory / "player.html", error)) return directory.lexically_normal().string();
  }
  return (program / "../share/headgate/web").lexically_normal().string();
}

}  // namespace headgate::bridge::http

#include "control/cli/columns.h"

#include <algorithm>

namespace headgate::control {
namespace {

bool begins_character(char byte) { return (byte & 0xC0) != 0x80; }

}  // namespace

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string padded(const std::string& text, std::size_t to, bool right) {
  const std::string space(to > width(text) ? to - width(text) : 0, ' ');
  return right ? space + text : text + space;
}

std::string fitted(const std::string& text, std::size_t to) {
  if (width(text) <= to) return text;
  if (to == 0) return "";
  std::size_t characters = 0, end = 0;
  while (end < text.size()) {
    if (begins_character(text[end]) && characters++ == to - 1) break;
    ++end;
  }
  return text.substr(0, end) + "~";
}

std::string wrapped(const std::string& first, const std::string& text, std::size_t indent,
                    std::size_t columns) {
  std::string result, line = first;
  bool begun = false;
  for (std::size_t at = 0; at < text.size();) {
    const auto space = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, space - at);
    at = space + 1;
    if (word.empty()) continue;
    const bool full = begun ? width(line) + 1 + width(word) > columns
                            : line == first && width(first) > indent && width(line) + width(word) > columns;
    if (full) {
      result += strip_end(std::move(line));
      line = std::string(indent, ' ');
      begun = false;
    }
    line += (begun ? " " : "") + word;
    begun = true;
  }
  return result + strip_end(std::move(line));
}

std::string strip_end(std::string line) {
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line + "\n";
}

const char* colour_of(const std::string& state) {
  if (state == "down" || state == "critical") return "\033[1;31m";
  if (state == "degraded" || state == "warning" || state == "backup") return "\033[33m";
  if (state == "ok") return "\033[32m";
  return "\033[2m";
}

std::string painted(const std::string& text, const std::string& state, bool colour) {
  return colour ? colour_of(state) + text + "\033[0m" : text;
}

}  // namespace headgate::control

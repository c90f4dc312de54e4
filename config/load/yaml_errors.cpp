#include "config/load/yaml_errors.h"

#include <fmt/format.h>

#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

namespace headgate::config {
namespace {

// The line up to `last` that a tab indents: the usual reason behind obscure complaints.
std::optional<Place> tab_indent(const std::string& text, int last, int file) {
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; number <= last && std::getline(lines, line); ++number) {
    const std::size_t tab = line.find('\t');
    const std::size_t content = line.find_first_not_of(" \t\r");
    if (tab != std::string::npos && content != std::string::npos && tab < content) {
      return Place{file, number, static_cast<int>(tab) + 1};
    }
  }
  return {};
}

// "[::]:8080" without its quotes opens a list: the trap of listen addresses.
std::optional<Place> unquoted_address(const std::string& text, int last, int file) {
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; number <= last && std::getline(lines, line); ++number) {
    const std::size_t at = line.find(": [::");
    if (at != std::string::npos) return Place{file, number, static_cast<int>(at) + 3};
  }
  return {};
}

// Follows brackets and quotes through a text, as far as a hint needs it: scalars are not understood, only
// skipped.
class Brackets {
 public:
  Brackets(const std::string& text, int file) : text_(text), place_{file, 1, 1} {}

  // The quote or bracket that is never closed, or the one that closes another.
  std::optional<YamlFault> fault() {
    while (at_ < text_.size()) {
      if (auto found = step()) return found;
    }
    if (open_.empty()) return {};
    const auto& [bracket, place] = open_.back();
    return YamlFault{place, fmt::format("this {} is never closed: add {}", bracket, closing(bracket))};
  }

 private:
  static char closing(char bracket) { return bracket == '[' ? ']' : '}'; }
  char next() const { return at_ + 1 < text_.size() ? text_[at_ + 1] : '\n'; }

  void advance() {
    if (text_[at_] == '\n') {
      ++place_.line;
      place_.column = 1;
    } else if ((static_cast<unsigned char>(text_[at_]) & 0xC0) != 0x80) {
      ++place_.column;
    }
    ++at_;
  }
  void skip_line() {
    while (at_ < text_.size() && text_[at_] != '\n') advance();
  }

  std::optional<YamlFault> step() {
    const char c = text_[at_];
    if (c == '\n') {
      begins_ = true;
      spaced_ = true;
      advance();
      return {};
    }
    if (c == '#' && spaced_) {
      skip_line();
      return {};
    }
    if (c == ' ' || c == '\t' || c == '\r') {
      spaced_ = true;
      advance();
      return {};
    }
    spaced_ = false;
    if (begins_ && (c == '"' || c == '\'')) return quote(c);
    if (begins_ && (c == '[' || c == '{')) {
      open_.emplace_back(c, place_);
      advance();
      return {};
    }
    if (!open_.empty() && (c == ']' || c == '}')) return close(c);
    if (begins_ && open_.empty() && (c == '|' || c == '>')) return block();
    // What follows these begins a value.
    const bool separates = (c == ',' && !open_.empty()) ||
                           ((c == ':' || c == '-' || c == '?') && (next() == ' ' || next() == '\n'));
    begins_ = separates;
    advance();
    return {};
  }

  std::optional<YamlFault> quote(char mark) {
    const Place begin = place_;
    advance();
    while (at_ < text_.size()) {
      const bool escape = mark == '"' && text_[at_] == '\\' && at_ + 1 < text_.size();
      const bool doubled = mark == '\'' && text_[at_] == mark && next() == mark;
      if (escape || doubled) {
        advance();
        advance();
      } else if (text_[at_] != mark) {
        advance();
      } else {
        advance();
        begins_ = false;
        return {};
      }
    }
    return YamlFault{begin, fmt::format("this {} is never closed: add the second {}", mark, mark)};
  }

  std::optional<YamlFault> close(char bracket) {
    const auto [opener, place] = open_.back();
    if (closing(opener) != bracket)
      return YamlFault{place_, fmt::format("{} here, but the {} of line {} is open: close that first with {}",
                                           bracket, opener, place.line, closing(opener))};
    open_.pop_back();
    begins_ = false;
    advance();
    return {};
  }

  // The text of | and >: lines deeper than the one it begins in.
  std::optional<YamlFault> block() {
    const auto depth_of = [&](std::size_t line) {
      std::size_t depth = 0;
      while (line + depth < text_.size() && text_[line + depth] == ' ') ++depth;
      return depth;
    };
    const std::size_t newline = text_.rfind('\n', at_);
    const std::size_t depth = depth_of(newline == std::string::npos ? 0 : newline + 1);
    skip_line();
    while (at_ < text_.size()) {
      advance();  // the newline
      const std::size_t inner = depth_of(at_);
      const bool blank = at_ + inner >= text_.size() || text_[at_ + inner] == '\n';
      if (!blank && inner <= depth) break;
      skip_line();
    }
    begins_ = true;
    spaced_ = true;
    return {};
  }

  const std::string& text_;
  std::size_t at_ = 0;
  Place place_;
  bool begins_ = true;  // a value or key may begin here
  bool spaced_ = true;  // a comment may begin here
  std::vector<std::pair<char, Place>> open_;
};

struct Words {
  std::string_view said;  // by yaml-cpp 0.7
  const char* message;
};

constexpr Words kWords[] = {
    {"illegal map value",
     "a key can't stand here: is the ':' missing in the line above, or are there two in this one (then quote "
     "the value)?"},
    {"illegal map key",
     "a key can't stand here: put it on a line of its own, indented as the keys beside it"},
    {"end of map not found",
     "this line fits no level above it: indent it as the keys that it belongs to, and write 'key: value'"},
    {"end of sequence not found",
     "this line fits no level above it: indent it as the '- ' items of its list"},
    {"illegal block entry",
     "a list item can't stand here: put each '- ' on a line of its own under its key, or write [ a, b ]"},
    {"illegal flow end", "this bracket closes nothing: remove it, or write the one that opens"},
    {"end of map flow not found", "a comma or } is missing before this"},
    {"end of sequence flow not found", "a comma or ] is missing before this"},
    {"unknown token", "a value can't begin with this character: quote the value"},
    {"unknown escape character",
     "in double quotes \\ begins an escape: write \\\\ for it, or use single quotes"},
    {"bad character found while scanning hex number", "an escape \\x or \\u takes hexadecimal digits"},
    {"the referenced anchor is not defined", "no anchor of this name (&name) stands above this alias"},
    {"illegal EOF in scalar", "the file ends inside a quoted text: close the quote"},
    {"illegal tab when looking for indentation", "a tab indents this line: YAML indents by spaces only"},
    {"illegal document indicator in scalar", "--- or ... inside a quoted text: close the quote before it"},
    {"cannot assign multiple", "two tags, anchors or aliases on one value: keep one"},
    {"aliases can't have any content", "an alias (*name) stands alone: remove what follows it"},
    {"alias not found after *", "* begins an alias: quote the value if it is meant as text"},
    {"anchor not found after &", "& begins an anchor: quote the value if it is meant as text"},
    {"illegal character found while scanning",
     "this character can't stand in a name of an alias, anchor or tag"},
    {"cannot set zero indentation", "| and > take an indentation of 1 to 9"},
    {"unexpected character in block scalar",
     "after | or > the line ends: write the text into the next lines"},
};

}  // namespace

YamlFault explain(const std::string& text, const std::string& said, Place at) {
  if (const auto tab = tab_indent(text, at.line, at.file))
    return {*tab, "a tab indents this line: YAML indents by spaces only"};
  if (const auto address = unquoted_address(text, at.line, at.file))
    return {*address, "quote this address: [ opens a list in YAML, write \"[::]:8080\""};
  const bool unfinished = said.find("flow not found") != std::string::npos ||
                          said.starts_with("illegal EOF") || said.starts_with("illegal flow end");
  if (unfinished) {
    if (auto fault = Brackets(text, at.file).fault()) return *fault;
  }
  for (const Words& words : kWords) {
    if (said.starts_with(words.said)) return {at, fmt::format("not valid YAML: {}", words.message)};
  }
  return {at, "not valid YAML: look at the quotes, brackets and indentation here"};
}

}  // namespace headgate::config

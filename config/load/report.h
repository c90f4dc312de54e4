// Collects what is wrong with a map: every error in one go, each with its place, sorted and without repeats.
// Threading: owned by one thread.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "config/load/load.h"

namespace headgate::config {

// Where a value stands. file counts in the order of Report::add_file.
struct Place {
  int file = 0;
  int line = 0;
  int column = 0;
};

class Report {
 public:
  int add_file(std::string shown_name);
  void error(Place place, std::string message);
  void warning(Place place, std::string message);
  bool has_errors() const { return has_errors_; }
  const std::string& file_name(int file) const { return files_.at(static_cast<std::size_t>(file)); }
  // "FILE:LINE" of a place, for messages that point at a second one.
  std::string where(Place place) const;
  // In order of file and place; the same message at the same place once (defaults are read for every
  // channel).
  std::vector<Diagnostic> take() const;

 private:
  struct Entry {
    Place place;
    Severity severity;
    std::string message;
  };
  std::vector<std::string> files_;
  void add(Place place, Severity severity, std::string message);
  std::vector<Entry> entries_;
  std::set<std::tuple<int, int, int, std::string>> known_;
  bool has_errors_ = false;
};

// " (did you mean 'x'?)" where one of the known names is near, else "".
std::string suggestion(std::string_view wrong, const std::vector<std::string>& known);

// Text of the map as it may stand in a message: one line, bounded, control characters replaced.
std::string shown(std::string_view text);

}  // namespace headgate::config

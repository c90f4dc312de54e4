// A page of metrics, taken apart.
#pragma once

#include <sstream>
#include <string>
#include <vector>

namespace headgate::catalogue {

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

inline std::vector<std::string> samples_of(const std::string& text) {
  std::vector<std::string> samples = lines_of(text);
  std::erase_if(samples, [](const std::string& line) { return line.starts_with('#'); });
  return samples;
}

inline bool has(const std::string& text, const std::string& line) {
  return text.find(line) != std::string::npos;
}

}  // namespace headgate::catalogue

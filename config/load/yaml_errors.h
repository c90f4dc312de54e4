// What is wrong with a text that yaml-cpp refused, in words for whoever edits it at night: the place where
// the mistake is, not where the parser noticed it, and what to write instead. Pure. Threading: none.
#pragma once

#include <string>

#include "config/load/report.h"

namespace headgate::config {

struct YamlFault {
  Place place;
  std::string message;
};

// `said`: the parser's own words; `at`: where it stopped.
YamlFault explain(const std::string& text, const std::string& said, Place at);

}  // namespace headgate::config

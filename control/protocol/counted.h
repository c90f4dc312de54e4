// "1 channel", "2 channels": for sentences that people read. Threading: pure.
#pragma once

#include <cstdint>
#include <string>

namespace headgate::protocol {

inline std::string counted(std::uint64_t count, const std::string& word) {
  const bool es = word.ends_with('x') || word.ends_with('s');
  return std::to_string(count) + " " + word + (count == 1 ? "" : es ? "es" : "s");
}

}  // namespace headgate::protocol

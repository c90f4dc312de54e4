#include "control/cli/did_you_mean.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace headgate::control {
namespace {

// Edits (insert, delete, replace) that turn a into b.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string did_you_mean(const std::string& typed, const std::vector<std::string>& known,
                         const std::string& otherwise) {
  constexpr std::size_t kLongest = 64;
  if (typed.size() <= kLongest) {
    std::size_t best = std::min<std::size_t>(3, std::max<std::size_t>(typed.size(), 2));
    const std::string* near = nullptr;
    for (const std::string& word : known) {
      if (typed.size() >= 2 && word.starts_with(typed)) return "; did you mean " + word + "?";
      if (const std::size_t edits = distance(typed, word); edits < best) {
        best = edits;
        near = &word;
      }
    }
    if (near != nullptr) return "; did you mean " + *near + "?";
  }
  return "; " + otherwise;
}

}  // namespace headgate::control

// Each folder of golden/ is a case: headgate.yaml, channels.yaml, and what the loader says of them in
// expected.txt. HEADGATE_GOLDEN_UPDATE=1 rewrites expected.txt.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/load/load.h"

namespace headgate::config {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> cases() {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(HEADGATE_GOLDEN_DIR)) {
    if (entry.is_directory()) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

// One line a diagnostic, with paths relative to the case, then the verdict.
std::string rendered(const fs::path& folder) {
  const std::string prefix = folder.string() + "/";
  const LoadResult result = load(prefix + "headgate.yaml");
  std::string out;
  for (const Diagnostic& diagnostic : result.diagnostics) out += to_string(diagnostic) + "\n";
  out += result.ok() ? "valid\n" : "invalid\n";
  for (std::size_t at = 0; (at = out.find(prefix, at)) != std::string::npos;) out.erase(at, prefix.size());
  return out;
}

TEST(Golden, EachMapGivesItsMessages) {
  const bool update = std::getenv("HEADGATE_GOLDEN_UPDATE") != nullptr;
  for (const fs::path& folder : cases()) {
    SCOPED_TRACE(folder.filename().string());
    // What a checkout does not keep.
    for (const auto& file : fs::directory_iterator(folder)) {
      const bool secret = file.path().extension().empty();
      if (secret) fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
    }
    const std::string got = rendered(folder);
    if (update) std::ofstream(folder / "expected.txt", std::ios::binary) << got;
    EXPECT_EQ(got, read_file(folder / "expected.txt"));
  }
}

TEST(Golden, HasAtLeast30WrongMapsAnd8RightOnes) {
  int wrong = 0, right = 0;
  for (const fs::path& folder : cases()) {
    const std::string expected = read_file(folder / "expected.txt");
    const bool invalid = expected.find("error: ") != std::string::npos;
    ++(invalid ? wrong : right);
    EXPECT_EQ(expected.ends_with("invalid\n"), invalid) << folder;
  }
  EXPECT_GE(wrong, 30);
  EXPECT_GE(right, 8);
}

// The map with every key that was ever promised: what is not built is refused with that word, and nothing is
// unknown.
TEST(Golden, KnowsEveryKey) {
  std::istringstream lines(read_file(fs::path(HEADGATE_GOLDEN_DIR) / "087-every-key" / "expected.txt"));
  int refused = 0;
  for (std::string line; std::getline(lines, line);) {
    const bool later = line.find("not supported yet") != std::string::npos;
    refused += later ? 1 : 0;
    EXPECT_TRUE(later || line.find("can't read") != std::string::npos || line == "invalid") << line;
  }
  EXPECT_GT(refused, 10);
}

TEST(Examples, LoadWithoutErrorOrWarning) {
  for (const char* name : {"headgate.yaml", "minimal/headgate.yaml", "way-back/headgate.yaml"}) {
    const LoadResult result = load(std::string(HEADGATE_EXAMPLES_DIR) + "/" + name);
    EXPECT_TRUE(result.ok());
    for (const Diagnostic& diagnostic : result.diagnostics) ADD_FAILURE() << to_string(diagnostic);
  }
}

}  // namespace
}  // namespace headgate::config

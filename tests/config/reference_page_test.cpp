// docs/channel-map.md holds the reference that the parser's tables print. HEADGATE_GOLDEN_UPDATE=1 rewrites
// it there.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "config/load/load.h"

namespace headgate::config {
namespace {

constexpr const char* kPage = HEADGATE_EXAMPLES_DIR "/../../docs/channel-map.md";
constexpr const char* kBegin = "<!-- reference: begin -->\n";
constexpr const char* kEnd = "<!-- reference: end -->";

// One level deeper than where it stands alone.
std::string as_on_the_page() {
  std::string out = reference();
  for (std::size_t at = 0; (at = out.find("## ", at)) != std::string::npos; at += 4) out.insert(at, "#");
  return out;
}

TEST(ReferencePage, IsWhatTheTablesSay) {
  std::stringstream text;
  text << std::ifstream(kPage, std::ios::binary).rdbuf();
  std::string page = text.str();
  const std::size_t marker = page.find(kBegin);
  const std::size_t end = page.find(kEnd);
  ASSERT_TRUE(marker != std::string::npos && end != std::string::npos && marker < end) << kPage;
  const std::size_t begin = marker + std::string(kBegin).size();
  EXPECT_EQ(page.substr(begin, end - begin), as_on_the_page())
      << "write it anew: HEADGATE_GOLDEN_UPDATE=1 config_test --gtest_filter='ReferencePage*'";
  if (std::getenv("HEADGATE_GOLDEN_UPDATE") != nullptr) {
    page.replace(begin, end - begin, as_on_the_page());
    std::ofstream(kPage, std::ios::binary) << page;
  }
}

}  // namespace
}  // namespace headgate::config

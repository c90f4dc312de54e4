// The tables of every capture as this library reads them, against files that tests/e2e/test_tables.py holds
// against other programs' reading. HEADGATE_GOLDEN_UPDATE=1 writes them anew.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "table_dump.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

TEST(TableGolden, TheTablesOfEveryCaptureAreAsTheyWere) {
  const char* directory = std::getenv("HEADGATE_STREAMS");
  if (directory == nullptr || *directory == '\0') GTEST_SKIP() << "HEADGATE_STREAMS names no captures";
  std::size_t captures = 0;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    if (file.path().extension() != ".ts") continue;
    const auto bytes = test::capture(file.path().filename());
    ASSERT_TRUE(bytes) << file.path();
    ++captures;
    const std::string text = test::dump_tables(*bytes);
    const std::string path =
        std::string(HEADGATE_MPEGTS_GOLDEN_DIR) + "/" + file.path().stem().string() + ".tables.txt";
    if (std::getenv("HEADGATE_GOLDEN_UPDATE") != nullptr) {
      std::ofstream(path) << text;
      continue;
    }
    std::ostringstream golden;
    golden << std::ifstream(path).rdbuf();
    EXPECT_EQ(golden.str(), text) << path;
  }
  EXPECT_GT(captures, 0U);
}

}  // namespace
}  // namespace headgate::mpegts

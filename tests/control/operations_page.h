// The tables of docs/operations.md that are made of the catalogue: compared, or with HEADGATE_GOLDEN_UPDATE=1
// written.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace headgate::catalogue {

inline std::string text_of(std::string_view view) { return std::string(view); }

inline void expect_on_page(const std::string& name, const std::string& table) {
  std::stringstream read;
  read << std::ifstream(OPERATIONS_PAGE, std::ios::binary).rdbuf();
  std::string page = read.str();
  const std::string opens = "<!-- generated: " + name + " -->\n";
  const auto marker = page.find(opens);
  ASSERT_NE(marker, std::string::npos) << OPERATIONS_PAGE << " has no " << opens;
  const auto begin = marker + opens.size(), end = page.find("<!-- end -->", begin);
  ASSERT_NE(end, std::string::npos);
  if (std::getenv("HEADGATE_GOLDEN_UPDATE") != nullptr) {
    page.replace(begin, end - begin, table);
    std::ofstream(OPERATIONS_PAGE, std::ios::binary) << page;
    return;
  }
  EXPECT_EQ(page.substr(begin, end - begin), table) << "write it anew: HEADGATE_GOLDEN_UPDATE=1 alarm_test "
                                                       "--gtest_filter='Catalogue*:MetricTable*:Series*'";
}

}  // namespace headgate::catalogue

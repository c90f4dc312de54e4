#include "dataplane/bridge/net/text.h"

#include <gtest/gtest.h>

namespace headgate::bridge::net {
namespace {

TEST(NetText, ShowsPrintableCharactersAlone) {
  EXPECT_EQ(printable("a\nb\x7f\xc3\xa9 c", 100), "a?b??? c");
  EXPECT_EQ(printable("abcdef", 3), "abc");
}

TEST(NetText, TakesPercentEncodingBackOnce) {
  EXPECT_EQ(percent_decoded("a%2Fb%2fc"), "a/b/c");
  EXPECT_EQ(percent_decoded("%2541"), "%41");
  EXPECT_EQ(percent_decoded(""), "");
  for (const char* bad : {"%", "%4", "a%zz", "%4g", "ab%"})
    EXPECT_EQ(percent_decoded(bad), std::nullopt) << bad;
}

TEST(NetText, KnowsControlCharacters) {
  EXPECT_TRUE(has_control("a\tb"));
  EXPECT_TRUE(has_control("\x7f"));
  EXPECT_FALSE(has_control("a b\xc3\xa9"));
}

}  // namespace
}  // namespace headgate::bridge::net

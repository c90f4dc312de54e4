#include "dataplane/bridge/hub/payload.h"

#include <gtest/gtest.h>

namespace headgate::bridge::hub {
namespace {

// A header with a PTS, then three bytes.
std::vector<std::uint8_t> pes(std::uint8_t length) {
  return {0, 0, 1, 0xC0, 0, length, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1, 'a', 'b', 'c'};
}

std::string payload(const std::vector<std::uint8_t>& bytes) {
  const auto view = view_pes(bytes);
  return view ? std::string(view->payload.begin(), view->payload.end()) : "none";
}

TEST(PesView, EndsWhereItsLengthSays) {
  EXPECT_EQ(payload(pes(11)), "abc");
  EXPECT_EQ(payload(pes(9)), "a");
  EXPECT_EQ(payload(pes(0)), "abc");    // no length
  EXPECT_EQ(payload(pes(200)), "abc");  // longer than what is there
}

TEST(PesView, IsNoneWhereTheHeaderLeadsOutside) {
  EXPECT_EQ(payload(pes(7)), "none");
  EXPECT_EQ(payload({0, 0, 2, 0xC0, 0, 0, 0x80, 0x80, 5}), "none");
  EXPECT_EQ(payload({}), "none");
}

}  // namespace
}  // namespace headgate::bridge::hub

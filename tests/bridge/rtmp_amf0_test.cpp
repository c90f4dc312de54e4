#include "dataplane/bridge/rtmp/amf0.h"

#include <gtest/gtest.h>

namespace headgate::bridge::rtmp {
namespace {

using Bytes = std::vector<std::uint8_t>;

TEST(RtmpAmf0, ReadsEveryTypeThatPlayersSend) {
  const Bytes bytes{0x00, 0x3F, 0xF0, 0,    0,    0,    0,    0,    0,  // 1.0
                    0x01, 1,                                            // true
                    0x02, 0,    2,    'h',  'i',                        // "hi"
                    0x05, 0x06, 0x0D,                                   // null, undefined, unsupported
                    0x03, 0,    1,    'a',  0x05, 0,    0,    9,        // {a: null}
                    0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0,    1,    'b',  0x05, 0, 0, 9,   // a count that lies
                    0x0A, 0,    0,    0,    2,    0x05, 0x01, 0,                     // [null, false]
                    0x0B, 0x40, 0,    0,    0,    0,    0,    0,    0,    0, 0,      // date 2.0
                    0x0C, 0,    0,    0,    1,    'l',                               // long string
                    0x0F, 0,    0,    0,    1,    'x',                               // XML
                    0x10, 0,    1,    'C',  0,    1,    'm',  0x01, 1,    0, 0, 9};  // typed object
  const auto values = parse_amf0(bytes);
  ASSERT_TRUE(values);
  ASSERT_EQ(values->size(), 13U);
  EXPECT_EQ((*values)[0].number, 1.0);
  EXPECT_EQ((*values)[1].number, 1.0);
  EXPECT_EQ((*values)[2].text, "hi");
  EXPECT_NE((*values)[6].find("a"), nullptr);
  EXPECT_NE((*values)[7].find("b"), nullptr);
  EXPECT_EQ((*values)[8].members.size(), 2U);
  EXPECT_EQ((*values)[9].number, 2.0);
  EXPECT_EQ((*values)[10].text, "l");
  EXPECT_EQ((*values)[10].type, Amf0Type::string);
  EXPECT_EQ((*values)[11].text, "x");
  EXPECT_EQ((*values)[12].text, "C");
  EXPECT_NE((*values)[12].find("m"), nullptr);
}

TEST(RtmpAmf0, RefusesTruncatedValuesAtEveryByte) {
  const Bytes whole = Amf0Writer()
                          .string("connect")
                          .number(1)
                          .object()
                          .key("app")
                          .string("live")
                          .key("list")
                          .ecma_array(1)
                          .key("x")
                          .boolean(true)
                          .end()
                          .end()
                          .take();
  ASSERT_TRUE(parse_amf0(whole));
  std::size_t complete = 0;
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const auto values = parse_amf0(std::span(whole).first(size));
    if (values) {
      ++complete;  // the cut is between two values
    } else {
      EXPECT_EQ(values.error(), Amf0Error::truncated);
    }
  }
  EXPECT_EQ(complete, 2U);
}

TEST(RtmpAmf0, LimitsDepthAndCount) {
  Bytes deep;
  for (int i = 0; i < 1000; ++i) deep.insert(deep.end(), {0x03, 0, 1, 'a'});
  const auto too_deep = parse_amf0(deep);
  ASSERT_FALSE(too_deep);
  EXPECT_EQ(too_deep.error(), Amf0Error::too_deep);
  Bytes many{0x0A, 0xFF, 0xFF, 0xFF, 0xFF};
  many.insert(many.end(), 5000, 0x05);
  const auto too_many = parse_amf0(many);
  ASSERT_FALSE(too_many);
  EXPECT_EQ(too_many.error(), Amf0Error::too_many_values);
}

TEST(RtmpAmf0, RefusesReferencesAndAmf3) {
  for (const int marker : {7, 17, 18, 200}) {
    const auto values = parse_amf0(Bytes{static_cast<std::uint8_t>(marker), 0, 0});
    ASSERT_FALSE(values);
    EXPECT_EQ(values.error(), Amf0Error::unknown_marker);
  }
}

TEST(RtmpAmf0, WritesKnownBytes) {
  const Bytes bytes =
      Amf0Writer().string("a").number(-2).null().object().key("k").boolean(false).end().take();
  EXPECT_EQ(bytes, (Bytes{2, 0, 1, 'a', 0, 0xC0, 0, 0, 0, 0, 0, 0, 0, 5, 3, 0, 1, 'k', 1, 0, 0, 0, 9}));
  const std::string text(70'000, 'x');
  const Bytes long_text = Amf0Writer().string(text).take();
  EXPECT_EQ(long_text[0], 12);
  EXPECT_EQ((*parse_amf0(long_text))[0].text, text);
}

}  // namespace
}  // namespace headgate::bridge::rtmp

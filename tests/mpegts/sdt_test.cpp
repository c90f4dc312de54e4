#include "mpegts/si/sdt.h"

#include <gtest/gtest.h>

#include <string_view>

namespace headgate::mpegts {
namespace {

std::string text(std::string_view bytes) {
  return dvb_text_to_utf8({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

TEST(DvbText, DecodesTheTablesOfAnnexA) {
  using namespace std::string_view_literals;
  const struct {
    std::string_view bytes;
    std::string_view utf8;
  } cases[] = {
      {""sv, ""},
      {"Rai 1 HD"sv, "Rai 1 HD"},
      {"T\xC2"
       "el\xC2"
       "e"sv,
       "T\u00e9l\u00e9"},  // table 00: the accent stands before its letter
      {"\xC8"
       "u\xCB"
       "c\xCF"
       "z"sv,
       "\u00fc\u00e7\u017e"},
      {"\xC3"
       "q"sv,
       "q\u0302"},  // no precomposed form
      {"\xA4"
       "5"sv,
       "\u20ac5"},  // the euro sign of figure A.1
      {"\xF9"
       "\xFB"sv,
       "\u00f8\u00df"},
      {"\x01\xBF\xD5\xE0"sv, "\u041f\u0435\u0440"},  // ISO 8859-5
      {"\x03\xC7"sv, "\u0397"},                      // ISO 8859-7
      {"\x05\xD0"sv, "\u011e"},                      // ISO 8859-9
      {"\x0B\xA4"sv, "\u20ac"},                      // ISO 8859-15
      {"\x10\x00\x05\xBF"sv, "\u041f"},
      {"\x10\x00\x01\xE9"sv, "\u00e9"},
      {"\x11\x04\x1F\x00\x41"sv, "\u041fA"},
      {"\x11\x04"sv, "\ufffd"},
      {"\x15\xC3\xA9\xE2\x82\xAC"sv, "\u00e9\u20ac"},
      {"\x15\xC3"sv, "\ufffd"},
      {"\x15\xED\xA0\x80"sv, "\ufffd"},
      {"\x15\xEE\x82\x86x\xEE\x82\x87"sv, "x"},  // U+E086, U+E087: emphasis
      {"\x86"
       "A\x87\x8A"
       "B"sv,
       "A\nB"},
      {"\x13\xB0\xA1"sv, "\ufffd"},  // GB 2312 is not carried
      {"\x08\x41"sv, "\ufffd"},      // reserved
  };
  for (const auto& c : cases) EXPECT_EQ(text(c.bytes), c.utf8);
}

TEST(Sdt, SurvivesRoundTripAndNamesItsService) {
  Sdt sdt;
  sdt.transport_stream_id = 1;
  sdt.original_network_id = 0x20FA;
  sdt.version = 3;
  SdtService service;
  service.service_id = 8803;
  service.flags = 1;
  service.running_status = 4;
  service.free_ca_mode = true;
  service.descriptors.bytes = {0x48, 9, 0x19, 3, 'O', 'R', 'F', 3, 'O', 'N', 'E'};
  sdt.services = {service};
  const auto again = Sdt::parse(sdt.to_section());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->services, sdt.services);
  EXPECT_EQ(again->original_network_id, 0x20FA);
  EXPECT_EQ(again->services[0].name(), "ONE");
  EXPECT_EQ(again->services[0].provider(), "ORF");
  EXPECT_EQ(again->services[0].service_type(), 0x19);
}

TEST(DvbText, IsWrittenSoThatItReadsTheSame) {
  for (const std::string text : {"", "News HD", "Prüfbild", "Новости", "ニュース"}) {
    EXPECT_EQ(dvb_text_to_utf8(utf8_to_dvb_text(text, 200)), text);
  }
  EXPECT_EQ(utf8_to_dvb_text("News", 200), (std::vector<std::uint8_t>{'N', 'e', 'w', 's'}));
  EXPECT_EQ(utf8_to_dvb_text("a\nb", 200), (std::vector<std::uint8_t>{'a', 'b'}));
}

// Tables A.3 and figure A.1 by hand.
TEST(DvbText, IsWrittenInTheTableThatMostReceiversHave) {
  using Bytes = std::vector<std::uint8_t>;
  EXPECT_EQ(utf8_to_dvb_text("Zürich", 200), (Bytes{0x05, 'Z', 0xFC, 'r', 'i', 'c', 'h'}));
  EXPECT_EQ(utf8_to_dvb_text("5 €", 200), (Bytes{0x0B, '5', ' ', 0xA4}));
  EXPECT_EQ(utf8_to_dvb_text("Мир", 200), (Bytes{0x01, 0xBC, 0xD8, 0xE0}));
  EXPECT_EQ(utf8_to_dvb_text("Ωα", 200), (Bytes{0x03, 0xD9, 0xE1}));
  EXPECT_EQ(utf8_to_dvb_text("ČT řeč", 200), (Bytes{0xCF, 'C', 'T', ' ', 0xCF, 'r', 'e', 0xCF, 'c'}));
  EXPECT_EQ(utf8_to_dvb_text("Łódź", 200), (Bytes{0xE8, 0xC2, 'o', 'd', 0xC2, 'z'}));
  EXPECT_EQ(utf8_to_dvb_text("日", 200), (Bytes{0x15, 0xE6, 0x97, 0xA5}));
  EXPECT_EQ(utf8_to_dvb_text("ČЖ", 200)[0], 0x15);  // of two alphabets
}

TEST(DvbText, IsReadAsWrittenForEveryCharacterOfTheBasicPlane) {
  for (std::uint32_t code = 0xA0; code < 0xFFFD; ++code) {
    if ((code >= 0xD800 && code < 0xF900)) continue;  // surrogates, private use
    std::string text;
    if (code >= 0x800) {
      text += static_cast<char>(0xE0 | code >> 12);
      text += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    } else {
      text += static_cast<char>(0xC0 | code >> 6);
    }
    text += static_cast<char>(0x80 | (code & 0x3F));
    ASSERT_EQ(dvb_text_to_utf8(utf8_to_dvb_text(text, 10)), text) << code;
  }
}

TEST(DvbText, IsCutAtACharacter) {
  for (const std::string letter : {"ä", "č", "日"}) {
    std::string ten;
    for (int i = 0; i < 10; ++i) ten += letter;
    for (std::size_t limit = 0; limit < 40; ++limit) {
      const auto text = utf8_to_dvb_text(ten, limit);
      EXPECT_LE(text.size(), limit);
      const std::string read = dvb_text_to_utf8(text);
      EXPECT_TRUE(ten.starts_with(read)) << limit << ": " << read;
      EXPECT_TRUE(limit < 4 || !read.empty()) << limit;
    }
  }
}

TEST(ServiceDescriptor, HoldsNamesOfAnyLength) {
  SdtService service;
  service.descriptors.bytes = service_descriptor(0x19, "Example", "Prüfbild");
  EXPECT_EQ(service.name(), "Prüfbild");
  EXPECT_EQ(service.provider(), "Example");
  EXPECT_EQ(service.service_type(), 0x19);
  service.descriptors.bytes = service_descriptor(0x19, std::string(300, 'p'), std::string(300, 'n'));
  EXPECT_EQ(service.descriptors.bytes.size(), 257U);
  EXPECT_EQ(service.provider(), std::string(80, 'p'));
  EXPECT_EQ(service.name(), std::string(172, 'n'));
}

TEST(SdtService, HasNoNameWhereItsLengthsLie) {
  SdtService service;
  for (const std::vector<std::uint8_t>& body :
       {std::vector<std::uint8_t>{0x48, 0}, {0x48, 2, 1, 9}, {0x48, 3, 1, 0, 5}, {0x48, 2, 1, 0}}) {
    service.descriptors.bytes = body;
    EXPECT_EQ(service.name(), "");
  }
}

}  // namespace
}  // namespace headgate::mpegts

// CAT, NIT, BAT, EIT, TDT and TOT. The sections are made by hand, so that no test depends on the code it
// tests; their CRC is the one thing that is not.
#include <gtest/gtest.h>

#include "mpegts/psi/cat.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/section_edit.h"
#include "mpegts/si/eit.h"
#include "mpegts/si/nit.h"
#include "mpegts/si/si_time.h"
#include "mpegts/si/tdt.h"

namespace headgate::mpegts {
namespace {

using Bytes = std::vector<std::uint8_t>;

// With room for the CRC added.
Bytes sealed(Bytes section) {
  section.resize(section.size() + 4);
  section[1] = static_cast<std::uint8_t>((section[1] & 0xF0) | (section.size() - 3) >> 8);
  section[2] = static_cast<std::uint8_t>(section.size() - 3);
  seal(section);
  return section;
}

TEST(SiTime, ReadsTheExampleOfAnnexC) {
  // 1993-10-13 12:45:00 is 0xC079124500 (EN 300 468 5.2.4).
  const std::array<std::uint8_t, 5> example{0xC0, 0x79, 0x12, 0x45, 0x00};
  EXPECT_EQ(si_time(example), 750516300);
  std::array<std::uint8_t, 5> written{};
  put_si_time(written, 750516300);
  EXPECT_EQ(written, example);
  // 01:45:30 is 0x014530.
  EXPECT_EQ(bcd_duration(std::array<std::uint8_t, 3>{0x01, 0x45, 0x30}), 6330U);
}

TEST(SiTime, UndefinedAndImpossibleTimesAreNone) {
  EXPECT_FALSE(si_time(std::array<std::uint8_t, 5>{0xFF, 0xFF, 0xFF, 0xFF, 0xFF}));
  EXPECT_FALSE(si_time(std::array<std::uint8_t, 5>{0xC0, 0x79, 0x24, 0x00, 0x00}));
  EXPECT_FALSE(si_time(std::array<std::uint8_t, 5>{0xC0, 0x79, 0x12, 0x60, 0x00}));
  EXPECT_FALSE(bcd_duration(std::array<std::uint8_t, 3>{0x0A, 0x00, 0x00}));
  EXPECT_EQ(bcd_duration(std::array<std::uint8_t, 3>{0x99, 0x59, 0x59}), 99U * 3600 + 59 * 60 + 59);
}

TEST(Cat, ReadsAndWritesItsDescriptors) {
  const Bytes section = sealed({0x01, 0xB0, 0, 0xFF, 0xFF, 0xC7, 0, 0, 0x09, 4, 0x01, 0x00, 0xE0, 0xC0});
  const auto cat = Cat::parse(section);
  ASSERT_TRUE(cat);
  EXPECT_EQ(cat->version, 3);
  EXPECT_EQ(cat->descriptors.bytes.size(), 6U);
  EXPECT_EQ(cat->to_section(), section);
}

TEST(Nit, ReadsAndWritesNetworksAndBouquets) {
  const auto section = [](std::uint8_t table_id, std::uint8_t name_tag) {
    return sealed({table_id, 0xF0, 0, 0x31, 0x04, 0xD5, 0,    0, 0xF0, 5, name_tag, 3,    'M',  'u', 'x',
                   0xF0,     13,   4, 0xFF, 0x31, 0x17, 0xF0, 7, 0x83, 5, 0x0D,     0x49, 0xFC, 21,  0});
  };
  for (const std::uint8_t table_id : std::initializer_list<std::uint8_t>{0x40, 0x41, 0x4A}) {
    const Bytes bytes = section(table_id, table_id == 0x4A ? 0x47 : 0x40);
    const auto nit = Nit::parse(bytes);
    ASSERT_TRUE(nit);
    EXPECT_EQ(nit->id, 0x3104);
    EXPECT_EQ(nit->version, 10);
    EXPECT_EQ(nit->name(), "Mux");
    ASSERT_EQ(nit->streams.size(), 1U);
    EXPECT_EQ(nit->streams[0].transport_stream_id, 0x04FF);
    EXPECT_EQ(nit->streams[0].original_network_id, 0x3117);
    EXPECT_EQ(nit->to_section(), bytes);
  }
  EXPECT_EQ(Nit::parse(section(0x4A, 0x47))->kind, Nit::Kind::bouquet);
  Bytes short_loop = section(0x40, 0x40);
  short_loop[16] = 14;  // longer than the section
  EXPECT_FALSE(Nit::parse(short_loop));
}

TEST(Tdt, ReadsAndWritesUtc) {
  const Bytes section{0x70, 0x70, 0x05, 0xC0, 0x79, 0x12, 0x45, 0x00};
  const auto tdt = Tdt::parse(section);
  ASSERT_TRUE(tdt);
  EXPECT_EQ(tdt->unix_s, 750516300);
  EXPECT_EQ(tdt->to_section(), section);
  EXPECT_FALSE(Tdt::parse(std::span{section}.first(7)));
}

TEST(Tot, HasACrcThatItsHeaderDoesNotAnnounce) {
  // A local_time_offset_descriptor of Italy: +2 h, then +1 h.
  Bytes section = sealed({0x73, 0x70, 0,    0xC0, 0x79, 0x12, 0x45, 0x00, 0xF0, 15,   0x58, 13,  'I',
                          'T',  'A',  0x02, 0x02, 0x00, 0xC0, 0x79, 0x01, 0x00, 0x00, 0x01, 0x00});
  const auto tot = Tot::parse(section);
  ASSERT_TRUE(tot);
  EXPECT_EQ(tot->unix_s, 750516300);
  EXPECT_EQ(tot->descriptors.bytes.size(), 15U);
  EXPECT_EQ(tot->to_section(), section);
  section[10] ^= 1;
  EXPECT_FALSE(Tot::parse(section)) << "a wrong CRC";
}

Bytes eit_section() {
  return sealed({0x4E, 0xF0, 0, 0x0D, 0x49, 0xC3, 1, 1, 0x04, 0xFF, 0x31, 0x17, 1, 0x4E,
                 // an event with a name, and one without a time
                 0x12, 0x34, 0xC0, 0x79, 0x12, 0x45, 0, 1, 0x45, 0x30, 0x90, 14, 0x4D, 12, 'i', 't', 'a', 2,
                 'T', 'G', 5, 'N', 'e', 'w', 's', '!',  //
                 0x12, 0x35, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x20, 0});
}

TEST(Eit, ReadsHeaderAndEvents) {
  const Bytes section = eit_section();
  const auto header = eit_header(section);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->service_id, 3401);
  EXPECT_EQ(header->version, 1);
  EXPECT_EQ(header->transport_stream_id, 0x04FF);
  EXPECT_EQ(header->original_network_id, 0x3117);
  EXPECT_EQ(header->segment_last_section_number, 1);
  EXPECT_EQ(header->last_table_id, 0x4E);
  const auto events = eit_events(section);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].event_id, 0x1234);
  EXPECT_EQ(events[0].start_unix_s, 750516300);
  EXPECT_EQ(events[0].duration_s, 6330U);
  EXPECT_EQ(events[0].running_status, 4);
  EXPECT_TRUE(events[0].free_ca_mode);
  EXPECT_EQ(events[0].name(), "TG");
  EXPECT_EQ(events[0].text(), "News!");
  EXPECT_FALSE(events[1].start_unix_s);
  EXPECT_FALSE(events[1].duration_s);
  EXPECT_EQ(events[1].name(), "");
}

TEST(Eit, RewritesItsHeaderAndNothingElse) {
  Bytes section = eit_section();
  auto header = *eit_header(section);
  header.service_id = 77;
  header.transport_stream_id = 2;
  header.original_network_id = 3;
  header.version = 31;
  write_eit_header(section, header);
  EXPECT_EQ(crc32_mpeg(section), 0U);
  EXPECT_EQ(eit_header(section), header);
  const Bytes before = eit_section();
  EXPECT_TRUE(std::equal(before.begin() + 14, before.end() - 4, section.begin() + 14));
}

TEST(Eit, KnowsItsTables) {
  EXPECT_TRUE(is_eit_actual(0x4E) && is_eit_actual(0x50) && is_eit_actual(0x5F));
  EXPECT_FALSE(is_eit_actual(0x4F) || is_eit_actual(0x60) || is_eit_actual(0x42));
  EXPECT_TRUE(is_eit_schedule(0x6F));
  EXPECT_FALSE(is_eit_schedule(0x4E) || is_eit_schedule(0x70));
}

}  // namespace
}  // namespace headgate::mpegts

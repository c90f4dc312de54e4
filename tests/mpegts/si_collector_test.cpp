// What tables say, out of sections made by hand.
#include "mpegts/monitor/si_collector.h"

#include <gtest/gtest.h>

#include "mpegts/psi/section_edit.h"
#include "mpegts/si/ca_systems.h"

namespace headgate::mpegts {
namespace {

using SectionBytes = std::vector<std::uint8_t>;

SectionBytes whole(SectionBytes section) {
  section.resize(section.size() + 4);
  section[1] = static_cast<std::uint8_t>((section[1] & 0xF0) | (section.size() - 3) >> 8);
  section[2] = static_cast<std::uint8_t>(section.size() - 3);
  seal(section);
  return section;
}

// A NIT with these descriptors of its one stream, 0x0401 of 0x20FA.
SectionBytes network(const SectionBytes& descriptors, std::uint8_t version = 1, std::uint8_t table = 0x40) {
  const auto size = static_cast<std::uint8_t>(descriptors.size());
  SectionBytes section{table,
                       0xF0,
                       0,
                       0x30,
                       0x01,
                       static_cast<std::uint8_t>(0xC1 | version << 1),
                       0,
                       0,
                       0xF0,
                       5,
                       0x40,
                       3,
                       'N',
                       'e',
                       't',
                       0xF0,
                       static_cast<std::uint8_t>(size + 6),
                       0x04,
                       0x01,
                       0x20,
                       0xFA,
                       0xF0,
                       size};
  section.insert(section.end(), descriptors.begin(), descriptors.end());
  return whole(section);
}

NetworkStream stream_of(const SectionBytes& descriptors) {
  SiCollector si;
  EXPECT_TRUE(si.on_section(kNitPid, network(descriptors)));
  const SiReport report = si.report();
  EXPECT_EQ(report.networks.size(), 1U);
  EXPECT_EQ(report.networks.at(0).name, "Net");
  return report.networks.at(0).streams.at(0);
}

TEST(SiCollector, ReadsASatelliteDelivery) {
  // 11.75725 GHz, 19.2 E, vertical, DVB-S, QPSK, 27.5 MBd, 3/4 (EN 300 468 6.2.13.2).
  const auto stream = stream_of({0x43, 11, 0x01, 0x17, 0x57, 0x25, 0x01, 0x92, 0xA1, 0x02, 0x75, 0x00, 0x03});
  ASSERT_TRUE(stream.delivery);
  EXPECT_EQ(stream.delivery->system, "DVB-S");
  EXPECT_EQ(stream.delivery->frequency_hz, 11'757'250'000U);
  EXPECT_DOUBLE_EQ(stream.delivery->orbital_position.value(), 19.2);
  EXPECT_EQ(stream.delivery->polarization, "V");
  EXPECT_EQ(stream.delivery->modulation, "QPSK");
  EXPECT_EQ(stream.delivery->symbol_rate, 27'500'000U);
  EXPECT_EQ(stream.delivery->fec, "3/4");
}

TEST(SiCollector, ReadsACableDelivery) {
  // 312 MHz, 64-QAM, 6.875 MBd (6.2.13.1).
  const auto stream = stream_of({0x44, 11, 0x03, 0x12, 0x00, 0x00, 0xFF, 0xF2, 0x03, 0x00, 0x68, 0x75, 0x0F});
  ASSERT_TRUE(stream.delivery);
  EXPECT_EQ(stream.delivery->system, "DVB-C");
  EXPECT_EQ(stream.delivery->frequency_hz, 312'000'000U);
  EXPECT_EQ(stream.delivery->modulation, "64-QAM");
  EXPECT_EQ(stream.delivery->symbol_rate, 6'875'000U);
  EXPECT_EQ(stream.delivery->fec, "none");
}

TEST(SiCollector, ReadsATerrestrialDelivery) {
  // 498 MHz, 8 MHz, 64-QAM, 2/3, 1/4, 8k (6.2.13.4).
  const auto stream = stream_of({0x5A, 11, 0x02, 0xF7, 0xE3, 0x40, 0x1F, 0x81, 0x1A, 0xFF, 0xFF, 0xFF, 0xFF});
  ASSERT_TRUE(stream.delivery);
  EXPECT_EQ(stream.delivery->frequency_hz, 498'000'000U);
  EXPECT_EQ(stream.delivery->bandwidth_hz, 8'000'000U);
  EXPECT_EQ(stream.delivery->modulation, "64-QAM");
  EXPECT_EQ(stream.delivery->fec, "2/3");
  EXPECT_EQ(stream.delivery->guard_interval, "1/4");
  EXPECT_EQ(stream.delivery->transmission_mode, "8k");
}

TEST(SiCollector, ADeliveryThatIsNoBcdOrTooShortIsNone) {
  EXPECT_FALSE(
      stream_of({0x43, 11, 0x0A, 0x17, 0x57, 0x25, 0x01, 0x92, 0xA1, 0x02, 0x75, 0x00, 0x03}).delivery);
  EXPECT_FALSE(stream_of({0x43, 3, 0x01, 0x17, 0x57}).delivery);
}

TEST(SiCollector, ReadsServiceListsAndLogicalChannelsByWhoseTheyAre) {
  const SectionBytes channel{0x83, 8, 0x0D, 0x49, 0xFC, 21, 0x0D, 0x4A, 0x7C, 22};
  const auto with = [&](std::uint32_t specifier) {
    SectionBytes all{0x41,
                     3,
                     0x0D,
                     0x49,
                     0x01,
                     0x5F,
                     4,
                     0,
                     0,
                     static_cast<std::uint8_t>(specifier >> 8),
                     static_cast<std::uint8_t>(specifier)};
    all.insert(all.end(), channel.begin(), channel.end());
    return stream_of(all);
  };
  const auto eacem = with(0x28);
  ASSERT_EQ(eacem.services.size(), 1U);
  EXPECT_EQ(eacem.services[0].service_id, 0x0D49);
  ASSERT_EQ(eacem.channels.size(), 2U);
  EXPECT_EQ(eacem.channels[0].number, 21);
  EXPECT_TRUE(eacem.channels[0].visible);
  EXPECT_EQ(eacem.channels[1].number, 22);
  EXPECT_FALSE(eacem.channels[1].visible);
  EXPECT_EQ(with(0x233A).channels.size(), 2U);
  EXPECT_EQ(with(0x1234).channels.size(), 0U) << "another's private descriptor";
}

TEST(SiCollector, ANewVersionTakesThePlaceOfTheOld) {
  SiCollector si;
  EXPECT_TRUE(si.on_section(kNitPid, network({}, 1)));
  EXPECT_FALSE(si.on_section(kNitPid, network({}, 1))) << "the same again";
  EXPECT_TRUE(si.on_section(kNitPid, network({}, 2)));
  EXPECT_EQ(si.kept(), 1U);
  EXPECT_EQ(si.report().networks.at(0).version, 2);
}

// Service 0x0101 of stream 5 of 0x20FA: an event from 1993-10-13 12:45:00 on for 1:45:30 (EN 300 468 5.2.4).
SectionBytes events(std::uint8_t table, std::uint8_t number, bool any = true) {
  SectionBytes section{table, 0xF0, 0, 0x01, 0x01, 0xC3, number, 1, 0, 5, 0x20, 0xFA, 1, table};
  if (any)
    section.insert(section.end(), {0x12, 0x34, 0xC0, 0x79, 0x12, 0x45, 0x00, 0x01, 0x45, 0x30, 0x80, 11,
                                   0x4D, 9,    'e',  'n',  'g',  4,    'N',  'e',  'w',  's',  0});
  return whole(section);
}

TEST(SiCollector, ReadsWhatIsOnAndWhatFollows) {
  SiCollector si;
  EXPECT_TRUE(si.on_section(kEitPid, events(0x4E, 0)));
  EXPECT_TRUE(si.on_section(kEitPid, events(0x4E, 1, false)));
  const SiReport report = si.report();
  ASSERT_EQ(report.events.size(), 1U);
  ASSERT_TRUE(report.events[0].present);
  EXPECT_FALSE(report.events[0].following);
  const ScheduledEvent& event = *report.events[0].present;
  EXPECT_EQ(event.event_id, 0x1234);
  EXPECT_EQ(event.start_unix_s, 750516300);
  EXPECT_EQ(event.duration_s, 6330U);
  EXPECT_EQ(event.running_status, 4);
  EXPECT_EQ(event.name, "News");
  EXPECT_EQ(event.language, "eng");
}

TEST(SiCollector, CountsWhatIsOnlyCounted) {
  SiCollector si;
  for (const std::uint8_t table : std::initializer_list<std::uint8_t>{0x50, 0x51, 0x4F, 0x60})
    EXPECT_TRUE(si.on_section(kEitPid, events(table, 0)));
  const SiReport report = si.report();
  EXPECT_EQ(report.schedule.events, 2U);
  EXPECT_EQ(report.schedule.services, 1U);
  EXPECT_EQ(report.schedule.until_unix_s, 750516300 + 6330);
  EXPECT_EQ(report.other_present_following.sections, 1U);
  EXPECT_EQ(report.other_schedule.sections, 1U);
}

TEST(SiCollector, TellsTheTimeAndWhenItCame) {
  SiCollector si;
  si.on_section(kTdtPid, SectionBytes{0x70, 0x70, 5, 0xC0, 0x79, 0x12, 0x45, 0x00}, 750516301'000000000);
  ASSERT_TRUE(si.report().time);
  EXPECT_EQ(si.report().time->unix_s, 750516300);
  EXPECT_EQ(si.report().time->arrival_ns, 750516301'000000000);
  // A TOT: Italy an hour ahead, summer time of two from 1993-10-13 12:45 on (6.2.20).
  si.on_section(kTdtPid, whole({0x73, 0x70, 0,    0xC0, 0x79, 0x12, 0x45, 0x01, 0xF0, 15,   0x58, 13,  'I',
                                'T',  'A',  0x02, 0x01, 0x00, 0xC0, 0x79, 0x12, 0x45, 0x00, 0x02, 0x00}));
  EXPECT_EQ(si.report().time->table, "TOT");
  ASSERT_EQ(si.report().offsets.size(), 1U);
  EXPECT_EQ(si.report().offsets[0].offset_s, 3600);
  EXPECT_EQ(si.report().offsets[0].next_offset_s, 7200);
  EXPECT_EQ(si.report().offsets[0].change_unix_s, 750516300);
}

TEST(SiCollector, NamesTheSystemsOfACat) {
  SiCollector si;
  si.on_section(kCatPid, whole({0x01, 0xB0, 0,    0xFF, 0xFF, 0xC1, 0,    0,    0x09, 4,
                                0x18, 0x63, 0xE0, 0xC0, 0x09, 4,    0xFE, 0xFE, 0xE0, 0xC1}));
  const auto emm = si.report().emm;
  ASSERT_EQ(emm.size(), 2U);
  EXPECT_EQ(emm[0].name, "Nagravision");
  EXPECT_EQ(emm[0].pid.value, 0xC0);
  EXPECT_EQ(emm[1].name, "");
}

TEST(SiCollector, ReadsPsip) {
  SiCollector si;
  // MGT: EIT-0 on 0x1D00, ETT-0 on 0x1E00 (A/65 6.2).
  EXPECT_TRUE(si.on_section(kPsipPid, whole({0xC7, 0xF0, 0,    0,    0, 0xC1, 0, 0,    0,    0,    2,    0x01,
                                             0x00, 0xFD, 0x00, 0xE1, 0, 0,    1, 0,    0xF0, 0,    0x02, 0x00,
                                             0xFE, 0x00, 0xE1, 0,    0, 1,    0, 0xF0, 0,    0xF0, 0})));
  ASSERT_EQ(si.mgt().size(), 2U);
  EXPECT_EQ(si.mgt()[0].pid.value, 0x1D00);
  EXPECT_STREQ(psip_name(si.mgt()[0].type), "PSIP EIT");
  EXPECT_STREQ(psip_name(si.mgt()[1].type), "PSIP ETT");
  EXPECT_STREQ(psip_name(0), "PSIP");
  // TVCT: 7.1 "WXYZ-DT" is program 3 (6.3.1).
  SectionBytes vct{0xC8, 0xF0, 0, 0x0A, 0x21, 0xC1, 0, 0, 0, 1};
  for (const char letter : std::string("WXYZ-DT"))
    vct.insert(vct.end(), {0, static_cast<std::uint8_t>(letter)});
  vct.insert(vct.end(),
             {0xF0, 0x1C, 0x01, 4, 0, 0, 0, 0, 0x0A, 0x21, 0, 3, 0x0D, 0xC2, 0, 1, 0xFC, 0, 0xFC, 0});
  EXPECT_TRUE(si.on_section(kPsipPid, whole(vct)));
  const auto channels = si.report().virtual_channels;
  ASSERT_EQ(channels.size(), 1U);
  EXPECT_EQ(channels[0].short_name, "WXYZ-DT");
  EXPECT_EQ(channels[0].major, 7);
  EXPECT_EQ(channels[0].minor, 1);
  EXPECT_EQ(channels[0].program_number, 3);
  EXPECT_FALSE(channels[0].hidden);
  // STT: 1,000,000,000 s of GPS time, 18 s ahead of UTC (6.1).
  si.on_section(kPsipPid, whole({0xCD, 0xF0, 0, 0, 0, 0xC1, 0, 0, 0, 0x3B, 0x9A, 0xCA, 0x00, 18, 0x60, 0}));
  EXPECT_EQ(si.report().time->unix_s, 315964800 + 1'000'000'000 - 18);
}

TEST(SiCollector, CountsWhatIsDamaged) {
  SiCollector si;
  SectionBytes half = events(0x4E, 0);
  half[24] = 0x8F;  // descriptors beyond its end
  half[25] = 0xFF;
  seal(half);
  EXPECT_FALSE(si.on_section(kEitPid, half));
  EXPECT_EQ(si.report().damaged, 1U);
}

TEST(SiCollector, KeepsWithinItsBounds) {
  SiCollector si;
  for (std::uint32_t id = 0; id < SiCollector::kMaxSections + 10; ++id) {
    SectionBytes section = events(0x4E, 0);
    section[3] = static_cast<std::uint8_t>(id >> 8);
    section[4] = static_cast<std::uint8_t>(id);
    seal(section);
    si.on_section(kEitPid, section);
  }
  EXPECT_EQ(si.kept(), SiCollector::kMaxSections);
  EXPECT_EQ(si.report().beyond, 10U);
}

}  // namespace
}  // namespace headgate::mpegts

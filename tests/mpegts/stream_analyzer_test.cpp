#include "mpegts/monitor/stream_analyzer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "mpegts/monitor/es_probe.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

StreamReport analyze(const std::vector<std::uint8_t>& bytes) {
  PacketReader reader;
  StreamAnalyzer analyzer{es_codec_probes()};
  constexpr std::size_t kChunk = 10'007;  // no multiple of a packet
  for (std::size_t at = 0; at < bytes.size(); at += kChunk) {
    reader.push(std::span{bytes}.subspan(at, std::min(kChunk, bytes.size() - at)));
    if (at + kChunk >= bytes.size()) reader.finish();
    while (const auto item = reader.next()) analyzer.on_packet(item->packet);
  }
  analyzer.set_sync(reader.counters(), reader.packet_size());
  return analyzer.report();
}

const PidInfo* find_pid(const StreamReport& report, std::uint16_t pid) {
  const auto found = std::find_if(report.pids.begin(), report.pids.end(),
                                  [&](const PidInfo& p) { return p.pid.value == pid; });
  return found == report.pids.end() ? nullptr : &*found;
}

// Counts agree with an independent scan of the same files but where said.
struct Golden {
  const char* file;
  std::size_t packet_size;
  std::uint64_t packets, transport_errors, cc_errors, duplicates, scrambled, null_packets, crc_errors,
      discontinuities;
  std::size_t pids, services;
};
constexpr Golden kGolden[] = {
    // The scan has 126 counter errors: it leaves out packets without payload, whose counter must stand still.
    // It has 12 CRC errors: two sections that a gap had already spoilt are dropped here before their CRC is
    // looked at.
    {"corrupt-tei-cc-scrambled.ts", 188, 4000, 19, 130, 0, 558, 0, 10, 10, 71, 1},
    {"duplicates-cc.ts", 188, 350, 0, 42, 307, 0, 0, 0, 0, 1, 0},
    {"mpts-dvbt-it-8prog.ts", 188, 20000, 0, 0, 0, 0, 638, 0, 3, 41, 8},
    {"ac3-atsc-pcr-wrap.ts", 188, 104, 0, 0, 0, 0, 18, 0, 3, 4, 1},
    {"isdbtb-204byte-latm.ts", 204, 329, 0, 0, 0, 0, 151, 0, 0, 13, 2},
    {"hd-2services-eit-one-scrambled.ts", 188, 10975, 0, 0, 0, 3902, 0, 0, 0, 9, 2},
};

TEST(StreamAnalyzer, CountsWhatCapturesHold) {
  if (!test::capture(kGolden[0].file)) GTEST_SKIP() << "HEADGATE_STREAMS names no captures";
  for (const Golden& g : kGolden) {
    SCOPED_TRACE(g.file);
    const auto r = analyze(test::capture(g.file).value());
    EXPECT_EQ(r.packet_size, g.packet_size);
    EXPECT_EQ(r.packets, g.packets);
    EXPECT_EQ(r.transport_errors, g.transport_errors);
    EXPECT_EQ(r.cc_errors, g.cc_errors);
    EXPECT_EQ(r.duplicates, g.duplicates);
    EXPECT_EQ(r.scrambled, g.scrambled);
    EXPECT_EQ(r.null_packets, g.null_packets);
    EXPECT_EQ(r.crc_errors, g.crc_errors);
    EXPECT_EQ(r.discontinuity_indicators, g.discontinuities);
    EXPECT_EQ(r.pids.size(), g.pids);
    EXPECT_EQ(r.services.size(), g.services);
    EXPECT_EQ(r.sync_losses, 0U);
    EXPECT_EQ(r.skipped_bytes, 0U);
  }
}

TEST(StreamAnalyzer, NamesServicesAndStreamsOfACapture) {
  const auto bytes = test::capture("hd-2services-eit-one-scrambled.ts");
  if (!bytes) GTEST_SKIP() << "HEADGATE_STREAMS names no captures";
  const auto r = analyze(*bytes);
  ASSERT_EQ(r.services.size(), 2U);
  EXPECT_EQ(r.services[0].program_number, 8803);
  EXPECT_EQ(r.services[0].name, "CANAL+ CINEMA");
  EXPECT_TRUE(r.services[0].streams.at(0).scrambled);
  EXPECT_FALSE(r.services[0].streams.at(0).codec);
  EXPECT_EQ(r.services[0].streams.at(1).language, "eng");
  EXPECT_EQ(r.services[1].name, "CNEWS");
  EXPECT_EQ(r.services[1].pcr_pid, Pid{1010});
  ASSERT_TRUE(r.services[1].streams.at(0).codec);
  EXPECT_EQ(r.services[1].streams.at(0).codec->width, 1920U);
  EXPECT_FALSE(r.services[1].streams.at(1).present);
  EXPECT_EQ(r.tr101290[Indicator::cat_error], 1U);
  EXPECT_NEAR(r.duration_s, 2.47, 0.01);
}

TEST(StreamAnalyzer, FindsPcrWrapsAndJumpsOfCaptures) {
  const auto wrap = test::capture("h264-bframes-pcr-wrap.ts");
  if (!wrap) GTEST_SKIP() << "HEADGATE_STREAMS names no captures";
  const auto r = analyze(*wrap);
  ASSERT_NE(find_pid(r, 258), nullptr);
  EXPECT_EQ(find_pid(r, 258)->pcr->wraps, 1U);
  EXPECT_EQ(find_pid(r, 258)->pcr->discontinuities, 0U);
  EXPECT_NEAR(r.duration_s, 5.77, 0.01);
  const auto jump = analyze(test::capture("sintel-cea608.ts").value());
  EXPECT_EQ(find_pid(jump, 257)->pcr->discontinuities, 1U);
  EXPECT_EQ(jump.tr101290[Indicator::pcr_discontinuity_indicator_error], 1U);
}

// A service made here: PAT, PMT, an H.264 PID with PCR each 10th of 40 ms.
struct Made {
  StreamAnalyzer analyzer;
  std::uint8_t pat_cc = 0, pmt_cc = 0, es_cc = 0;
  std::int64_t pcr = 1'000'000'000;

  Made() = default;
  void tables() {
    const Pat pat{1, 0, true, 0, 0, {{7, Pid{0x100}}}};
    Pmt pmt;
    pmt.program_number = 7;
    pmt.pcr_pid = Pid{0x101};
    pmt.streams = {{0x1B, Pid{0x101}, {}}, {0x0F, Pid{0x102}, {}}};
    feed(pack_section(kPatPid, pat.to_section(), pat_cc++ & 0x0F));
    feed(pack_section(Pid{0x100}, pmt.to_section(), pmt_cc++ & 0x0F));
  }
  void feed(const std::vector<std::uint8_t>& packets) {
    for (const auto& p : test::split(packets)) analyzer.on_packet(test::view(p));
  }
  void picture() {  // 40 ms of ten packets
    analyzer.on_packet(test::view(test::pcr_packet(0x101, es_cc++, static_cast<std::uint64_t>(pcr))));
    for (int i = 0; i < 9; ++i) analyzer.on_packet(test::view(test::packet(0x101, es_cc++)));
    pcr += kTicksPerSecond / 25;
  }
};

TEST(StreamAnalyzer, CountsTablesThatComeTooSeldomAndPidsThatNeverCome) {
  Made made;
  for (int i = 0; i < 25 * 8; ++i) {
    // The tables each 0.2 s, but for a gap of a second after four.
    if (i % 5 == 0 && (i < 100 || i >= 125)) made.tables();
    made.picture();
  }
  const auto r = made.analyzer.report();
  EXPECT_EQ(r.tr101290[Indicator::pat_error], 1U);
  EXPECT_EQ(r.tr101290[Indicator::pmt_error], 1U);
  EXPECT_EQ(r.tr101290[Indicator::pid_error], 1U);  // the audio
  EXPECT_EQ(r.tr101290[Indicator::pcr_repetition_error], 0U);
  EXPECT_EQ(r.cc_errors, 0U);
  EXPECT_NEAR(r.duration_s, 8.0, 0.2);
  ASSERT_EQ(r.services.size(), 1U);
  EXPECT_FALSE(r.services[0].streams[1].present);
}

TEST(StreamAnalyzer, CleanStreamHasNoErrors) {
  Made made;
  for (int i = 0; i < 25 * 4; ++i) {
    if (i % 5 == 0) made.tables();
    made.picture();
  }
  const auto r = made.analyzer.report();
  EXPECT_EQ(r.tr101290[Indicator::pat_error] + r.tr101290[Indicator::pmt_error] +
                r.tr101290[Indicator::pid_error] + r.tr101290[Indicator::cat_error],
            0U);
  EXPECT_EQ(r.tr101290[Indicator::pcr_discontinuity_indicator_error] + r.tr101290[Indicator::crc_error] +
                r.tr101290[Indicator::transport_error],
            0U);
}

TEST(StreamAnalyzer, CountsTablesWhoseCounterStandsStill) {
  Made made;
  for (int i = 0; i < 25 * 8; ++i) {
    if (i % 5 == 0) {
      made.pmt_cc = 0;
      made.tables();
    }
    made.picture();
    made.analyzer.on_packet(test::view(test::packet(0x102, static_cast<std::uint8_t>(i))));
  }
  const auto r = made.analyzer.report();
  ASSERT_EQ(r.tables.size(), 2U);
  EXPECT_EQ(r.tables[0].count, 40U);
  EXPECT_EQ(r.tables[1].count, 39U) << "the second may be a packet sent twice";
  EXPECT_EQ(r.tr101290[Indicator::pmt_error], 0U);
  EXPECT_EQ(r.duplicates, 39U);
  EXPECT_EQ(r.tr101290[Indicator::continuity_count_error], 38U) << "all but the second";
}

// PCRs a second apart and a rate that falls to a tenth: the tables of the slow second are 0.4 s apart, by the
// rate of the fast ones 0.04 s; those of the next fast second are as near by their own rate.
TEST(StreamAnalyzer, TimesTablesByThePcrsOnBothSidesOfThem) {
  Made made;
  std::uint64_t pcr = 0;
  for (const int packets : {1000, 100, 1000, 100, 2000}) {
    made.analyzer.on_packet(test::view(test::pcr_packet(0x101, made.es_cc++, pcr)));
    pcr += static_cast<std::uint64_t>(kTicksPerSecond);
    for (int i = 0; i < packets; ++i) {
      if (i % (packets * 2 / 5) == 0) made.tables();
      made.analyzer.on_packet(test::view(test::packet(0x101, made.es_cc++)));
      if (i % 10 == 0) made.analyzer.on_packet(test::view(test::packet(0x102, 0)));
    }
  }
  made.tables();
  made.analyzer.on_packet(test::view(test::pcr_packet(0x101, made.es_cc++, pcr)));
  const auto r = made.analyzer.report();
  EXPECT_EQ(r.tr101290[Indicator::pat_error], 0U);
  EXPECT_EQ(r.tr101290[Indicator::pmt_error], 0U);
}

TEST(StreamAnalyzer, CountsEveryTableOfACaptureWhosePmtNeverCounts) {
  const auto bytes = test::capture("scte35-h264-bframes-aac-80s.ts");
  if (!bytes) GTEST_SKIP() << "HEADGATE_STREAMS names no captures";
  const auto r = analyze(*bytes);
  const auto count = [&](std::uint8_t table_id) {
    const auto found = std::find_if(r.tables.begin(), r.tables.end(),
                                    [&](const TableInfo& table) { return table.table_id == table_id; });
    return found == r.tables.end() ? 0 : found->count;
  };
  EXPECT_EQ(count(0x00), 334U);  // as many as tshark's mpeg_pat
  EXPECT_EQ(count(0x02), 333U);  // of its 334: the second may be the first sent twice
  EXPECT_EQ(r.tr101290[Indicator::pat_error], 0U);
  EXPECT_EQ(r.tr101290[Indicator::pmt_error], 0U);
  EXPECT_EQ(r.tr101290[Indicator::pcr_repetition_error], 79U);  // a PCR a second
}

TEST(StreamAnalyzer, CountsWrongTableAndScramblingOnThePatPid) {
  Made made;
  made.tables();
  Pmt stray;
  made.feed(pack_section(kPatPid, stray.to_section(), made.pat_cc++));
  auto scrambled = test::packet(0, made.pat_cc++);
  scrambled[3] |= 0x80;
  made.analyzer.on_packet(test::view(scrambled));
  EXPECT_EQ(made.analyzer.report().tr101290[Indicator::pat_error], 2U);
}

TEST(StreamAnalyzer, SameCounterWithOtherContentIsNoDuplicate) {
  StreamAnalyzer analyzer;
  analyzer.on_packet(test::view(test::packet(0x50, 3, false, 1)));
  analyzer.on_packet(test::view(test::packet(0x50, 3, false, 1)));
  analyzer.on_packet(test::view(test::packet(0x50, 4, false, 1)));
  analyzer.on_packet(test::view(test::packet(0x50, 4, false, 2)));
  const auto r = analyzer.report();
  EXPECT_EQ(r.duplicates, 1U);
  EXPECT_EQ(r.cc_errors, 1U);
}

TEST(StreamAnalyzer, APacketMayComeTwiceAndEachFurtherTimeIsAnIndicatorsErrorThatLosesNothing) {
  StreamAnalyzer analyzer;
  for (int i = 0; i < 5; ++i) analyzer.on_packet(test::view(test::packet(0x50, 3)));
  analyzer.on_packet(test::view(test::packet(0x50, 4)));
  const auto r = analyzer.report();
  EXPECT_EQ(r.duplicates, 4U);
  EXPECT_EQ(r.cc_errors, 0U);
  EXPECT_EQ(r.cc_lost, 0U);
  EXPECT_EQ(r.tr101290[Indicator::continuity_count_error], 3U);
}

TEST(StreamAnalyzer, CountsNoCounterOfAReservedAdaptationFieldControl) {
  StreamAnalyzer analyzer;
  auto reserved = test::packet(0x50, 9);
  reserved[3] = static_cast<std::uint8_t>(reserved[3] & 0xCF);
  analyzer.on_packet(test::view(reserved));
  analyzer.on_packet(test::view(test::packet(0x50, 3)));
  analyzer.on_packet(test::view(reserved));
  analyzer.on_packet(test::view(test::packet(0x50, 4)));
  EXPECT_EQ(analyzer.report().cc_errors, 0U);
}

TEST(StreamAnalyzer, APacketWithoutPayloadHasTheCounterOfTheOneBefore) {
  StreamAnalyzer analyzer;
  auto silent = [](std::uint8_t counter) {
    auto made = test::packet(0x50, counter);
    made[3] = static_cast<std::uint8_t>(0x20 | counter);
    made[4] = 183;
    made[5] = 0;
    return made;
  };
  analyzer.on_packet(test::view(test::packet(0x50, 3)));
  analyzer.on_packet(test::view(silent(3)));
  analyzer.on_packet(test::view(test::packet(0x50, 3)));  // the one before it, sent twice
  analyzer.on_packet(test::view(test::packet(0x50, 4)));
  EXPECT_EQ(analyzer.report().duplicates, 1U);
  EXPECT_EQ(analyzer.report().cc_errors, 0U);
  analyzer.on_packet(test::view(silent(5)));  // 5 is lost, and missed here
  analyzer.on_packet(test::view(test::packet(0x50, 6)));
  const auto r = analyzer.report();
  EXPECT_EQ(r.cc_errors, 1U);
  EXPECT_EQ(r.cc_lost, 1U);
}

TEST(StreamAnalyzer, MeasuresJitterAndRepetitionFromArrivals) {
  StreamAnalyzer analyzer;
  std::int64_t pcr = 0;
  for (int i = 0; i < 20; ++i, pcr += 27'000 * 20) {
    const std::int64_t late = i == 10 ? 150'000'000 : 0;
    analyzer.on_packet(
        test::view(test::pcr_packet(0x50, static_cast<std::uint8_t>(i), static_cast<std::uint64_t>(pcr))),
        i * 20'000'000 + late);
  }
  const auto r = analyzer.report();
  EXPECT_NEAR(*r.pids[0].pcr->jitter_ms, 150.0, 0.001);
  EXPECT_EQ(r.tr101290[Indicator::pcr_repetition_error], 1U);
  EXPECT_EQ(r.tr101290[Indicator::pcr_discontinuity_indicator_error], 0U);
}

// Looked up program by program for each PID this took minutes.
TEST(StreamAnalyzer, LabelsThousandsOfPidsOfThousandsOfPrograms) {
  StreamAnalyzer analyzer;
  analyzer.model_decoder();
  std::map<std::uint16_t, std::uint8_t> cc;
  const auto send = [&](std::uint16_t pid, const std::vector<std::uint8_t>& section) {
    for (const auto& p : test::split(pack_section(Pid{pid}, section, cc[pid]))) {
      analyzer.on_packet(test::view(p));
      cc[pid] = (cc[pid] + 1) & 0x0F;
    }
  };
  constexpr std::uint16_t kPrograms = 4000;
  for (std::uint16_t first = 1; first < kPrograms; first += 200) {
    Pat pat;
    for (std::uint16_t i = 0; i < 200; ++i)
      pat.entries.push_back({static_cast<std::uint16_t>(first + i), Pid{0x20}});
    send(0, pat.to_section());
  }
  Pmt pmt;
  pmt.pcr_pid = Pid{0x1FFE};
  for (std::uint16_t i = 0; i < 200; ++i)
    pmt.streams.push_back({0x02, Pid{static_cast<std::uint16_t>(0x100 + i)}, {}});
  for (std::uint16_t program = 1; program <= kPrograms; program += 37) {
    pmt.program_number = program;
    send(0x20, pmt.to_section());
  }
  for (std::uint16_t pid = 0x100; pid < kNullPid.value; ++pid)
    analyzer.on_packet(test::view(test::packet(pid, 0)));
  const auto report = analyzer.report();
  EXPECT_EQ(report.services.size(), kPrograms);
  EXPECT_EQ(find_pid(report, 0x20)->label, "PMT");
  EXPECT_EQ(find_pid(report, 0x100)->label, "mpeg2_video");
  EXPECT_EQ(find_pid(report, 0x1FFE)->label, "PCR");
  EXPECT_EQ(find_pid(report, 0x1000)->label, "");
}

}  // namespace
}  // namespace headgate::mpegts

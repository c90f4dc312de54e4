// What RemuxOptions make of a service: PIDs, numbers, texts, conditional access.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "filter_rig.h"
#include "mpegts/psi/cat.h"
#include "mpegts/psi/descriptors.h"
#include "mpegts/psi/section_edit.h"
#include "mpegts/remux/service_filter.h"
#include "tests/support/allocation_count.h"

namespace headgate::mpegts {
namespace {

using test::eit;
using test::pat;
using test::service;
using Verdict = ServiceFilter::Verdict;

PidRule rule(std::uint16_t from, std::optional<std::uint16_t> to) {
  return {Pid{from}, to ? std::optional(Pid{*to}) : std::nullopt};
}
PidRule rule(const char* role, std::optional<std::uint16_t> to) {
  return {parse_role(role).value(), to ? std::optional(Pid{*to}) : std::nullopt};
}

PmtStream track(std::uint8_t type, std::uint16_t pid, const std::string& language = {},
                const Descriptors& more = {}) {
  PmtStream stream{type, Pid{pid}, more};
  if (language.size() == 3) {
    const std::uint8_t body[] = {static_cast<std::uint8_t>(language[0]),
                                 static_cast<std::uint8_t>(language[1]),
                                 static_cast<std::uint8_t>(language[2]), 0};
    append_descriptor(stream.descriptors, 0x0A, body);
  }
  return stream;
}

// Service 7 with its PMT on 0x1000.
Pmt pmt_of_seven(std::vector<PmtStream> streams, std::uint8_t version = 0, std::uint16_t pcr = 0x200) {
  return {7, version, true, Pid{pcr}, {}, std::move(streams)};
}
std::vector<PmtStream> usual_tracks() {
  return {track(0x1B, 0x200),
          track(0x0F, 0x201, "eng"),
          track(0x03, 0x202, "fra"),
          track(0x06, 0x203, "", {{0x59, 8, 'e', 'n', 'g', 0x10, 0, 1, 0, 1}}),
          track(0x06, 0x204, "", {{0x56, 5, 'f', 'r', 'a', 0x09, 0x00}}),
          track(0x05, 0x205)};
}

// Of a filter that has options, the PMT and what leaves under which PID.
struct Remuxed : test::FilterRig {
  explicit Remuxed(RemuxOptions options, ServiceSelector selector = {std::uint16_t{7}})
      : FilterRig(std::move(selector), std::move(options)) {}

  void tables(const Pmt& pmt, std::uint8_t version = 0) {
    section(0, pat({{7, Pid{0x1000}}, {9, Pid{0x1100}}}, version));
    change(pmt);
  }
  void change(const Pmt& pmt) {
    now_ns += ServiceFilter::kSectionGapNs;
    section(0x1000, pmt.to_section());
  }
  // As it left last.
  Pmt pmt() const {
    for (auto packets = test::split(out); !packets.empty(); packets.pop_back()) {
      const auto& p = packets.back();
      if ((p[1] & 0x40) == 0 || p[4] != 0 || p[5] != 0x02) continue;
      const std::size_t size = std::size_t{3} + ((p[6] & 0x0FU) << 8 | p[7]);
      if (const auto found = Pmt::parse(std::span<const std::uint8_t>(p).subspan(5, size))) return *found;
    }
    return {};
  }
  std::vector<std::uint16_t> pids() const {
    std::vector<std::uint16_t> found;
    for (const auto& stream : pmt().streams) found.push_back(stream.pid.value);
    return found;
  }
  // The PID under which a packet leaves; nothing where it doesn't.
  std::optional<std::uint16_t> way_of(int pid) {
    out.clear();
    now_ns += 1;
    if (es(pid) == Verdict::drop) return std::nullopt;
    return test::view(test::split(out).back()).pid().value;
  }
};

using Pids = std::vector<std::uint16_t>;

TEST(TrackRole, IsReadAsItIsWritten) {
  EXPECT_EQ(parse_role("video"), (TrackRole{RoleKind::video, "", 0}));
  EXPECT_EQ(parse_role("audio.eng"), (TrackRole{RoleKind::audio, "eng", 0}));
  EXPECT_EQ(parse_role("audio.2"), (TrackRole{RoleKind::audio, "", 2}));
  EXPECT_EQ(parse_role("subtitles.deu.12"), (TrackRole{RoleKind::subtitles, "deu", 12}));
  EXPECT_EQ(parse_role("pcr"), (TrackRole{RoleKind::pcr, "", 0}));
  for (const char* wrong :
       {"", "vide", "audio.", "audio.e", "audio.ENG", "audio.0", "audio.02", "audio.100", "audio.eng.",
        "audio.eng.eng", "audio.2.eng", "video.eng", "pmt.1", "pcr.eng", "."})
    EXPECT_FALSE(parse_role(wrong)) << wrong;
}

TEST(ServiceRemux, MapsPidsByNumberAndByRole) {
  Remuxed rig{{.pids = {rule("video", 0x100), rule("audio.eng", 0x101), rule(0x202, 0x102),
                        rule("teletext", {}), rule("pmt", 0x42)}}};
  rig.tables(pmt_of_seven(usual_tracks()));
  EXPECT_EQ(rig.report().services.at(0).pmt_pid, Pid{0x42});
  EXPECT_EQ(rig.pids(), (Pids{0x100, 0x101, 0x102, 0x203, 0x205}));
  EXPECT_EQ(rig.pmt().pcr_pid, Pid{0x100}) << "the video's";
  EXPECT_EQ(rig.pmt().streams[3].descriptors, usual_tracks()[3].descriptors) << "byte for byte";
  EXPECT_EQ(rig.filter.pcr_pid(), Pid{0x200}) << "of the source";
  const std::map<int, std::optional<std::uint16_t>> ways{{0x200, 0x100}, {0x201, 0x101}, {0x202, 0x102},
                                                         {0x203, 0x203}, {0x204, {}},    {0x205, 0x205},
                                                         {0x100, {}},    {0x14, 0x14}};
  for (const auto& [from, to] : ways) EXPECT_EQ(rig.way_of(from), to) << from;
}

TEST(ServiceRemux, ChangesNothingOfAPacketButPidAndCounter) {
  Remuxed rig{{.pids = {rule("video", 0x100)}}};
  rig.tables(pmt_of_seven(usual_tracks()));
  rig.out.clear();
  auto packet = test::pcr_packet(0x200, 11, 27'000'000, true);
  packet[1] |= 0xE0;  // transport_error_indicator, payload_unit_start_indicator, transport_priority
  packet[3] |= 0xC0;
  EXPECT_EQ(rig.feed(packet), Verdict::replace);
  packet[1] = 0xE1;
  packet[2] = 0x00;
  EXPECT_EQ(rig.out, std::vector<std::uint8_t>(packet.begin(), packet.end()));
}

TEST(ServiceRemux, TheMoreSpecialRuleGoesFirst) {
  struct Case {
    std::vector<PidRule> rules;
    Pids pids;  // of what is left, in the order of the PMT
  };
  const std::vector<PmtStream> tracks = {track(0x1B, 0x200), track(0x0F, 0x201, "eng"),
                                         track(0x0F, 0x202, "fra"), track(0x0F, 0x203, "eng"),
                                         track(0x05, 0x204)};
  const Case cases[] = {
      {{rule("audio", 0x100), rule("audio.eng", 0x101)}, {0x200, 0x101, 0x100, 0x203, 0x204}},
      {{rule("audio.2", 0x100)}, {0x200, 0x201, 0x100, 0x203, 0x204}},
      {{rule("audio.eng.2", 0x100), rule("audio.eng", 0x101)}, {0x200, 0x101, 0x202, 0x100, 0x204}},
      {{rule("audio", {}), rule("audio.fra", 0x100)}, {0x200, 0x100, 0x204}},
      {{rule("audio.eng", {}), rule(0x203, 0x103)}, {0x200, 0x202, 0x103, 0x204}},
      {{rule("audio.1", {}), rule("data", {})}, {0x200, 0x202, 0x203}},
      {{rule("subtitles.eng", 0x100), rule("video.2", 0x101)}, {0x200, 0x201, 0x202, 0x203, 0x204}},
      {{rule(0x200, 0x201), rule(0x201, 0x200)}, {0x201, 0x200, 0x202, 0x203, 0x204}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(&c - cases);
    Remuxed rig{{.pids = c.rules}};
    rig.tables(pmt_of_seven(tracks));
    EXPECT_EQ(rig.pids(), c.pids);
  }
}

TEST(ServiceRemux, WhatTheMapDoesNotNameMakesWayForWhatItNames) {
  Remuxed rig{{.pids = {rule("video", 0x201), rule("audio.fra", 0x1000)}}};
  rig.tables(pmt_of_seven(usual_tracks()));
  EXPECT_EQ(rig.pids(), (Pids{0x201, 0x1FF9, 0x1000, 0x203, 0x204, 0x205}));
  EXPECT_EQ(rig.report().services.at(0).pmt_pid, Pid{0x1FFA}) << "the PMT's own is taken, too";
  EXPECT_EQ(rig.way_of(0x201), 0x1FF9);
  EXPECT_EQ(rig.way_of(0x200), 0x201);
}

TEST(ServiceRemux, PassesAPidOfNoTableWhereTheMapNamesIt) {
  Remuxed rig{{.pids = {rule(0x321, 0x123), rule(0x322, {})}}};
  rig.tables(pmt_of_seven(usual_tracks()));
  EXPECT_EQ(rig.way_of(0x321), 0x123);
  EXPECT_EQ(rig.way_of(0x322), std::nullopt);
  EXPECT_EQ(rig.way_of(0x323), std::nullopt);
}

TEST(ServiceRemux, ATrackThatComesBackUnderAnotherPidKeepsTheOneItHad) {
  Remuxed rig{{.pids = {rule("video", 0x100)}}};
  rig.tables(pmt_of_seven(usual_tracks()));
  const Pids before = rig.pids();
  auto moved = usual_tracks();
  for (auto& stream : moved) stream.pid.value = static_cast<std::uint16_t>(stream.pid.value + 0x50);
  std::swap(moved[1], moved[2]);
  rig.change(pmt_of_seven(moved, 1, 0x250));
  EXPECT_EQ(rig.pids(), (Pids{0x100, 0x202, 0x201, 0x203, 0x204, 0x205})) << "by language, not by place";
  EXPECT_EQ(rig.way_of(0x251), 0x201);
  EXPECT_EQ(rig.way_of(0x252), 0x202);
  EXPECT_EQ(rig.way_of(0x201), std::nullopt);
  // One comes under the PID that another had, in another codec at that.
  std::vector<PmtStream> fewer = {track(0x24, 0x201), track(0x11, 0x200, "fra")};
  rig.change(pmt_of_seven(fewer, 2, 0x201));
  EXPECT_EQ(rig.pids(), (Pids{0x100, 0x202}));
  rig.change(pmt_of_seven(usual_tracks(), 3));
  EXPECT_EQ(rig.pids(), before);
  // Where the map named its PID, too, unless another comes under that.
  Remuxed numbered{{.pids = {rule(0x201, 0x101)}}};
  numbered.tables(pmt_of_seven(usual_tracks()));
  numbered.change(pmt_of_seven(moved, 1, 0x250));
  EXPECT_EQ(numbered.pids(), (Pids{0x200, 0x202, 0x101, 0x203, 0x204, 0x205}));
  EXPECT_EQ(numbered.way_of(0x251), 0x101);
  moved[1].pid = Pid{0x201};
  numbered.change(pmt_of_seven(moved, 2, 0x250));
  EXPECT_EQ(numbered.pids(), (Pids{0x200, 0x101, 0x251, 0x203, 0x204, 0x205}));
  // Without languages the PID decides, where it stays.
  std::vector<PmtStream> two = {track(0x03, 0x300), track(0x03, 0x301)};
  Remuxed plain{{.service_id = 8}};
  plain.tables(pmt_of_seven(two, 0, 0x300));
  two.erase(two.begin());
  plain.change(pmt_of_seven(two, 1, 0x301));
  EXPECT_EQ(plain.pids(), (Pids{0x301}));
}

TEST(ServiceRemux, ThePmtKeepsItsPidWhereTheSourcesMoves) {
  Remuxed rig{{.service_id = 8}};
  rig.tables(pmt_of_seven(usual_tracks()));
  rig.section(0, pat({{7, Pid{0x1200}}}, 1));
  rig.now_ns += ServiceFilter::kTablesEveryNs;
  rig.out.clear();
  rig.section(0x1200, pmt_of_seven({track(0x1B, 0x200)}, 1).to_section());
  const auto report = rig.report();
  EXPECT_EQ(report.services.at(0).pmt_pid, Pid{0x1000});
  EXPECT_EQ(rig.pids(), (Pids{0x200}));
}

// continuity_counters of a PID as they left.
std::vector<int> counters(const std::vector<std::uint8_t>& out, std::uint16_t pid) {
  std::vector<int> found;
  for (const auto& p : test::split(out)) {
    if (test::view(p).pid().value == pid) found.push_back(test::view(p).continuity_counter());
  }
  return found;
}

TEST(ServiceRemux, CountersGoOnWhereATrackComesFromAnotherPid) {
  Remuxed rig{{.pids = {rule("video", 0x100)}}};
  rig.tables(pmt_of_seven(usual_tracks()));
  for (const int cc : {7, 8}) rig.feed(test::packet(0x200, static_cast<std::uint8_t>(cc)));
  auto moved = usual_tracks();
  moved[0].pid = Pid{0x300};
  rig.change(pmt_of_seven(moved, 1, 0x300));
  // A duplicate stays one, a gap one, and a packet without payload does not count.
  for (const int cc : {2, 2, 3, 6}) rig.feed(test::packet(0x300, static_cast<std::uint8_t>(cc)));
  auto empty = test::pcr_packet(0x300, 6, 1);
  empty[3] = 0x26;
  empty[4] = 183;
  rig.feed(empty);
  rig.change(pmt_of_seven(usual_tracks(), 2));
  empty[1] = 0x02;
  empty[3] = 0x20;  // of 0x200, which stood at 8
  rig.feed(empty);
  rig.feed(test::packet(0x200, 1));
  EXPECT_EQ(counters(rig.out, 0x100), (std::vector<int>{7, 8, 9, 9, 10, 13, 13, 13, 14}));
}

TEST(ServiceRemux, ThePcrOfATrackThatIsLeftOutGoesOnAlone) {
  Remuxed rig{{.pids = {rule("video", {}), rule("pcr", 0x99)}}};
  rig.tables(pmt_of_seven(usual_tracks()));
  EXPECT_EQ(rig.pids(), (Pids{0x201, 0x202, 0x203, 0x204, 0x205}));
  EXPECT_EQ(rig.pmt().pcr_pid, Pid{0x99});
  EXPECT_EQ(rig.way_of(0x200), std::nullopt) << "what has no PCR";
  rig.out.clear();
  EXPECT_EQ(rig.feed(test::pcr_packet(0x200, 3, 123'456'789'012)), Verdict::replace);
  ASSERT_EQ(rig.out.size(), kPacketSize);
  const auto packet = test::split(rig.out).front();
  EXPECT_EQ(test::view(packet).pid(), Pid{0x99});
  EXPECT_FALSE(test::view(packet).has_payload());
  EXPECT_EQ(test::view(packet).pcr(), Pcr27MHz{123'456'789'012});
}

TEST(ServiceRemux, ThePcrOnThePmtsPidGoesOnBetweenOurPmts) {
  Remuxed rig{{.service_id = 8}};
  rig.step_ns = 30'000'000;
  for (int i = 0; i < 50; ++i) {
    rig.section(0, pat({{7, Pid{0x1000}}}));
    rig.section(0x1000, pmt_of_seven(usual_tracks(), 0, 0x1000).to_section());
    auto packet = test::pcr_packet(0x1000, 0, 27'000'000 + static_cast<std::uint64_t>(i) * 2'430'000);
    packet[3] = 0x20;
    packet[4] = 183;
    rig.feed(packet);
  }
  const auto report = rig.report();
  EXPECT_EQ(report.cc_errors, 0U);
  EXPECT_EQ(report.crc_errors, 0U);
  EXPECT_EQ(report.services.at(0).pcr_pid, Pid{0x1000});
  const auto of_pcr = test::split(rig.out);
  EXPECT_EQ(std::count_if(of_pcr.begin(), of_pcr.end(), [](auto& p) { return test::view(p).has_pcr(); }), 50);
}

TEST(ServiceRemux, ServesRadioAndDataAlone) {
  Remuxed radio{{.pids = {rule("audio", 0x55)}}};
  radio.tables(pmt_of_seven({track(0x03, 0x301, "deu")}, 0, 0x301));
  EXPECT_EQ(radio.pids(), (Pids{0x55}));
  EXPECT_EQ(radio.pmt().pcr_pid, Pid{0x55});
  Remuxed data{{.pids = {rule("data", 0x66)}}};
  data.tables(pmt_of_seven({track(0x0B, 0x400), track(0x0C, 0x401)}, 0, 0x1FFF));
  EXPECT_EQ(data.pids(), (Pids{0x66, 0x401}));
  EXPECT_EQ(data.pmt().pcr_pid, kNullPid);
  EXPECT_EQ(data.way_of(0x400), 0x66);
}

Descriptors ca(std::uint16_t pid, std::uint16_t system = 0x0500) {
  return {{0x09, 4, static_cast<std::uint8_t>(system >> 8), static_cast<std::uint8_t>(system),
           static_cast<std::uint8_t>(0xE0 | pid >> 8), static_cast<std::uint8_t>(pid)}};
}

Pmt scrambled_pmt() {
  Pmt pmt = pmt_of_seven({track(0x1B, 0x200, "", ca(0x701)), track(0x0F, 0x201, "eng")});
  pmt.descriptors = ca(0x700);
  append_descriptor(pmt.descriptors, 0x65, std::vector<std::uint8_t>{2});
  return pmt;
}

std::vector<std::uint8_t> cat_of(std::initializer_list<std::uint16_t> pids, std::uint8_t version = 0) {
  Cat cat;
  cat.version = version;
  for (const std::uint16_t pid : pids) {
    const auto more = ca(pid).bytes;
    cat.descriptors.bytes.insert(cat.descriptors.bytes.end(), more.begin(), more.end());
  }
  return cat.to_section();
}

TEST(ServiceRemux, EcmPidsMoveInBothLoopsOfThePmt) {
  Remuxed rig{{.pids = {rule("video", 0x700), rule(0x701, 0x71)}}};
  rig.tables(scrambled_pmt());
  const Pmt pmt = rig.pmt();
  EXPECT_EQ(as_ca(*DescriptorLoop(pmt.descriptors).begin())->pid, Pid{0x1FFA}) << "the video has its own";
  EXPECT_EQ(as_ca(*DescriptorLoop(pmt.streams[0].descriptors).begin())->pid, Pid{0x71});
  EXPECT_EQ(rig.way_of(0x700), 0x1FFA);
  EXPECT_EQ(rig.way_of(0x701), 0x71);
  rig.section(1, cat_of({0x710}));
  EXPECT_EQ(rig.way_of(0x710), std::nullopt) << "without a word no EMM passes";
  EXPECT_TRUE(counters(rig.out, 1).empty());
}

TEST(ServiceRemux, KeepsCatAndEmmWhereAsked) {
  Remuxed rig{{.ca = CaHandling::keep, .pids = {rule("audio", 0x710)}}};
  rig.section(1, cat_of({0x710, 0x711}));
  rig.tables(scrambled_pmt());
  EXPECT_EQ(rig.way_of(0x710), std::nullopt) << "no CAT has come since the service is known";
  rig.out.clear();
  rig.section(1, cat_of({0x710, 0x711}, 4));
  rig.now_ns += ServiceFilter::kCatEveryNs;
  rig.es(0x14);
  const auto packets = test::split(rig.out);
  ASSERT_EQ(counters(rig.out, 1), (std::vector<int>{0, 1}));
  const auto first = *std::find_if(packets.begin(), packets.end(),
                                   [](const auto& p) { return test::view(p).pid() == kCatPid; });
  const std::vector<std::uint8_t> expected = cat_of({0x1FFA, 0x711}, 4);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), first.begin() + 5)) << "and its version, as long";
  EXPECT_EQ(rig.way_of(0x710), 0x1FFA);
  EXPECT_EQ(rig.way_of(0x711), 0x711);
  EXPECT_EQ(rig.way_of(0x700), 0x700);
}

TEST(ServiceRemux, DropsConditionalAccessWhereAsked) {
  Remuxed rig{{.ca = CaHandling::drop}};
  Sdt sdt;
  sdt.services = {service(7, "Seven")};
  sdt.services[0].free_ca_mode = true;
  rig.section(0, pat({{7, Pid{0x1000}}}));
  rig.section(0x11, sdt.to_section());
  rig.tables(scrambled_pmt());
  EXPECT_TRUE(rig.pmt().descriptors.bytes.empty()) << "the scrambling_descriptor, too";
  EXPECT_TRUE(rig.pmt().streams[0].descriptors.bytes.empty());
  EXPECT_EQ(rig.way_of(0x700), std::nullopt);
  EXPECT_EQ(rig.way_of(0x701), std::nullopt);
  EXPECT_EQ(rig.way_of(0x200), 0x200);
}

// The sections of a PID as they left.
std::vector<std::vector<std::uint8_t>> sections(const std::vector<std::uint8_t>& out, Pid pid) {
  struct Sink final : SectionSink {
    std::vector<std::vector<std::uint8_t>> all;
    void on_section(Pid, std::span<const std::uint8_t> s) noexcept override {
      all.emplace_back(s.begin(), s.end());
    }
    void on_crc_error(Pid) noexcept override { ADD_FAILURE() << "CRC"; }
  } sink;
  SectionAssembler assembler{pid};
  for (const auto& packet : test::split(out)) {
    if (test::view(packet).pid() == pid) assembler.on_packet(test::view(packet), sink);
  }
  return sink.all;
}

TEST(ServiceRemux, TheServiceHasTheMapsNumberAndTextsInEveryTable) {
  Remuxed rig{{.service_id = 101, .provider = "Example", .name = "Sport \xC3\xA9t\xC3\xA9"}};
  Sdt sdt;
  sdt.version = 5;
  sdt.original_network_id = 0x20FA;
  sdt.services = {service(7, "Seven"), service(9, "Nine")};
  sdt.services[0].flags = 3;
  const std::uint8_t unknown[] = {1, 2, 3};
  append_descriptor(sdt.services[0].descriptors, 0x5D, unknown);
  rig.section(0, pat({{7, Pid{0x1000}}, {9, Pid{0x1100}}}));
  rig.section(0x11, sdt.to_section());
  rig.tables(pmt_of_seven(usual_tracks()));
  rig.section(0x12, eit(0x4E, 7, 20));
  rig.section(0x12, eit(0x50, 9, 20));
  rig.now_ns += 10 * ServiceFilter::kSdtEveryNs;
  rig.es(0x200);
  const auto report = rig.report();
  ASSERT_EQ(report.services.size(), 1U);
  EXPECT_EQ(report.services[0].program_number, 101);
  EXPECT_EQ(report.services[0].name, "Sport \xC3\xA9t\xC3\xA9");
  EXPECT_EQ(report.services[0].provider, "Example");
  EXPECT_EQ(rig.pmt().program_number, 101);
  const auto made = Sdt::parse(sections(rig.out, kSdtPid).back());
  ASSERT_TRUE(made && made->services.size() == 1);
  EXPECT_EQ(made->version, 5);
  EXPECT_EQ(made->original_network_id, 0x20FA);
  EXPECT_EQ(made->services[0].flags, 3);
  EXPECT_EQ(made->services[0].service_type(), 1) << "the source's";
  const auto kept = made->services[0].descriptors.find(0x5D);
  EXPECT_TRUE(kept && std::equal(kept->begin(), kept->end(), unknown));
  const auto events = sections(rig.out, kEitPid);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(table_extension(events[0]), 101);
  auto original = eit(0x4E, 7, 20);
  EXPECT_TRUE(std::equal(original.begin() + 5, original.end() - 4, events[0].begin() + 5));
  EXPECT_EQ(rig.filter.program_number(), 7) << "of the source";
}

TEST(ServiceRemux, VersionsRiseWithTheContentAlone) {
  Remuxed rig{{.service_id = 101, .pids = {rule("video", 0x100)}, .provider = "A"}};
  Sdt sdt;
  sdt.version = 5;
  sdt.services = {service(7, "Seven")};
  rig.tables(pmt_of_seven(usual_tracks(), 30));
  rig.section(0x11, sdt.to_section());
  const auto versions = [&](Pid pid) {
    rig.now_ns += 2 * ServiceFilter::kSdtEveryNs;
    rig.out.clear();
    rig.es(0x200);
    return section_version(sections(rig.out, pid).at(0));
  };
  EXPECT_EQ(versions(Pid{0x1000}), 30);
  EXPECT_EQ(versions(kSdtPid), 5);
  // The video moves: nobody behind the map needs to know.
  auto moved = usual_tracks();
  moved[0].pid = Pid{0x300};
  rig.change(pmt_of_seven(moved, 31, 0x300));
  EXPECT_EQ(versions(Pid{0x1000}), 30);
  moved.pop_back();
  rig.change(pmt_of_seven(moved, 0, 0x300));
  EXPECT_EQ(versions(Pid{0x1000}), 31);
  EXPECT_EQ(versions(kPatPid), 0);
  rig.filter.set_texts("B", "");
  EXPECT_EQ(versions(kSdtPid), 6);
  rig.filter.set_texts("B", "");
  EXPECT_EQ(versions(kSdtPid), 6);
  sdt.version = 9;
  rig.section(0x11, sdt.to_section());
  EXPECT_EQ(versions(kSdtPid), 6);
}

TEST(ServiceRemux, MakesAnSdtWhereTheSourceHasNone) {
  Remuxed rig{{.provider = "Example"}};
  rig.tables(pmt_of_seven(usual_tracks()));
  rig.now_ns += ServiceFilter::kTablesEveryNs;
  rig.es(0x200);
  rig.now_ns += ServiceFilter::kSdtPatienceNs - 2 * ServiceFilter::kTablesEveryNs;
  rig.es(0x200);
  EXPECT_TRUE(sections(rig.out, kSdtPid).empty()) << "it may come yet";
  rig.now_ns += 2 * ServiceFilter::kTablesEveryNs;
  rig.es(0x200);
  const auto made = Sdt::parse(sections(rig.out, kSdtPid).at(0));
  ASSERT_TRUE(made);
  EXPECT_EQ(made->transport_stream_id, 9);
  EXPECT_EQ(made->services.at(0).provider(), "Example");
  EXPECT_EQ(made->services.at(0).service_type(), 0x19) << "H.264";
  Sdt sdt;
  sdt.services = {service(7, "Seven")};
  rig.section(0x11, sdt.to_section());
  rig.now_ns += ServiceFilter::kSdtEveryNs;
  rig.es(0x200);
  const auto came = Sdt::parse(sections(rig.out, kSdtPid).back());
  EXPECT_EQ(came->services.at(0).name(), "Seven") << "it has come";
  EXPECT_EQ(came->version, 1);
}

TEST(ServiceRemux, TakesTheLowestServiceWhereTheMapNamesNone) {
  Remuxed rig{{.service_id = 101}, {LowestService{}}};
  Sdt sdt;
  sdt.services = {service(9, "Nine"), service(7, "Seven")};
  rig.section(0x11, sdt.to_section());
  rig.tables(pmt_of_seven(usual_tracks()));
  rig.section(0x11, sdt.to_section());
  EXPECT_EQ(rig.filter.program_number(), 7);
  EXPECT_EQ(rig.filter.services(), 2U);
  EXPECT_EQ(rig.way_of(0x200), 0x200);
  rig.now_ns += ServiceFilter::kSdtEveryNs;
  rig.es(0x200);
  EXPECT_EQ(rig.report().services.at(0).name, "Seven");
  // A lower one that comes does not take its place; where it goes the lowest follows.
  rig.section(0, pat({{5, Pid{0x1300}}, {7, Pid{0x1000}}}, 1));
  EXPECT_EQ(rig.filter.program_number(), 7);
  rig.section(0, pat({{9, Pid{0x1100}}, {8, Pid{0x1300}}}, 2));
  EXPECT_EQ(rig.filter.program_number(), std::nullopt);
  rig.section(0, pat({{9, Pid{0x1100}}, {8, Pid{0x1300}}}, 2));
  EXPECT_EQ(rig.filter.program_number(), 8);
  // Of a PAT in two sections.
  Remuxed two{{.service_id = 101}, {LowestService{}}};
  for (int turn = 0; turn < 2; ++turn) {
    two.section(0, pat({{6, Pid{0x1000}}}, 0, 0, 1));
    two.section(0, pat({{3, Pid{0x1001}}}, 0, 1, 1));
  }
  EXPECT_EQ(two.filter.program_number(), 3);
}

TEST(ServiceRemux, TablesKeepTheirIntervalsInAStreamThatComesInBursts) {
  test::FilterRig rig{{std::uint16_t{7}}};
  rig.section(0, pat({{7, Pid{0x1000}}}));
  rig.section(0x1000, pmt_of_seven(usual_tracks()).to_section());
  rig.out.clear();
  // 4 s within 40 ms, and 4 s later the same.
  std::uint64_t pcr = 0;
  for (int burst = 0; burst < 5; ++burst) {
    for (int i = 0; i < 100; ++i) {
      rig.now_ns += 400'000;
      rig.feed(test::pcr_packet(0x200, static_cast<std::uint8_t>(i), pcr += 27'000 * 40));
    }
    rig.now_ns += 3'960'000'000;
  }
  std::size_t since = 0, longest = 0, tables = 0;
  for (const auto& p : test::split(rig.out)) {
    since += test::view(p).has_pcr() ? 1 : 0;
    if (test::view(p).pid() != kPatPid) continue;
    longest = std::max(longest, since);
    since = 0;
    ++tables;
  }
  EXPECT_LE(longest, 3U) << "120 ms of the stream, with a PCR in each packet";
  EXPECT_LE(tables, 20U * 1000 / 80 + 5);
}

TEST(ServiceRemux, AllocatesNothingWhileTheTablesStayAsTheyAre) {
  Remuxed rig{{.service_id = 101, .ca = CaHandling::keep, .pids = {rule("video", 0x100)}, .provider = "A"}};
  std::vector<test::Packet> input;
  const auto add = [&](std::uint16_t pid, const std::vector<std::uint8_t>& section) {
    for (const auto& p : test::split(pack_section(Pid{pid}, section, 0))) input.push_back(p);
  };
  Sdt sdt;
  sdt.services = {service(7, "Seven")};
  add(0, pat({{7, Pid{0x1000}}}));
  add(0x1000, scrambled_pmt().to_section());
  add(1, cat_of({0x710}));
  add(0x11, sdt.to_section());
  add(0x12, eit(0x4E, 7, 100));
  for (const int pid : {0x200, 0x201, 0x700, 0x710, 0x14, 0x1FFF})
    input.push_back(test::packet(static_cast<std::uint16_t>(pid), 0));
  const auto turn = [&](int round) {
    for (auto packet : input) {
      packet[3] = static_cast<std::uint8_t>((packet[3] & 0xF0) | (round & 0x0F));
      rig.now_ns += 10'000'000;
      rig.filter.on_packet(test::view(packet), rig.now_ns);
    }
  };
  for (int round = 0; round < 10; ++round) turn(round);
  const std::uint64_t before = headgate::test::allocations();
  for (int round = 10; round < 1010; ++round) turn(round);
  EXPECT_EQ(headgate::test::allocations(), before);
}

}  // namespace
}  // namespace headgate::mpegts

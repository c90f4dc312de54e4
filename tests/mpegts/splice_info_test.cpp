#include "mpegts/scte35/splice_info.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "mpegts/monitor/stream_analyzer.h"
#include "mpegts/psi/section.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Lines = std::map<std::string, std::string>;

Bytes from_hex(const std::string& text) {
  Bytes bytes;
  for (std::size_t at = 0; at + 2 <= text.size(); at += 2)
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(at, 2), nullptr, 16)));
  return bytes;
}

Bytes sealed(Bytes section) {
  section[1] = static_cast<std::uint8_t>(0x30 | (section.size() + 1) >> 8);
  section[2] = static_cast<std::uint8_t>(section.size() + 1);
  const std::uint32_t crc = crc32_mpeg(section);
  for (int shift = 24; shift >= 0; shift -= 8) section.push_back(static_cast<std::uint8_t>(crc >> shift));
  return section;
}

// The values under the names of the golden file.
class Dump {
 public:
  explicit Dump(const SpliceInfo& info) {
    add("protocol_version", info.protocol_version);
    add("encrypted", info.encrypted);
    add("algorithm", info.encryption_algorithm);
    add("pts_adjustment", info.pts_adjustment.ticks);
    add("cw_index", info.cw_index);
    add("tier", info.tier);
    add("command", static_cast<std::uint8_t>(info.command_type));
    if (const auto* insert = std::get_if<SpliceInsert>(&info.command)) add(*insert);
    if (const auto* signal = std::get_if<TimeSignal>(&info.command)) time("signal.pts", signal->time);
    if (const auto* command = std::get_if<PrivateCommand>(&info.command))
      add("private.identifier", command->identifier);
    for (const auto& descriptor : info.descriptors) std::visit([this](const auto& d) { add(d); }, descriptor);
  }
  Lines lines;

 private:
  void add(const std::string& name, const std::string& value) {
    auto& line = lines[name];
    line += (line.empty() ? "" : ",") + value;
  }
  void add(const std::string& name, std::uint64_t value) { add(name, std::to_string(value)); }
  void time(const std::string& name, const SpliceTime& time) {
    if (time.specified) add(name, time.pts.ticks);
  }
  void add(const SpliceInsert& in) {
    add("insert.event_id", in.event_id);
    add("insert.cancel", in.cancel);
    if (in.cancel) return;
    add("insert.out_of_network", in.out_of_network);
    add("insert.program_splice", in.program_splice);
    add("insert.immediate", in.immediate);
    time("insert.pts", in.time);
    for (const auto& component : in.components) {
      add("insert.component", component.tag);
      time("insert.component_pts", component.time);
    }
    if (in.duration) {
      add("insert.auto_return", in.auto_return);
      add("insert.duration", *in.duration);
    }
    add("insert.unique_program_id", in.unique_program_id);
    add("insert.avail_num", in.avail_num);
    add("insert.avails_expected", in.avails_expected);
  }
  void add(const AvailDescriptor& in) { add("avail.provider", in.provider_avail_id); }
  void add(const DtmfDescriptor& in) {
    add("dtmf.preroll", in.preroll);
    add("dtmf.characters", in.characters);
  }
  void add(const SegmentationDescriptor& in) {
    add("segment.event_id", in.event_id);
    add("segment.cancel", in.cancel);
    if (in.cancel) return;
    add("segment.program", in.program_segmentation);
    add("segment.not_restricted", in.delivery_not_restricted);
    if (!in.delivery_not_restricted) {
      add("segment.web", in.web_delivery_allowed);
      add("segment.no_blackout", in.no_regional_blackout);
      add("segment.archive", in.archive_allowed);
      add("segment.devices", in.device_restrictions);
    }
    if (in.duration) add("segment.duration", *in.duration);
    add("segment.upid_type", in.upid_type);
    add("segment.upid_length", in.upid.size());
    add("segment.type_id", in.type_id);
    add("segment.num", in.segment_num);
    add("segment.expected", in.segments_expected);
  }
  void add(const TimeDescriptor& in) { add("time.tai", in.tai_seconds); }
  void add(const OtherSpliceDescriptor& in) { add("other", in.tag); }
};

TEST(SpliceInfo, ReadsWhatAnotherDecoderReads) {
  std::ifstream file(HEADGATE_MPEGTS_GOLDEN_DIR "/scte35.txt");
  ASSERT_TRUE(file);
  std::map<std::string, Lines> expected;
  std::string line, section;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string name, value;
    words >> name >> value;
    if (name == "section")
      section = value;
    else if (!section.empty() && !name.empty())
      expected[section][name] = value;
  }
  ASSERT_GT(expected.size(), 15U);
  for (const auto& [hex, lines] : expected) {
    SCOPED_TRACE(hex);
    const auto info = SpliceInfo::parse(from_hex(hex));
    ASSERT_TRUE(info);
    EXPECT_EQ(Dump(*info).lines, lines);
  }
}

TEST(SpliceInfo, FindsTheCuesOfCaptures) {
  const auto bytes = test::capture("scte35-h264-bframes-aac-80s.ts");
  if (!bytes) GTEST_SKIP() << "HEADGATE_STREAMS names no captures";
  const auto cues = [](const Bytes& capture) {
    StreamAnalyzer analyzer;
    for (const auto& p : test::split(capture)) analyzer.on_packet(test::view(p));
    return analyzer.report().cues;
  };
  const auto eighty = cues(*bytes);
  ASSERT_EQ(eighty.size(), 1U);
  EXPECT_EQ(eighty[0].pid, Pid{1001});
  EXPECT_EQ(eighty[0].program_number, 1);
  EXPECT_EQ(eighty[0].info.at(), Pts90kHz{1032000});
  const auto two = cues(test::capture("scte35-mpeg2v-mp2.ts").value());
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two[0].count, 2U);  // sent twice, equal but for the counter
  EXPECT_EQ(two[0].info.at(), Pts90kHz{200000});
  EXPECT_TRUE(std::get<SpliceInsert>(two[0].info.command).out_of_network);
  EXPECT_EQ(two[1].info.at(), Pts90kHz{300000});
  EXPECT_FALSE(std::get<SpliceInsert>(two[1].info.command).out_of_network);
}

TEST(SpliceInfo, AddsTheAdjustmentModulo33Bits) {
  const auto info = SpliceInfo::parse(from_hex("fc3016000000000014fffff00506fffffffff60000b4e95b7d"));
  ASSERT_TRUE(info);
  EXPECT_EQ(info->at(), Pts90kHz{10});  // 2^33 - 10 + 20
}

TEST(SpliceInfo, GivesNoTimeWhereNoneIsSaid) {
  for (const char* hex :
       {"fc3011000000000000fffff000000000761dd3b6",                                // null
        "fc3016000000000000fffff0050500000007ff0000d3897f26",                      // cancel
        "fc3020000000000000fffff00f05deadbeef7fff7fffffffff1234020400006b94c11a",  // immediate
        "fc301c000000000000fffff00b05000000097fcf7f123402040000d5c83ddd"}) {       // unspecified
    const auto info = SpliceInfo::parse(from_hex(hex));
    ASSERT_TRUE(info) << hex;
    EXPECT_FALSE(info->at()) << hex;
  }
}

// splice_command_length 0xFFF: old senders don't say it (9.6.1).
TEST(SpliceInfo, ReadsACommandWhoseLengthIsNotSaid) {
  const Bytes whole = from_hex("fc3016000000000014fffff00506fffffffff60000b4e95b7d");
  Bytes cut(whole.begin(), whole.end() - 4);
  cut[11] = 0xFF;
  cut[12] = 0xFF;
  const auto info = SpliceInfo::parse(sealed(cut));
  ASSERT_TRUE(info);
  EXPECT_EQ(*info, *SpliceInfo::parse(whole));
}

TEST(SpliceInfo, LeavesWhatIsEncryptedUnread) {
  // encrypted_packet, encryption_algorithm 2, pts_adjustment 7, cw_index 3; the rest is cipher.
  const auto info = SpliceInfo::parse(
      sealed({0xFC, 0, 0, 0, 0x84, 0, 0, 0, 7, 3, 0xFF, 0xF0, 5, 0x99, 1, 2, 3, 4, 5, 6, 7, 8}));
  ASSERT_TRUE(info);
  EXPECT_TRUE(info->encrypted);
  EXPECT_EQ(info->encryption_algorithm, 2);
  EXPECT_EQ(info->pts_adjustment, Pts90kHz{7});
  EXPECT_EQ(info->cw_index, 3);
  EXPECT_FALSE(info->at());
  EXPECT_TRUE(std::holds_alternative<std::monostate>(info->command));
}

TEST(SpliceInfo, ReadsTimesAndSubSegmentsAndKeepsUnknownDescriptors) {
  const Bytes head{0xFC, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xF0, 0, 0};
  Bytes section = head;
  const Bytes loop{0x03, 16,   'C',  'U',  'E',  'I',  0, 0,  0x5B, 0x9A,
                   1,    2,    0x3B, 0x9A, 0xC9, 0xFF, 0, 37,  // time
                   0x02, 17,   'C',  'U',  'E',  'I',  0, 0,  0,    9,
                   0x7F, 0xBF, 0,    0,    0x34, 1,    1, 4,  8,  // segmentation
                   0x02, 6,    'A',  'B',  'C',  'D',  1, 2};     // of another identifier
  section.push_back(0);
  section.push_back(static_cast<std::uint8_t>(loop.size()));
  section.insert(section.end(), loop.begin(), loop.end());
  const auto info = SpliceInfo::parse(sealed(section));
  ASSERT_TRUE(info);
  ASSERT_EQ(info->descriptors.size(), 3U);
  EXPECT_EQ(std::get<TimeDescriptor>(info->descriptors[0]), (TimeDescriptor{0x5B9A0102, 999'999'999, 37}));
  const auto& segment = std::get<SegmentationDescriptor>(info->descriptors[1]);
  EXPECT_EQ(segment.sub_segment, (std::pair<std::uint8_t, std::uint8_t>{4, 8}));
  EXPECT_STREQ(segmentation_type_name(segment.type_id), "Provider Placement Opportunity Start");
  EXPECT_EQ(std::get<OtherSpliceDescriptor>(info->descriptors[2]),
            (OtherSpliceDescriptor{2, {'A', 'B', 'C', 'D', 1, 2}}));
}

TEST(SpliceInfo, RefusesWhatIsCutShortOrDamaged) {
  const Bytes whole =
      from_hex("fc30250000000000000000001405000000ff7feffe000fbf40fe001b774003e8000000004844f085");
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    Bytes damaged = whole;
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ 0x80 >> bit % 8);
    EXPECT_FALSE(SpliceInfo::parse(damaged)) << bit;
    const Bytes before = damaged;
    EXPECT_FALSE(retime_splice(damaged, 90)) << bit;
    EXPECT_EQ(damaged, before);
  }
  for (std::size_t size = 3; size + 4 < whole.size(); ++size)
    EXPECT_FALSE(
        SpliceInfo::parse(sealed({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)})))
        << size;
}

TEST(SpliceInfo, IsRetimedModulo33BitsAndElseTheSame) {
  Bytes section = from_hex("fc3016000000000014fffff00506fffffffff60000b4e95b7d");
  const auto before = SpliceInfo::parse(section);
  ASSERT_TRUE(retime_splice(section, kPtsModulus - 15));
  auto after = SpliceInfo::parse(section);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->pts_adjustment, Pts90kHz{5});
  EXPECT_EQ(after->at(), Pts90kHz{kPtsModulus - 5});
  after->pts_adjustment = before->pts_adjustment;
  EXPECT_EQ(*after, *before);
}

}  // namespace
}  // namespace headgate::mpegts

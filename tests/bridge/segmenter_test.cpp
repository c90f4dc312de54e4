#include "dataplane/bridge/hls/segmenter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace headgate::bridge::hls {
namespace {

using mpegts::kTicksPerSecond;
using mpegts::es::RandomAccess;

constexpr std::int64_t kMs = kTicksPerSecond / 1000;
constexpr std::int64_t kFrame = 40 * kMs;
constexpr std::int64_t kSegment = 4 * kTicksPerSecond;
// Slot 1000 begins here.
constexpr std::int64_t kBase = 1000 * kSegment;

struct Kept {
  std::int64_t k, start, duration;
  bool gap, independent, discontinuity;
  std::vector<std::uint8_t> bytes;
  std::vector<TrackFormat> formats;
};

class SegmentCollect : public SegmentSink {
 public:
  void on_segment(const FinishedSegment& s) override {
    Kept kept{s.k, s.start, s.duration, false, s.independent, s.discontinuity, {}, s.formats};
    for (const auto& piece : s.pieces) kept.bytes.insert(kept.bytes.end(), piece.begin(), piece.end());
    EXPECT_EQ(kept.bytes.size(), s.size);
    for (std::size_t p = 0; p < s.parts.size(); ++p) {
      awaited.push_back(s.awaited[p]);
      if (!s.awaited[p]) part(s.k, p, s.parts[p]);
    }
    all.push_back(std::move(kept));
  }
  void on_part(std::int64_t k, std::size_t place, const SegmentFile& file) override { part(k, place, file); }
  void part(std::int64_t k, std::size_t place, const SegmentFile& file) {
    Kept kept{k, 0, 0, false, false, false, {}, {}};
    for (const auto& piece : file.pieces) kept.bytes.insert(kept.bytes.end(), piece.begin(), piece.end());
    parts[place].push_back(std::move(kept));
  }
  void on_gap(std::int64_t k, std::int64_t start, std::int64_t duration) override {
    all.push_back({k, start, duration, true, false, false, {}, {}});
  }
  std::vector<Kept> all;
  std::vector<bool> awaited;                       // of all parts, as they came
  std::map<std::size_t, std::vector<Kept>> parts;  // as they were complete
};

std::shared_ptr<hub::Configuration> configuration(bool video, std::size_t audios) {
  auto made = std::make_shared<hub::Configuration>();
  made->transport_stream_id = 7;
  made->pmt_pid = mpegts::Pid{0x100};
  made->pmt.program_number = 3;
  made->pmt.pcr_pid = mpegts::Pid{0x101};
  const auto add = [&](std::uint16_t pid, std::uint8_t type, mpegts::StreamKind kind) {
    made->pmt.streams.push_back({type, mpegts::Pid{pid}, {}});
    made->carried.push_back({mpegts::Pid{pid}, type, kind, "", true, ""});
  };
  if (video) add(0x101, 0x1B, mpegts::StreamKind::h264);
  for (std::size_t i = 0; i < audios; ++i)
    add(static_cast<std::uint16_t>(0x110 + i), 0x0F, mpegts::StreamKind::aac_adts);
  return made;
}

class SegmenterTest : public testing::Test {
 protected:
  explicit SegmenterTest(const SegmenterOptions& options = {}) : segmenter(options, out) {}

  // One packet that says which unit it is: PID, and a number in its payload.
  void unit(std::uint8_t track, std::int64_t dts, RandomAccess access = RandomAccess::none,
            std::int64_t reorder = 0) {
    std::vector<std::uint8_t> packet(mpegts::kPacketSize, 0);
    const std::uint16_t pid = current->carried[track].pid.value;
    packet[0] = mpegts::kSyncByte;
    packet[1] = static_cast<std::uint8_t>(0x40 | pid >> 8);
    packet[2] = static_cast<std::uint8_t>(pid);
    packet[3] = static_cast<std::uint8_t>(0x10 | (counters[pid]++ & 0x0F));
    for (int i = 0; i < 8; ++i)
      packet[static_cast<std::size_t>(8 + i)] = static_cast<std::uint8_t>(dts >> 8 * i);
    segmenter.on_unit({.track = track,
                       .timed = true,
                       .random_access = access,
                       .dts = dts,
                       .pts = dts + reorder,
                       .packets = packet});
  }
  void configure(bool video, std::size_t audios) {
    current = configuration(video, audios);
    segmenter.on_configuration(current);
  }
  // Video of 25 frames a second, a random access point each `gop` frames counted from kBase.
  void video(std::int64_t from, std::int64_t to, std::int64_t gop = 25) {
    for (std::int64_t t = from; t < to; t += kFrame) {
      const bool key = ((t - kBase) / kFrame) % gop == 0;
      unit(0, t, key ? RandomAccess::clean : RandomAccess::none, 2 * kFrame);
    }
  }
  static std::vector<std::int64_t> units_of(const Kept& segment, std::uint16_t pid) {
    std::vector<std::int64_t> times;
    for (std::size_t at = 0; at < segment.bytes.size(); at += mpegts::kPacketSize) {
      const std::uint8_t* p = segment.bytes.data() + at;
      if (((p[1] & 0x1F) << 8 | p[2]) != pid) continue;
      std::int64_t t = 0;
      for (int i = 7; i >= 0; --i) t = t << 8 | p[8 + i];
      times.push_back(t);
    }
    return times;
  }
  std::vector<std::int64_t> numbers() const {
    std::vector<std::int64_t> ks;
    for (const Kept& s : out.all) ks.push_back(s.k);
    return ks;
  }

  SegmentCollect out;
  Segmenter segmenter;
  std::shared_ptr<hub::Configuration> current;
  std::map<std::uint16_t, int> counters;
};

TEST_F(SegmenterTest, BeginsEachSegmentAtTheFirstRandomAccessPointOfItsSlot) {
  configure(true, 0);
  video(kBase + 2000 * kMs, kBase + 13 * kTicksPerSecond, 30);  // a random access point each 1.2 s
  ASSERT_EQ(numbers(), (std::vector<std::int64_t>{1001, 1002}));
  // Multiples of 1.2 s: the first at or after 4 s is 4.8 s, after 8 s 8.4 s, after 12 s 12 s.
  EXPECT_EQ(out.all[0].start, kBase + 4800 * kMs);
  EXPECT_EQ(out.all[0].duration, 3600 * kMs);
  EXPECT_EQ(out.all[1].start, kBase + 8400 * kMs);
  EXPECT_EQ(out.all[1].duration, 3600 * kMs);
  EXPECT_TRUE(out.all[0].independent);
}

TEST_F(SegmenterTest, StampsThatLeapAndFallBackGiveNoImpossibleDuration) {
  configure(true, 1);
  // A clock that goes on, and stamps that are now ahead of it, now behind.
  for (std::int64_t second = 0; second < 40; ++second) {
    const std::int64_t lead = (second % 2 == 0 ? 18 : -18) * kTicksPerSecond;
    const std::int64_t from = kBase + second * kTicksPerSecond + lead;
    for (std::int64_t t = from; t < from + kTicksPerSecond; t += kFrame) {
      unit(0, t, t == from ? RandomAccess::clean : RandomAccess::none);
      unit(1, t);
    }
  }
  ASSERT_GE(out.all.size(), 5U);
  for (const Kept& s : out.all) {
    EXPECT_GE(s.duration, 0) << s.k;
    EXPECT_LE(s.duration, 2 * kSegment) << s.k;
  }
  EXPECT_GT(segmenter.counters().discontinuities, 0U);
}

TEST_F(SegmenterTest, GoesOnAtOnceWhenTheStampsBeginAnewFarBehind) {
  configure(true, 0);
  video(kBase, kBase + 40 * kTicksPerSecond);
  const std::size_t before = out.all.size();
  video(kBase + 20 * kTicksPerSecond, kBase + 34 * kTicksPerSecond);
  ASSERT_GE(out.all.size(), before + 2);
  EXPECT_TRUE(out.all[before + 1].discontinuity);
  EXPECT_EQ(out.all[before + 1].duration, kSegment);
}

TEST_F(SegmenterTest, PicturesWithoutDtsThatFallBackALittleBreakNothing) {
  configure(true, 0);
  for (std::int64_t t = kBase; t < kBase + 20 * kTicksPerSecond; t += 3 * kFrame) {
    unit(0, t + 2 * kFrame, (t - kBase) % (30 * kFrame) == 0 ? RandomAccess::clean : RandomAccess::none);
    unit(0, t);
    unit(0, t + kFrame);
  }
  ASSERT_GE(out.all.size(), 3U);
  EXPECT_EQ(segmenter.counters().discontinuities, 0U);
  for (const Kept& s : out.all) EXPECT_LE(s.duration, 2 * kSegment) << s.k;
}

TEST_F(SegmenterTest, ListsNoSegmentWhoseBeginningWasNotSeen) {
  configure(true, 0);
  video(kBase + 40 * kMs, kBase + 9 * kTicksPerSecond);
  EXPECT_EQ(numbers(), (std::vector<std::int64_t>{1001}));
}

TEST_F(SegmenterTest, ASlotWithoutRandomAccessPointBeginsAtItsLastAccessUnit) {
  configure(true, 0);
  video(kBase - kTicksPerSecond, kBase + 13 * kTicksPerSecond, 250);  // a random access point each 10 s
  ASSERT_GE(out.all.size(), 2U);
  EXPECT_EQ(out.all[0].k, 1000);
  EXPECT_TRUE(out.all[0].independent);
  EXPECT_EQ(out.all[1].k, 1001);
  EXPECT_FALSE(out.all[1].independent);
  EXPECT_EQ(out.all[1].start, kBase + 8 * kTicksPerSecond - kFrame);
  EXPECT_EQ(out.all[0].duration, 8 * kTicksPerSecond - kFrame);
  EXPECT_EQ(units_of(out.all[1], 0x101).front(), kBase + 8 * kTicksPerSecond - kFrame);
  EXPECT_EQ(units_of(out.all[0], 0x101).back(), kBase + 8 * kTicksPerSecond - 2 * kFrame);
  EXPECT_EQ(segmenter.counters().gop_too_long, 1U);
}

TEST_F(SegmenterTest, NoSegmentIsLongerThanTheTargetDuration) {
  configure(true, 0);
  video(kBase - kTicksPerSecond, kBase + 60 * kTicksPerSecond, 173);
  ASSERT_GT(out.all.size(), 10U);
  for (std::size_t i = 0; i < out.all.size(); ++i) {
    EXPECT_LE(out.all[i].duration, 2 * kSegment);
    if (i == 0) continue;
    EXPECT_EQ(out.all[i].start, out.all[i - 1].start + out.all[i - 1].duration);
  }
}

TEST_F(SegmenterTest, AudioFollowsTheBoundaryByItsOwnTime) {
  configure(true, 2);
  // Sound comes half a second or so behind the picture, the second track a whole second.
  for (std::int64_t t = kBase - 2 * kTicksPerSecond; t < kBase + 14 * kTicksPerSecond; t += kFrame) {
    const bool key = ((t - kBase) / kFrame) % 25 == 0;
    unit(0, t, key ? RandomAccess::clean : RandomAccess::none, 2 * kFrame);
    unit(1, t - 480 * kMs);
    unit(2, t - 1000 * kMs);
  }
  ASSERT_GE(out.all.size(), 3U);
  for (const Kept& segment : out.all) {
    const std::int64_t from = segment.start + 2 * kFrame;
    for (const std::uint16_t pid : {std::uint16_t{0x110}, std::uint16_t{0x111}}) {
      const auto times = units_of(segment, pid);
      ASSERT_EQ(times.size(), 100U) << segment.k << " " << pid;
      EXPECT_EQ(times.front(), from);
      EXPECT_EQ(times.back(), from + segment.duration - kFrame);
    }
  }
  EXPECT_EQ(segmenter.counters().late_units, 0U);
}

TEST_F(SegmenterTest, AudioThatRunsAheadIsMovedIntoItsSegment) {
  configure(true, 1);
  for (std::int64_t t = kBase - kTicksPerSecond; t < kBase + 9 * kTicksPerSecond; t += kFrame) {
    unit(1, t + 800 * kMs);
    unit(0, t, ((t - kBase) / kFrame) % 25 == 0 ? RandomAccess::clean : RandomAccess::none);
  }
  ASSERT_GE(out.all.size(), 2U);
  EXPECT_EQ(units_of(out.all[1], 0x110).front(), out.all[1].start);
  EXPECT_EQ(units_of(out.all[0], 0x110).back(), out.all[1].start - kFrame);
}

TEST_F(SegmenterTest, SilentAudioHoldsASegmentForItsPatienceOnly) {
  configure(true, 1);
  unit(0, kBase - kFrame);
  unit(0, kBase, RandomAccess::clean);
  unit(1, kBase);
  video(kBase + kFrame, kBase + 5400 * kMs);
  EXPECT_TRUE(out.all.empty());
  video(kBase + 5400 * kMs, kBase + 5600 * kMs);
  EXPECT_EQ(numbers(), (std::vector<std::int64_t>{1000}));
}

TEST_F(SegmenterTest, WritesUnitsByDecodingTimeAndKeepsEachPidInOrder) {
  configure(true, 1);
  for (std::int64_t t = kBase - kTicksPerSecond; t < kBase + 9 * kTicksPerSecond; t += kFrame) {
    unit(0, t, ((t - kBase) / kFrame) % 25 == 0 ? RandomAccess::clean : RandomAccess::none);
    unit(1, t - 300 * kMs);
  }
  ASSERT_FALSE(out.all.empty());
  const Kept& segment = out.all[0];
  std::map<int, int> last;
  std::int64_t time = 0;
  for (std::size_t at = 2 * mpegts::kPacketSize; at < segment.bytes.size(); at += mpegts::kPacketSize) {
    const std::uint8_t* p = segment.bytes.data() + at;
    const int pid = (p[1] & 0x1F) << 8 | p[2];
    const int expected = last.contains(pid) ? (last[pid] + 1) & 0x0F : p[3] & 0x0F;
    EXPECT_EQ(p[3] & 0x0F, expected);
    last[pid] = p[3] & 0x0F;
    std::int64_t t = 0;
    for (int i = 7; i >= 0; --i) t = t << 8 | p[8 + i];
    EXPECT_GE(t, time);
    time = t;
  }
}

TEST_F(SegmenterTest, BeginsWithPatAndPmtWhoseCountersFollowTheNumber) {
  configure(true, 0);
  video(kBase - kTicksPerSecond, kBase + 13 * kTicksPerSecond);
  ASSERT_EQ(out.all.size(), 3U);
  for (const Kept& segment : out.all) {
    const std::uint8_t* pat = segment.bytes.data();
    const std::uint8_t* pmt = pat + mpegts::kPacketSize;
    EXPECT_EQ(pat[0], 0x47);
    EXPECT_EQ((pat[1] & 0x1F) << 8 | pat[2], 0);
    EXPECT_EQ((pmt[1] & 0x1F) << 8 | pmt[2], 0x100);
    EXPECT_EQ(pat[3] & 0x0F, segment.k & 0x0F);
    EXPECT_EQ(pmt[3] & 0x0F, segment.k & 0x0F);
  }
}

TEST_F(SegmenterTest, SlotsWithoutAccessUnitsAreGapsWhenMediaReturns) {
  configure(true, 0);
  video(kBase - kTicksPerSecond, kBase + 6 * kTicksPerSecond);
  video(kBase + 17 * kTicksPerSecond, kBase + 25 * kTicksPerSecond);
  ASSERT_EQ(numbers(), (std::vector<std::int64_t>{1000, 1001, 1002, 1003, 1004, 1005}));
  EXPECT_FALSE(out.all[1].gap);
  EXPECT_EQ(out.all[1].start + out.all[1].duration, kBase + 6 * kTicksPerSecond);
  EXPECT_TRUE(out.all[2].gap);
  EXPECT_TRUE(out.all[3].gap);
  EXPECT_EQ(out.all[4].start, kBase + 17 * kTicksPerSecond);
  EXPECT_FALSE(out.all[4].discontinuity);
  for (std::size_t i = 1; i < out.all.size(); ++i) {
    EXPECT_EQ(out.all[i].start, out.all[i - 1].start + out.all[i - 1].duration);
  }
}

TEST_F(SegmenterTest, AGapIsNeverLongerThanTheTargetDuration) {
  configure(true, 0);
  video(kBase - kTicksPerSecond, kBase + 4200 * kMs);
  video(kBase + 15 * kTicksPerSecond, kBase + 25 * kTicksPerSecond);
  ASSERT_EQ(numbers(), (std::vector<std::int64_t>{1000, 1001, 1002, 1003, 1004, 1005}));
  EXPECT_EQ(out.all[1].duration, 200 * kMs);
  EXPECT_TRUE(out.all[2].gap);
  EXPECT_EQ(out.all[2].duration, 2 * kSegment);
  EXPECT_EQ(out.all[2].start + out.all[2].duration, out.all[3].start);
}

TEST_F(SegmenterTest, SilenceClosesTheLastSegmentOnceItsSlotIsOver) {
  configure(true, 0);
  video(kBase - kTicksPerSecond, kBase + 6 * kTicksPerSecond);
  segmenter.on_silence(1900 * kMs);
  EXPECT_EQ(numbers(), (std::vector<std::int64_t>{1000}));  // until 8 s a unit of this slot may still come
  segmenter.on_silence(2100 * kMs);
  ASSERT_EQ(numbers(), (std::vector<std::int64_t>{1000, 1001}));
  EXPECT_EQ(out.all[1].duration, 2 * kTicksPerSecond);
  EXPECT_EQ(units_of(out.all[1], 0x101).size(), 50U);
  segmenter.on_silence(60 * kTicksPerSecond);
  EXPECT_EQ(out.all.size(), 2U);
}

TEST_F(SegmenterTest, AfterSilenceNumbersSkipAsGapsAndTheTimelineGoesOnWithoutAMark) {
  configure(true, 0);
  video(kBase - kTicksPerSecond, kBase + 6 * kTicksPerSecond);
  segmenter.on_silence(3 * kTicksPerSecond);
  video(kBase + 17 * kTicksPerSecond, kBase + 25 * kTicksPerSecond);
  ASSERT_EQ(numbers(), (std::vector<std::int64_t>{1000, 1001, 1002, 1003, 1004, 1005}));
  EXPECT_TRUE(out.all[2].gap && out.all[3].gap);
  EXPECT_EQ(out.all[4].start, kBase + 17 * kTicksPerSecond);
  for (std::size_t i = 1; i < out.all.size(); ++i) {
    EXPECT_EQ(out.all[i].start, out.all[i - 1].start + out.all[i - 1].duration);
    EXPECT_FALSE(out.all[i].discontinuity);
  }
}

TEST_F(SegmenterTest, SilenceGivesTheSameSegmentsAsNoOneLooking) {
  const auto run = [&](bool look) {
    SegmentCollect kept;
    Segmenter made({}, kept);
    current = configuration(true, 0);
    made.on_configuration(current);
    for (std::int64_t t = kBase; t < kBase + 40 * kTicksPerSecond; t += kFrame) {
      if (t >= kBase + 9 * kTicksPerSecond && t < kBase + 18 * kTicksPerSecond) continue;
      if (look && t >= kBase + 18 * kTicksPerSecond)
        made.on_silence(std::exchange(look, false) ? 9 * kTicksPerSecond : 0);
      const std::vector<std::uint8_t> packet(mpegts::kPacketSize, 1);
      hub::Unit u;
      u.timed = true;
      u.random_access = (t - kBase) / kFrame % 25 == 0 ? RandomAccess::clean : RandomAccess::none;
      u.dts = u.pts = t;
      u.packets = packet;
      made.on_unit(u);
    }
    std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t, bool>> seen;
    for (const Kept& s : kept.all) seen.emplace_back(s.k, s.start, s.duration, s.gap);
    return seen;
  };
  EXPECT_EQ(run(true), run(false));
}

TEST_F(SegmenterTest, ARestartOfTheProducerMarksTheNextSegment) {
  configure(true, 0);
  video(kBase - kTicksPerSecond, kBase + 6 * kTicksPerSecond);
  segmenter.on_loss();
  segmenter.on_producer_restart();
  video(kBase + 6800 * kMs, kBase + 13 * kTicksPerSecond);
  ASSERT_EQ(numbers(), (std::vector<std::int64_t>{1000, 1001, 1002}));
  EXPECT_FALSE(out.all[1].discontinuity);
  EXPECT_TRUE(out.all[2].discontinuity);
  EXPECT_EQ(out.all[2].start, kBase + 8 * kTicksPerSecond);  // nothing more than what was lost is missing
  EXPECT_EQ(segmenter.counters().discontinuities, 1U);
}

TEST(SegmenterBudget, ChannelsShareItAndGiveBackWhatTheyHeld) {
  MemoryBudget budget{256 * 1024, 0};
  SegmenterOptions options;
  options.budget = &budget;
  SegmentCollect out;
  {
    Segmenter one(options, out);
    Segmenter two(options, out);
    one.on_configuration(configuration(true, 0));
    two.on_configuration(configuration(true, 0));
    const std::vector<std::uint8_t> packets(mpegts::kPacketSize * 100, 1);
    hub::Unit u;
    u.timed = true;
    u.random_access = RandomAccess::clean;
    u.packets = packets;
    for (std::int64_t i = 0; i < 50; ++i) {
      u.dts = u.pts = kBase - kSegment / 2 + i * kFrame;
      one.on_unit(u);
      two.on_unit(u);
      ASSERT_LE(budget.used, budget.limit);
    }
    EXPECT_GT(one.counters().dropped_over_budget, 0U);
    EXPECT_GT(two.counters().dropped_over_budget, 0U);
    EXPECT_EQ(one.counters().dropped_units, one.counters().dropped_over_budget);
  }
  EXPECT_EQ(budget.used, 0U);
}

TEST_F(SegmenterTest, AfterARestartTheLostSlotIsAGapAndNumbersGoOn) {
  configure(true, 0);
  segmenter.resume(1000, kBase);
  video(kBase + 1520 * kMs, kBase + 9 * kTicksPerSecond);
  ASSERT_EQ(numbers(), (std::vector<std::int64_t>{1000, 1001}));
  EXPECT_TRUE(out.all[0].gap);
  EXPECT_EQ(out.all[0].duration, kSegment);
  EXPECT_FALSE(out.all[1].gap);
  EXPECT_FALSE(out.all[1].discontinuity);
}

TEST_F(SegmenterTest, ADiscontinuityEndsTheSegmentAndMarksTheNext) {
  configure(true, 0);
  video(kBase - kTicksPerSecond, kBase + 6 * kTicksPerSecond);
  segmenter.on_discontinuity();
  video(kBase + 6 * kTicksPerSecond, kBase + 13 * kTicksPerSecond);
  ASSERT_EQ(numbers(), (std::vector<std::int64_t>{1000, 1001, 1002}));
  EXPECT_EQ(out.all[1].duration, 2 * kTicksPerSecond);
  EXPECT_TRUE(out.all[2].discontinuity);
  EXPECT_EQ(out.all[2].start, kBase + 8 * kTicksPerSecond);
  EXPECT_GT(segmenter.counters().unlisted_units, 0U);
}

TEST_F(SegmenterTest, NewTracksBeginANewSegmentWithADiscontinuity) {
  configure(true, 0);
  video(kBase - kTicksPerSecond, kBase + 6 * kTicksPerSecond);
  configure(true, 1);
  video(kBase + 6 * kTicksPerSecond, kBase + 14 * kTicksPerSecond);
  ASSERT_GE(out.all.size(), 3U);
  EXPECT_TRUE(out.all[2].discontinuity);
  EXPECT_EQ(out.all[2].formats.size(), 2U);
  EXPECT_EQ(out.all[1].formats.size(), 1U);
}

TEST_F(SegmenterTest, ATimelineThatBeganAnewFarBehindIsFollowed) {
  configure(true, 0);
  video(kBase - kTicksPerSecond, kBase + 6 * kTicksPerSecond);
  segmenter.on_discontinuity();
  const std::int64_t early = kBase - 100 * kSegment;
  video(early, early + 9 * kTicksPerSecond);
  EXPECT_EQ(segmenter.counters().restarts, 1U);
  ASSERT_GE(out.all.size(), 3U);
  EXPECT_EQ(out.all.back().k, 901);
}

TEST_F(SegmenterTest, RadioBeginsAtItsSlotsFirstFrame) {
  configure(false, 1);
  for (std::int64_t t = kBase - 90 * kMs; t < kBase + 9 * kTicksPerSecond; t += 24 * kMs)
    unit(0, t, RandomAccess::clean);
  ASSERT_EQ(numbers(), (std::vector<std::int64_t>{1000, 1001}));
  EXPECT_GE(out.all[0].start, kBase);
  EXPECT_LT(out.all[0].start, kBase + 24 * kMs);
  EXPECT_LT(out.all[1].start, kBase + kSegment + 24 * kMs);
}

TEST_F(SegmenterTest, NoDurationIsNegativeWhereDecodingTimesRunBackward) {
  configure(true, 1);
  std::uint32_t random = 1;
  for (int i = 0; i < 20'000; ++i) {
    random = random * 1664525U + 1013904223U;
    const std::int64_t jitter =
        static_cast<std::int64_t>(random >> 8) % (40 * kTicksPerSecond) - 20 * kTicksPerSecond;
    unit((random >> 4 & 3U) == 0 ? 1 : 0, kBase + i * kFrame + jitter, RandomAccess::clean);
  }
  segmenter.finish();
  ASSERT_GT(out.all.size(), 100U);
  for (const Kept& s : out.all) ASSERT_GE(s.duration, 0) << s.k;
}

// Each access unit would copy all the sound that lies ahead of it: a minute and more instead of a moment.
TEST_F(SegmenterTest, SoundFarAheadOfAPictureThatNeverStartsIsNotCopiedAtEachUnit) {
  configure(true, 1);
  const std::size_t units = 60'000;
  for (std::size_t i = 0; i < units; ++i) {
    const std::int64_t t = kBase + static_cast<std::int64_t>(i) * kMs / 100;
    unit(0, t);
    unit(1, t + 15 * kTicksPerSecond);
  }
  EXPECT_GT(segmenter.counters().unlisted_units, units / 2);
}

// A channel whose sound has a twin, which comes when the test says so.
class TwinSegmenterTest : public SegmenterTest {
 protected:
  TwinSegmenterTest() {
    current = configuration(true, 2);
    current->carried[1].kind = mpegts::StreamKind::mpeg_audio;
    current->carried[2].twin_of = current->carried[1].pid;
    segmenter.on_configuration(current);
  }
  // Pictures and their sound.
  void rest(std::int64_t from, std::int64_t to) {
    for (std::int64_t t = from; t < to; t += kFrame) {
      video(t, t + kFrame);
      unit(1, t);
    }
  }
  void twin(std::int64_t from, std::int64_t to) {
    for (std::int64_t t = from; t < to; t += kFrame) unit(2, t);
  }
  std::vector<std::size_t> twin_sizes() {
    std::vector<std::size_t> sizes;
    for (const Kept& part : out.parts[1]) sizes.push_back(units_of(part, 0x111).size());
    return sizes;
  }
};

TEST_F(TwinSegmenterTest, NothingWaitsForATwinThatIsLateAndItsPartsComeInOrder) {
  const std::int64_t begin = kBase - kTicksPerSecond;
  for (std::int64_t t = begin; t < kBase + 5 * kTicksPerSecond; t += kFrame) {
    rest(t, t + kFrame);
    twin(t, t + kFrame);
  }
  const auto count = [](std::size_t seconds) { return seconds * 25; };
  ASSERT_EQ(numbers(), (std::vector<std::int64_t>{1000}));
  EXPECT_EQ(twin_sizes(), (std::vector<std::size_t>{count(4)}));
  rest(kBase + 5 * kTicksPerSecond, kBase + 12 * kTicksPerSecond + 10 * kFrame);
  EXPECT_EQ(numbers(), (std::vector<std::int64_t>{1000, 1001, 1002})) << "they wait for the twin";
  EXPECT_EQ(out.parts[0].size(), 3U);
  EXPECT_EQ(twin_sizes().size(), 1U) << "it is late, and no gap";
  twin(kBase + 5 * kTicksPerSecond, kBase + 12 * kTicksPerSecond + 10 * kFrame);
  EXPECT_EQ(twin_sizes(), (std::vector<std::size_t>{count(4), count(4), count(4)}));
  EXPECT_EQ(out.parts[1][1].k, 1001);
  EXPECT_EQ(out.parts[1][2].k, 1002);
  EXPECT_EQ(segmenter.counters().discontinuities + segmenter.counters().late_units, 0U);
}

TEST_F(TwinSegmenterTest, NothingWaitsForSmallerPicturesThatAreLate) {
  current = configuration(true, 2);
  current->carried[2].kind = mpegts::StreamKind::h264;
  current->carried[2].twin_of = current->carried[0].pid;
  segmenter.on_configuration(current);
  rest(kBase - kTicksPerSecond, kBase + 9 * kTicksPerSecond);
  EXPECT_EQ(numbers(), (std::vector<std::int64_t>{1000, 1001}));
  EXPECT_TRUE(out.parts[1].empty());
  twin(kBase, kBase + 9 * kTicksPerSecond);
  ASSERT_EQ(out.parts[1].size(), 2U);
  EXPECT_EQ(twin_sizes(), (std::vector<std::size_t>{100, 100}));
  EXPECT_EQ(segmenter.counters().discontinuities, 0U);
}

TEST_F(TwinSegmenterTest, SmallerPicturesThatBeginInTheMiddleAreAGapUntilTheNextSegment) {
  current = configuration(true, 2);
  current->carried[2].kind = mpegts::StreamKind::h264;
  current->carried[2].twin_of = current->carried[0].pid;
  segmenter.on_configuration(current);
  rest(kBase - kTicksPerSecond, kBase + kTicksPerSecond);
  // In time, and late.
  for (std::int64_t t = kBase + kTicksPerSecond; t < kBase + 5 * kTicksPerSecond; t += kFrame) {
    rest(t, t + kFrame);
    twin(t, t + kFrame);
  }
  rest(kBase + 5 * kTicksPerSecond, kBase + 9 * kTicksPerSecond);
  twin(kBase + 5 * kTicksPerSecond, kBase + 8 * kTicksPerSecond);
  rest(kBase + 9 * kTicksPerSecond, kBase + 13 * kTicksPerSecond);
  twin(kBase + 9 * kTicksPerSecond, kBase + 13 * kTicksPerSecond);
  rest(kBase + 13 * kTicksPerSecond, kBase + 17 * kTicksPerSecond);
  twin(kBase + 13 * kTicksPerSecond, kBase + 17 * kTicksPerSecond);
  ASSERT_EQ(out.parts[1].size(), 4U);
  EXPECT_EQ(twin_sizes(), (std::vector<std::size_t>{0, 98, 0, 100}));
}

TEST_F(TwinSegmenterTest, ATwinThatNeverComesIsAGapAfterItsLimit) {
  rest(kBase - kTicksPerSecond, kBase + 13 * kTicksPerSecond);
  EXPECT_EQ(out.all.size(), 3U);
  EXPECT_EQ(twin_sizes(), (std::vector<std::size_t>{0}));
  EXPECT_TRUE(out.parts[1][0].bytes.empty());
  twin(kBase + kTicksPerSecond, kBase + 2 * kTicksPerSecond);  // of the segment that was given up
  EXPECT_EQ(segmenter.counters().late_units, 25U);
}

TEST_F(TwinSegmenterTest, ABreakEndsWhatIsAwaited) {
  rest(kBase - kTicksPerSecond, kBase + 5 * kTicksPerSecond);
  twin(kBase, kBase + kTicksPerSecond);
  segmenter.on_discontinuity();
  EXPECT_EQ(twin_sizes(), (std::vector<std::size_t>{23, 0}));
}

TEST_F(TwinSegmenterTest, AnIdleTwinIsNoBreak) {
  rest(kBase - kTicksPerSecond, kBase + 5 * kTicksPerSecond);
  auto idle = std::make_shared<hub::Configuration>(*current);
  idle->idle_twins = {current->carried[2].pid};
  segmenter.on_configuration(idle);
  rest(kBase + 5 * kTicksPerSecond, kBase + 9 * kTicksPerSecond);
  EXPECT_EQ(numbers(), (std::vector<std::int64_t>{1000, 1001}));
  EXPECT_EQ(segmenter.counters().discontinuities, 0U);
}

class SmallSegmenterTest : public SegmenterTest {
 protected:
  static SegmenterOptions small() {
    SegmenterOptions options;
    options.max_bytes = 20 * mpegts::kPacketSize;
    return options;
  }
  SmallSegmenterTest() : SegmenterTest(small()) {}
};

TEST_F(SmallSegmenterTest, DropsAndCountsWhatExceedsTheBound) {
  configure(true, 0);
  video(kBase - kTicksPerSecond, kBase + 9 * kTicksPerSecond);
  ASSERT_EQ(out.all.size(), 2U);
  EXPECT_LE(out.all[0].bytes.size(), 22 * mpegts::kPacketSize);
  EXPECT_GT(segmenter.counters().dropped_units, 100U);
}

}  // namespace
}  // namespace headgate::bridge::hls

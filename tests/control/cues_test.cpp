#include "control/daemon/cues.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "tests/support/made_cue.h"

namespace headgate::control {
namespace {

CueSnapshot made(const std::vector<std::uint8_t>& section) {
  CueSnapshot cue;
  cue.channel = "news";
  cue.pid = 0x1F4;
  cue.size = section.size();
  cue.section = section;
  return cue;
}

TEST(Cues, AreToldWithTheirTimeAndHowFarItLiesAhead) {
  CueSnapshot cue = made(test::splice_insert(42, 81'000));
  EXPECT_EQ(cue_text(cue),
            "input 1, PID 0x01f4: splice_insert event 42 out for 30.0 s, auto return at PTS 81000 (0.900 s)");
  cue.clock_27mhz = 0;
  EXPECT_TRUE(cue_text(cue).ends_with(", 0.9 s ahead")) << cue_text(cue);
  cue.clock_27mhz = 27'000'000ULL * 2;
  EXPECT_TRUE(cue_text(cue).ends_with(", 1.1 s ago")) << cue_text(cue);
  cue.size = 900;
  EXPECT_EQ(cue_text(cue), "input 1, PID 0x01f4: a cue of 900 bytes, too long to show");
  EXPECT_EQ(cue_text(made({0xFC, 1, 2})), "input 1, PID 0x01f4: a cue of 3 bytes whose form is wrong");
}

TEST(Cues, ASourceThatNeverStopsFillsNoLog) {
  CueLimit limit;
  std::uint64_t left_out = 0;
  unsigned told = 0;
  for (int i = 0; i < 100; ++i) told += limit.takes("news", i, left_out) ? 1 : 0;
  EXPECT_EQ(told, CueLimit::kMost);
  EXPECT_TRUE(limit.takes("sport", 100, left_out));
  EXPECT_EQ(left_out, 0U);
  EXPECT_TRUE(limit.takes("news", CueLimit::kWindowNs, left_out));
  EXPECT_EQ(left_out, 100 - CueLimit::kMost);
  EXPECT_TRUE(limit.takes("news", CueLimit::kWindowNs + 1, left_out));
  EXPECT_EQ(left_out, 0U);
}

class TakeCues : public testing::Test {
 protected:
  // As the fast path writes it.
  void tell(std::uint64_t event) {
    const auto section = test::splice_insert(static_cast<std::uint32_t>(event), 1);
    const std::uint64_t number = page->cues_told.fetch_add(1);
    auto& slot = page->cues[number % protocol::kCueSlots];
    slot.input = 3;
    slot.pid = 0x1F4;
    slot.size = static_cast<std::uint16_t>(section.size());
    std::array<std::uint8_t, protocol::kMaxCueSection> bytes{};
    std::copy(section.begin(), section.end(), bytes.begin());
    for (std::size_t i = 0; i < slot.section.size(); ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + 8 * i, 8);
      slot.section[i] = word;
    }
    slot.sequence = 2 * number + 2;
  }
  std::vector<CueSnapshot> take() { return take_cues(*page, next, missed); }

  std::unique_ptr<protocol::StatsPage> page = std::make_unique<protocol::StatsPage>();
  std::uint64_t next = 0, missed = 0;
};

TEST_F(TakeCues, GivesEachOnce) {
  std::strcpy(page->inputs[3].channel.data(), "news");
  page->inputs[3].number = 2;
  EXPECT_TRUE(take().empty());
  tell(1);
  tell(2);
  const auto cues = take();
  ASSERT_EQ(cues.size(), 2U);
  EXPECT_EQ(cues[1].channel, "news");
  EXPECT_EQ(cues[1].input, 2U);
  EXPECT_EQ(cues[1].section, test::splice_insert(2, 1));
  EXPECT_TRUE(take().empty());
  EXPECT_EQ(missed, 0U);
}

TEST_F(TakeCues, CountsThoseThatWereOverwrittenAndWaitsForTheOneThatIsWritten) {
  for (std::uint64_t i = 0; i < protocol::kCueSlots + 10; ++i) tell(i);
  EXPECT_EQ(take().size(), protocol::kCueSlots);
  EXPECT_EQ(missed, 10U);
  tell(900);
  auto& slot = page->cues[(next) % protocol::kCueSlots];
  slot.sequence = 2 * next + 1;
  EXPECT_TRUE(take().empty());
  slot.sequence = 2 * next + 2;
  EXPECT_EQ(take().size(), 1U);
  // Another process begins at 0.
  page->cues_told = 0;
  EXPECT_TRUE(take().empty());
  tell(1);
  EXPECT_EQ(take().size(), 1U);
}

}  // namespace
}  // namespace headgate::control

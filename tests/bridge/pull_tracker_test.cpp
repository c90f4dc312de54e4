#include "dataplane/bridge/pull/hls_tracker.h"

#include <gtest/gtest.h>

namespace headgate::bridge::pull {
namespace {

using namespace std::chrono_literals;
using Clock = HlsTracker::Clock;

MediaPlaylist list(std::uint64_t first, std::size_t count, const std::string& prefix = "s",
                   std::chrono::nanoseconds duration = 4s, bool ended = false) {
  MediaPlaylist playlist;
  playlist.target = 4s;
  playlist.sequence = first;
  playlist.ended = ended;
  for (std::size_t i = 0; i < count; ++i) {
    playlist.segments.push_back({prefix + std::to_string(first + i) + ".ts", duration, false, false, {}});
  }
  return playlist;
}

const Clock::time_point kT0 = Clock::time_point{} + 1000s;

std::vector<std::uint64_t> take_all(HlsTracker& tracker) {
  std::vector<std::uint64_t> numbers;
  while (const auto item = tracker.take()) numbers.push_back(item->number);
  return numbers;
}

TEST(PullTracker, BeginsThreeSegmentsFromTheLiveEdge) {
  HlsTracker tracker;
  tracker.on_playlist(list(100, 8), kT0);
  EXPECT_EQ(tracker.backlog(), 12s);
  EXPECT_EQ(take_all(tracker), (std::vector<std::uint64_t>{105, 106, 107}));
  EXPECT_EQ(tracker.backlog(), 0s);
}

TEST(PullTracker, BeginsTwoTargetDurationsFromTheEdgeAtLeast) {
  HlsTracker tracker;
  tracker.on_playlist(list(100, 8, "s", 2s), kT0);  // target 4 s
  EXPECT_EQ(tracker.take()->number, 104U);
}

TEST(PullTracker, BeginsAShortOrCompletePlaylistAtItsStart) {
  HlsTracker shorter;
  shorter.on_playlist(list(7, 2), kT0);
  EXPECT_EQ(shorter.take()->number, 7U);
  HlsTracker complete;
  complete.on_playlist(list(0, 20, "s", 4s, true), kT0);
  EXPECT_FALSE(complete.over());
  EXPECT_EQ(take_all(complete).size(), 20U);
  EXPECT_TRUE(complete.over());
}

// RFC 8216 6.3.4.
TEST(PullTracker, ReloadsAfterATargetDurationAndAfterHalfOfItWhereNothingChanged) {
  HlsTracker tracker;
  tracker.on_playlist(list(100, 5), kT0);
  EXPECT_EQ(tracker.next_reload(), kT0 + 4s);
  tracker.on_playlist(list(100, 5), kT0 + 4s);
  EXPECT_EQ(tracker.next_reload(), kT0 + 6s);
  tracker.on_playlist(list(101, 5), kT0 + 6s);
  EXPECT_EQ(tracker.next_reload(), kT0 + 10s);
}

TEST(PullTracker, GoesOnWithWhatIsNew) {
  HlsTracker tracker;
  tracker.on_playlist(list(100, 5), kT0);
  take_all(tracker);
  tracker.on_playlist(list(102, 5), kT0 + 8s);
  const auto next = tracker.take();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->number, 105U);
  EXPECT_FALSE(next->break_before);
  EXPECT_EQ(tracker.counters().late, 0U);
}

TEST(PullTracker, CountsWhatLeftThePlaylistAndBeginsNearTheEdge) {
  HlsTracker tracker;
  tracker.on_playlist(list(100, 5), kT0);
  ASSERT_EQ(tracker.take()->number, 102U);
  tracker.on_playlist(list(120, 5), kT0 + 60s);
  const auto next = tracker.take();
  EXPECT_EQ(next->number, 122U);
  EXPECT_TRUE(next->break_before);
  EXPECT_EQ(tracker.counters().late, 19U);
  EXPECT_FALSE(tracker.take()->break_before);
}

TEST(PullTracker, ALeapOfTheNumbersIsAnotherNumberingAndNothingWasLate) {
  HlsTracker tracker;
  tracker.on_playlist(list(100, 5), kT0);
  take_all(tracker);
  tracker.on_playlist(list(1'700'000'000, 5), kT0 + 4s);
  EXPECT_EQ(tracker.counters().late, 0U);
  EXPECT_EQ(tracker.counters().restarts, 1U);
  EXPECT_EQ(tracker.take()->number, 1'700'000'002U);
}

TEST(PullTracker, ATargetDurationOfADayDoesNotPutOffTheNextLook) {
  HlsTracker tracker;
  MediaPlaylist playlist = list(100, 5);
  playlist.target = 24h;
  tracker.on_playlist(playlist, kT0);
  EXPECT_LE(tracker.next_reload(), kT0 + 60s);
}

TEST(PullTracker, PassesOverAnOlderCopy) {
  HlsTracker tracker;
  tracker.on_playlist(list(100, 5), kT0);
  take_all(tracker);
  tracker.on_playlist(list(99, 5), kT0 + 4s);
  EXPECT_EQ(tracker.counters().stale, 1U);
  EXPECT_FALSE(tracker.take());
  tracker.on_playlist(list(101, 5), kT0 + 6s);
  EXPECT_EQ(take_all(tracker), (std::vector<std::uint64_t>{105}));
  EXPECT_EQ(tracker.counters().restarts, 0U);
}

TEST(PullTracker, AnEncoderThatNumbersAnewIsFollowed) {
  HlsTracker tracker;
  tracker.on_playlist(list(1000, 5), kT0);
  take_all(tracker);
  tracker.on_playlist(list(0, 4, "t"), kT0 + 4s);
  EXPECT_EQ(tracker.counters().restarts, 1U);
  const auto next = tracker.take();
  EXPECT_EQ(next->number, 1U);
  EXPECT_TRUE(next->break_before);
  // And where the numbers overlap: other segments under the same numbers.
  tracker.on_playlist(list(0, 5, "u"), kT0 + 8s);
  EXPECT_EQ(tracker.counters().restarts, 2U);
}

TEST(PullTracker, APlaylistThatAlwaysBeginsWithTheSameNumberIsFollowedBySegments) {
  HlsTracker tracker;
  auto unnumbered = [](std::uint64_t first) {
    auto playlist = list(first, 5);
    playlist.sequence = 0;
    return playlist;
  };
  tracker.on_playlist(unnumbered(0), kT0);
  take_all(tracker);
  for (const std::uint64_t first : {1U, 1U, 2U, 4U}) tracker.on_playlist(unnumbered(first), kT0 + 4s);
  std::vector<std::string> uris;
  while (const auto item = tracker.take()) {
    EXPECT_FALSE(item->break_before);
    uris.push_back(item->segment.uri);
  }
  EXPECT_EQ(uris, (std::vector<std::string>{"s5.ts", "s6.ts", "s7.ts", "s8.ts"}));
  EXPECT_EQ(tracker.counters().restarts, 0U);
}

TEST(PullTracker, AnEncoderStartedAgainUnderTheOldNamesIsFollowedInTheEnd) {
  HlsTracker tracker;
  tracker.on_playlist(list(0, 9), kT0);
  take_all(tracker);
  for (unsigned i = 0; i < HlsTracker::kMostStale; ++i) {
    tracker.on_playlist(list(0, 3), kT0 + 4s);
    EXPECT_FALSE(tracker.take());
  }
  tracker.on_playlist(list(0, 4), kT0 + 8s);
  const auto next = tracker.take();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->number, 1U);
  EXPECT_TRUE(next->break_before);
}

TEST(PullTracker, ATokenBehindTheQuestionMarkIsNoOtherSegment) {
  HlsTracker tracker;
  auto with_token = [](MediaPlaylist playlist, const std::string& token) {
    for (auto& segment : playlist.segments) segment.uri += "?token=" + token;
    return playlist;
  };
  tracker.on_playlist(with_token(list(100, 5), "a"), kT0);
  take_all(tracker);
  tracker.on_playlist(with_token(list(101, 5), "b"), kT0 + 4s);
  EXPECT_EQ(tracker.counters().restarts, 0U);
  EXPECT_EQ(tracker.take()->segment.uri, "s105.ts?token=b");
}

TEST(PullTracker, MarksDiscontinuities) {
  HlsTracker tracker;
  auto playlist = list(0, 3);
  playlist.segments[1].discontinuity = true;
  tracker.on_playlist(playlist, kT0);
  EXPECT_FALSE(tracker.take()->break_before);
  EXPECT_TRUE(tracker.take()->break_before);
  EXPECT_FALSE(tracker.take()->break_before);
}

TEST(PullTracker, AnEmptyPlaylistIsAskedAgainSoon) {
  HlsTracker tracker;
  tracker.on_playlist(list(0, 0), kT0);
  EXPECT_EQ(tracker.peek(), nullptr);
  EXPECT_EQ(tracker.next_reload(), kT0 + 2s);
  tracker.on_playlist(list(0, 1), kT0 + 2s);
  EXPECT_EQ(tracker.take()->number, 0U);
}

}  // namespace
}  // namespace headgate::bridge::pull

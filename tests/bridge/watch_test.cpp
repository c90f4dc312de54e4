#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "dataplane/bridge/watch/channel_watch.h"
#include "dataplane/bridge/watch/report.h"
#include "dataplane/bridge/watch/verdicts.h"

namespace headgate::bridge::watch {
namespace {

using job::PictureResult;
using job::SoundLevels;

constexpr std::int64_t kMs = 1'000'000;
constexpr std::array<std::uint32_t, 1> kTrack{0x101};

// A picture of a background, a figure in it, and a tile that shows the same.
PictureResult picture(int background, int figure, std::size_t place) {
  PictureResult made;
  made.verdict = job::PictureVerdict::shown;
  made.width = 1280;
  made.height = 720;
  for (std::size_t y = 0; y < job::kGridHeight; ++y) {
    for (std::size_t x = 0; x < job::kGridWidth; ++x) {
      const bool inside = x >= place % 24 && x < place % 24 + 6 && y >= 4 && y < 14;
      made.grid[y * job::kGridWidth + x] =
          static_cast<std::uint8_t>(inside ? figure : background + static_cast<int>(y));
    }
  }
  const std::size_t cell = job::kTileWidth / job::kGridWidth;
  for (std::size_t y = 0; y < job::kTileHeight; ++y) {
    for (std::size_t x = 0; x < job::kTileWidth; ++x) {
      for (std::size_t c = 0; c < 3; ++c)
        made.tile[(y * job::kTileWidth + x) * 3 + c] = made.grid[y / cell * job::kGridWidth + x / cell];
    }
  }
  made.mean = static_cast<std::uint8_t>(background);
  made.brightest = static_cast<std::uint8_t>(std::max(background + 18, figure));
  made.detail = 20;
  return made;
}

// 92 % of the way from one to the other.
PictureResult mixed(const PictureResult& from, const PictureResult& to) {
  const auto mix = [](auto a, auto b) { return static_cast<std::uint8_t>((a * 8 + b * 92) / 100); };
  PictureResult made = to;
  for (std::size_t i = 0; i < made.grid.size(); ++i) made.grid[i] = mix(from.grid[i], to.grid[i]);
  for (std::size_t i = 0; i < made.tile.size(); ++i) made.tile[i] = mix(from.tile[i], to.tile[i]);
  made.mean = mix(from.mean, to.mean);
  return made;
}

PictureResult dark() {
  PictureResult made;
  made.verdict = job::PictureVerdict::shown;
  made.width = 1280;
  made.height = 720;
  return made;
}

SoundLevels sound(float rms) {
  SoundLevels made;
  made.rms_dbfs = rms;
  made.short_term_lufs = rms;
  made.momentary_lufs = rms;
  made.peak_dbfs = rms + 10;
  made.samples = 12'000;
  made.channels = 2;
  made.sample_rate = 48'000;
  return made;
}

// A channel of 25 pictures a second, with a random access point each second, looked at as the tap does.
struct Rig {
  Rig() {
    watch.begin(now);
    watch.set_tracks(true, kTrack, now);
  }
  // `mixing`: nearly faded over to the card. `looping`: the same each 5 s.
  enum class Shows { moving, frozen, other, other_frozen, dark, card, mixing, looping };

  void run(int seconds, Shows shows, float rms = -23) { run_ms(seconds * 1000, shows, rms); }
  void run_ms(int length, Shows shows, float rms = -23) {
    for (int ms = 0; ms < length; ms += 40) {
      now += 40 * kMs;
      ++frame;
      const bool moves = shows != Shows::frozen && shows != Shows::other_frozen && shows != Shows::dark &&
                         shows != Shows::card;
      if (moves) ++figure_at;
      const bool random_access = frame % 25 == 0;
      const std::size_t usual = moves && !calm ? 8000 + frame % 3 * 2000 : 60;
      const std::size_t access = shows == Shows::dark ? 2000 : 60'000;
      watch.on_unit(random_access ? access : usual, random_access, now);
      if (ms % 240 == 0) watch.on_levels(kTrack[0], sound(rms), now);
      if (ms % 200 == 0) watch.on_tick(now);
      if (random_access) {
        earlier = std::exchange(kept, {now, false, shown(shows)});
        if (now - looked >= 5000 * kMs) look(kept);
      }
      if (watch.wants_look()) {
        const std::int64_t before = watch.wants_look_before_ns();
        if (before != 0 && earlier.ns < before && kept.ns >= before && !kept.looked && !earlier.looked) {
          earlier.looked = true;
          watch.on_picture(earlier.picture, earlier.ns, now);
        }
        if (!kept.looked && now - looked >= 950 * kMs) look(kept);
      }
      for (const Finding& finding : watch.findings()) {
        if (!first.contains(finding.kind)) first[finding.kind] = now;
      }
    }
  }
  struct Kept {
    std::int64_t ns = 0;
    bool looked = true;
    PictureResult picture;
  };
  void look(Kept& at) {
    at.looked = true;
    looked = now;
    watch.on_picture(at.picture, at.ns, now);
  }
  PictureResult shown(Shows shows) const {
    const PictureResult moving = picture(90, 180, figure_at / 5);
    switch (shows) {
      case Shows::dark:
        return dark();
      case Shows::card:
        return picture(200, 20, 3);
      case Shows::other:
      case Shows::other_frozen:
        return picture(190, 30, figure_at / 10);
      case Shows::mixing:
        return mixed(moving, picture(200, 20, 3));
      case Shows::looping:
        return picture(90, 180, frame % 125 / 10);
      default:
        return moving;
    }
  }

  protocol::WatchState state;
  ChannelWatch watch{state};
  std::int64_t now = 1'000'000 * kMs;
  std::int64_t looked = 0;
  Kept kept;
  Kept earlier;
  std::size_t frame = 0;
  std::size_t figure_at = 0;
  bool calm = false;  // what moves costs nothing
  std::map<Kind, std::int64_t> first;
};

TEST(ChannelWatch, WellMeansNoFinding) {
  Rig rig;
  rig.run(120, Rig::Shows::moving);
  EXPECT_TRUE(rig.watch.findings().empty());
  EXPECT_TRUE(rig.watch.has_verdict(rig.now));
}

TEST(ChannelWatch, TellsBlackFrozenAndSilenceWithinFiveSeconds) {
  struct Case {
    Rig::Shows shows;
    float rms;
    Kind kind;
  };
  for (const Case& each :
       {Case{Rig::Shows::dark, -23, Kind::black}, Case{Rig::Shows::frozen, -23, Kind::frozen},
        Case{Rig::Shows::moving, -100, Kind::silent}}) {
    Rig rig;
    rig.run(31, Rig::Shows::moving);
    const std::int64_t began = rig.now;
    rig.run(6, each.shows, each.rms);
    ASSERT_TRUE(rig.first.contains(each.kind)) << to_string(each.kind);
    EXPECT_LT(rig.first[each.kind] - began, 4600 * kMs) << to_string(each.kind);
    EXPECT_EQ(rig.first.size(), 1U) << to_string(each.kind);
    const Finding* finding = rig.watch.find(each.kind);
    ASSERT_NE(finding, nullptr);
    EXPECT_LT(std::abs(finding->since_ns - began), 400 * kMs) << to_string(each.kind);
    rig.run(10, Rig::Shows::moving);
    EXPECT_TRUE(rig.watch.findings().empty()) << to_string(each.kind);
  }
}

TEST(ChannelWatch, BlackAfterAPictureThatHardlyMovedIsToldAsSoon) {
  for (int ms = 0; ms < 5000; ms += 1000) {  // since the last regular look
    Rig rig;
    rig.calm = true;
    rig.run_ms(31'000 + ms, Rig::Shows::moving);
    const std::int64_t began = rig.now;
    rig.run(6, Rig::Shows::dark);
    ASSERT_TRUE(rig.first.contains(Kind::black)) << ms;
    EXPECT_LT(rig.first[Kind::black] - began, 4600 * kMs) << ms;
    EXPECT_EQ(rig.first.size(), 1U) << ms;
  }
}

TEST(ChannelWatch, ADipToBlackAndAPauseInSpeechAreNothing) {
  Rig rig;
  rig.run(31, Rig::Shows::moving);
  for (int i = 0; i < 5; ++i) {
    rig.run(2, Rig::Shows::dark, -100);
    rig.run(11, Rig::Shows::moving);
  }
  rig.run(3, Rig::Shows::moving, -80);
  rig.run(5, Rig::Shows::moving, -45);
  EXPECT_TRUE(rig.first.empty());
}

TEST(ChannelWatch, ACardThatACutLedToIsAStillAndOnlyAfterAMinute) {
  Rig rig;
  rig.run(31, Rig::Shows::moving);
  rig.run(45, Rig::Shows::card);
  EXPECT_TRUE(rig.first.empty());
  rig.run(30, Rig::Shows::card);
  ASSERT_TRUE(rig.first.contains(Kind::still));
  EXPECT_FALSE(rig.first.contains(Kind::frozen));
}

TEST(ChannelWatch, ACardThatIsFadedToIsAStill) {
  Rig rig;
  rig.run(31, Rig::Shows::moving);
  rig.run_ms(1200, Rig::Shows::mixing);  // with a random access point in it
  rig.run(45, Rig::Shows::card);
  EXPECT_TRUE(rig.first.empty());
}

TEST(ChannelWatch, AShotThatStopsSoonAfterItsCutIsFrozen) {
  Rig rig;
  rig.run(31, Rig::Shows::moving);
  rig.run_ms(1720, Rig::Shows::other);
  const std::int64_t began = rig.now;
  rig.run(6, Rig::Shows::other_frozen);
  ASSERT_TRUE(rig.first.contains(Kind::frozen));
  EXPECT_LT(rig.first[Kind::frozen] - began, 4600 * kMs);
}

TEST(ChannelWatch, WhatRepeatsAsOftenAsItIsLookedAtIsNoStill) {
  Rig rig;
  rig.run(31, Rig::Shows::moving);
  rig.run(200, Rig::Shows::looping);
  EXPECT_TRUE(rig.first.empty());
}

TEST(ChannelWatch, APictureThatNeverMovedIsNone) {
  Rig rig;
  rig.run(200, Rig::Shows::card);
  EXPECT_TRUE(rig.first.empty());
}

TEST(ChannelWatch, WhatWasLeftForItIsFrozenUntilItMoves) {
  Rig rig;
  rig.watch.begin(rig.now, true);
  rig.run(20, Rig::Shows::card);
  EXPECT_NE(rig.watch.find(Kind::frozen), nullptr);
  rig.run(25, Rig::Shows::moving);
  EXPECT_EQ(rig.watch.find(Kind::frozen), nullptr);
}

TEST(ChannelWatch, LightsLogosAndTextAreNotBlack) {
  EXPECT_TRUE(is_black(dark()));
  PictureResult lamp = dark();
  for (std::size_t i = 0; i < 6; ++i) lamp.tile[3000 + i] = 190;
  EXPECT_FALSE(is_black(lamp));
  PictureResult logo = dark();
  logo.grid[40] = 60;
  EXPECT_FALSE(is_black(logo));
  PictureResult night = dark();
  night.brightest = 60;
  EXPECT_FALSE(is_black(night));
}

TEST(ChannelWatch, WithoutReportsItIsUnwatchedAndNeitherGoodNorBad) {
  Rig rig;
  rig.run(20, Rig::Shows::moving);
  for (int i = 0; i < 400; ++i) rig.watch.on_tick(rig.now += 100 * kMs);
  EXPECT_FALSE(rig.watch.has_verdict(rig.now));
  EXPECT_NE(rig.watch.find(Kind::unwatched_pictures), nullptr);
  EXPECT_NE(rig.watch.find(Kind::unwatched_sound), nullptr);
  EXPECT_EQ(rig.watch.find(Kind::silent), nullptr);
  EXPECT_EQ(rig.watch.find(Kind::black), nullptr);
}

TEST(ChannelWatch, AfterAPauseOnTheNetworkNothingIsMissedOfTheTimeBeforeIt) {
  Rig rig;
  rig.run(20, Rig::Shows::moving);
  rig.watch.on_data(rig.now);
  const auto unwatched = [&] {
    return rig.watch.find(Kind::unwatched_pictures) != nullptr ||
           rig.watch.find(Kind::unwatched_sound) != nullptr;
  };
  for (int i = 0; i < 400; ++i) rig.watch.on_tick(rig.now += 100 * kMs);
  EXPECT_TRUE(unwatched());
  const auto data = [&](int tenths) {
    for (int i = 0; i < tenths; ++i) {
      rig.watch.on_data(rig.now += 100 * kMs);
      rig.watch.on_tick(rig.now);
      if (unwatched()) return false;
    }
    return true;
  };
  EXPECT_TRUE(data(90));
  EXPECT_FALSE(data(300));  // data, and no reports
}

TEST(ChannelWatch, PicturesTakenBeforeTheInputCameOnAirAreNotItsOwn) {
  Rig rig;
  rig.run(10, Rig::Shows::moving);
  rig.watch.begin(rig.now);
  rig.watch.on_picture(dark(), rig.now - kMs, rig.now);
  EXPECT_EQ(rig.watch.picture(rig.now), nullptr);
}

TEST(ChannelWatch, ShowsNoLevelsAndNoPictureOfWhatStopped) {
  Rig rig;
  rig.run(10, Rig::Shows::moving);
  const auto shown = [&](std::int64_t ms) { return report(rig.watch, rig.now + ms * kMs, 0); };
  EXPECT_TRUE(shown(2500)["tracks"][0]["levels"].is_object());
  EXPECT_TRUE(shown(2500)["picture"].is_object());
  EXPECT_TRUE(shown(3300)["tracks"][0]["levels"].is_null());
  EXPECT_EQ(shown(3300)["tracks"][0]["pid"], 0x101);
  EXPECT_TRUE(shown(60'000)["picture"].is_null());
}

TEST(ChannelWatch, HearsClippingPhaseAndLoudnessAfterTheirTimes) {
  struct Case {
    SoundLevels levels;
    Kind kind;
    std::int64_t after_ms;
  };
  SoundLevels clipped = sound(-12);
  clipped.clipped = 400;
  SoundLevels against = sound(-23);
  against.correlation = -0.9F;
  for (const Case& each : {Case{clipped, Kind::clipping, 10'000}, Case{against, Kind::phase, 10'000},
                           Case{sound(-5), Kind::loud, 30'000}, Case{sound(-55), Kind::quiet, 30'000}}) {
    protocol::WatchState state;
    ChannelWatch watch(state);
    std::int64_t now = 1'000'000 * kMs;
    watch.begin(now);
    watch.set_tracks(false, kTrack, now);
    const std::int64_t began = now;
    while (watch.find(each.kind) == nullptr && now - began < 60'000 * kMs) {
      now += 250 * kMs;
      watch.on_levels(kTrack[0], each.levels, now);
      watch.on_tick(now);
    }
    EXPECT_GE(now - began, each.after_ms * kMs) << to_string(each.kind);
    EXPECT_LE(now - began, (each.after_ms + 4000) * kMs) << to_string(each.kind);
  }
}

TEST(Verdicts, StandInThePageWithWhatIsSeenAndSinceWhen) {
  const std::string path = testing::TempDir() + "watch_page_" + std::to_string(::getpid());
  Verdicts verdicts(path);
  ASSERT_TRUE(verdicts.open().has_value());
  const auto page = protocol::WatchMapping::open_read_only(path);
  ASSERT_TRUE(page.has_value());
  const protocol::WatchEntry& entry = page->page()->entries[0];
  Rig rig;
  verdicts.publish(7, 2, rig.watch, rig.now, 5'000'000 * kMs);
  EXPECT_EQ(entry.handle.load(), 0U);  // nothing to judge by yet
  rig.run(31, Rig::Shows::moving);
  rig.run(6, Rig::Shows::dark);
  verdicts.publish(7, 2, rig.watch, rig.now, 5'000'000 * kMs);
  EXPECT_EQ(entry.handle.load(), 7U);
  EXPECT_EQ(entry.input.load(), 2U);
  EXPECT_EQ(entry.seen.load(), protocol::kSeenBlack);
  EXPECT_EQ(entry.looked_unix_ns.load(), 5'000'000 * kMs);
  EXPECT_NEAR(static_cast<double>(5'000'000 * kMs - entry.since_unix_ns[0].load()), 6e9, 4e8);
  verdicts.forget(7);
  EXPECT_EQ(entry.handle.load(), 0U);
}

TEST(WatchPage, AnotherFileInItsPlaceIsRefused) {
  const std::string path = testing::TempDir() + "watch_page_other_" + std::to_string(::getpid());
  EXPECT_FALSE(protocol::WatchMapping::open_read_only(path + "_absent").has_value());
  std::FILE* file = std::fopen(path.c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs("something else", file);
  std::fclose(file);
  EXPECT_FALSE(protocol::WatchMapping::open_read_only(path).has_value());
}

}  // namespace
}  // namespace headgate::bridge::watch

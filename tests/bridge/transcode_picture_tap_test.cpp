#include "dataplane/bridge/transcode/picture_tap.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/bridge/broadcast.h"
#include "tests/bridge/transcode_support.h"

namespace headgate::bridge::transcode {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecondNs = 1'000 * kMs;
constexpr std::int64_t kBegin = 1'000 * kSecondNs;

// A channel of 25 pictures a second, a random access point each half second.
struct Camera {
  Camera(PictureDesk& desk, std::uint32_t id, std::uint32_t every_ms = 5000)
      : tap(desk, id, every_ms, [this](const PictureTap::Result& result) {
          results.push_back(result.taken_ns);
          jpegs.emplace_back(result.jpeg.begin(), result.jpeg.end());
        }) {
    auto configuration = std::make_shared<hub::Configuration>();
    configuration->carried.push_back(
        {mpegts::Pid{0x100}, 0x02, mpegts::StreamKind::mpeg2_video, "", true, ""});
    tap.on_configuration(configuration);
  }
  void picture(std::int64_t now_ns, bool joinable, std::size_t size, bool timed = true) {
    test::Broadcast broadcast;
    broadcast.pes({0x100, 0xE0, static_cast<std::uint64_t>(now_ns / 11111), test::picture(joinable, size)});
    const test::Bytes packets = broadcast.take();
    hub::Unit unit;
    unit.timed = timed;
    unit.random_access = joinable ? mpegts::es::RandomAccess::clean : mpegts::es::RandomAccess::none;
    unit.packets = packets;
    tap.set_time(now_ns);
    tap.on_unit(unit);
  }
  void run(std::int64_t from, std::int64_t length) {
    for (std::int64_t t = from; t < from + length; t += 40 * kMs) {
      picture(t, number++ % 12 == 0, 3000);
      tap.on_tick(t);
    }
  }
  PictureTap tap;
  int number = 0;
  std::vector<std::int64_t> results;
  std::vector<test::Bytes> jpegs;
};

class PictureTapTest : public testing::Test {
 protected:
  std::vector<test::Pushed> asked() { return jobs.last().of(job::Message::picture); }
  void answer(std::uint32_t id, const test::Bytes& jpeg = {0xFF, 0xD8, 1, 2, 0xFF, 0xD9},
              job::PictureVerdict verdict = job::PictureVerdict::shown) {
    auto result = std::make_unique<job::PictureResult>();
    result->verdict = verdict;
    result->jpeg_size = static_cast<std::uint32_t>(jpeg.size());
    const auto head = job::bytes_of(*result);
    test::Bytes payload(head.begin(), head.end());
    payload.insert(payload.end(), jpeg.begin(), jpeg.end());
    ring::MessageHeader header;
    header.kind = static_cast<std::uint16_t>(job::Message::result);
    header.id = id;
    jobs.last().on_message(header, payload);
  }
  test::FakeJobs jobs;
  PictureDesk desk{jobs};
};

TEST_F(PictureTapTest, ALookIsARandomAccessPointAndTheUnitAfterIt) {
  Camera camera(desk, 7);
  EXPECT_EQ(jobs.last().name, "pictures");
  camera.run(kBegin, 6 * kSecondNs);
  ASSERT_FALSE(asked().empty());
  const auto request = job::read<job::PictureRequest>(asked()[0].payload);
  ASSERT_TRUE(request);
  EXPECT_EQ(asked()[0].header.id, 7U);
  EXPECT_EQ(request->codec, static_cast<std::uint8_t>(mpegts::StreamKind::mpeg2_video));
  EXPECT_EQ(request->wants_jpeg, 1);
  test::Bytes want = test::picture(true, 3000);
  test::append(want, test::picture(false, 3000));
  const test::Bytes payload = asked()[0].payload;
  const test::Bytes got(payload.begin() + sizeof(job::PictureRequest), payload.end());
  EXPECT_EQ(got.size(), want.size());
  EXPECT_TRUE(got == want);
}

// As multiplexers send that write lengths into their PES packets, which end at 64 KiB.
TEST_F(PictureTapTest, APictureOverSeveralPesPacketsIsTakenWhole) {
  Camera camera(desk, 7);
  constexpr std::size_t kPiece = 60'000;
  for (int i = 0; i < 150; ++i) {
    const std::int64_t now = kBegin + i * 40 * kMs;
    camera.picture(now, i % 12 == 0, kPiece);
    if (i % 12 == 0) {
      for (int piece = 1; piece < 10; ++piece) camera.picture(now, false, kPiece, false);
    }
    camera.tap.on_tick(now);
  }
  ASSERT_FALSE(asked().empty());
  // And what follows, which shows that it is whole.
  EXPECT_EQ(asked()[0].payload.size(), sizeof(job::PictureRequest) + test::picture(true, kPiece).size() +
                                           10 * test::picture(false, kPiece).size());
}

TEST_F(PictureTapTest, AfterAnUndecodablePictureTheNextIsTriedOnce) {
  Camera camera(desk, 7);
  std::size_t looks = 0;
  for (int second = 0; second < 60; ++second) {
    camera.run(kBegin + second * kSecondNs, kSecondNs);
    if (desk.outstanding() == 0) continue;
    ++looks;
    answer(7, {}, job::PictureVerdict::undecodable);
  }
  EXPECT_GE(looks, 20U);
  EXPECT_LE(looks, 26U);
  EXPECT_EQ(camera.tap.counters().failed, looks);
}

TEST_F(PictureTapTest, LooksComeAsOftenAsWanted) {
  Camera camera(desk, 7);
  for (int second = 0; second < 60; ++second) {
    camera.run(kBegin + second * kSecondNs, kSecondNs);
    if (desk.outstanding() > 0) answer(7);
  }
  EXPECT_GE(camera.results.size(), 11U);
  EXPECT_LE(camera.results.size(), 13U);
  EXPECT_EQ(camera.tap.counters().skipped, 0U);
}

TEST_F(PictureTapTest, WhileSomethingSeemsWrongLooksComeEachSecondFromTheLastPointOn) {
  Camera camera(desk, 7, 50'000);
  camera.run(kBegin, 6 * kSecondNs);
  answer(7);
  const std::size_t before = asked().size();
  camera.run(kBegin + 6 * kSecondNs, 600 * kMs);
  ASSERT_EQ(asked().size(), before);
  camera.tap.set_suspicious(true);
  camera.tap.on_tick(kBegin + 6601 * kMs);  // without waiting for the next one
  ASSERT_EQ(asked().size(), before + 1);
  EXPECT_EQ(job::read<job::PictureRequest>(asked().back().payload)->wants_jpeg, 0);
  answer(7);
  for (int i = 0; i < 10; ++i) {
    camera.run(kBegin + 6640 * kMs + i * kSecondNs / 2, kSecondNs / 2);
    if (desk.outstanding() > 0) answer(7);
  }
  EXPECT_GE(asked().size(), before + 4);
  EXPECT_LE(asked().size(), before + 7);
}

TEST_F(PictureTapTest, WhatWasBeforeItWentWrongIsLookedAtFirst) {
  Camera camera(desk, 7, 50'000);
  camera.run(kBegin, 6 * kSecondNs);
  answer(7);
  camera.run(kBegin + 6 * kSecondNs, 600 * kMs);
  const std::size_t before = asked().size();
  camera.tap.set_suspicious(true, kBegin + 6000 * kMs);
  for (int i = 1; i < 10; ++i) {
    camera.tap.on_tick(kBegin + (6600 + i) * kMs);
    if (desk.outstanding() > 0) answer(7);
  }
  ASSERT_EQ(asked().size(), before + 2);
  EXPECT_EQ(camera.results[before], kBegin + 5760 * kMs);
  EXPECT_EQ(camera.results[before + 1], kBegin + 6240 * kMs);
}

TEST_F(PictureTapTest, TwoHundredChannelsAreSpreadEvenly) {
  std::vector<std::unique_ptr<Camera>> cameras;
  for (std::uint32_t id = 1; id <= 200; ++id) cameras.push_back(std::make_unique<Camera>(desk, id));
  std::vector<int> in_slice(50, 0);  // of 100 ms
  std::size_t seen = 0;
  for (std::int64_t t = 0; t < 10 * kSecondNs; t += 40 * kMs) {
    for (auto& camera : cameras) {
      // Random access points of the channels lie apart, as they do.
      camera->picture(kBegin + t,
                      (t / (40 * kMs) + static_cast<std::int64_t>(&camera - cameras.data())) % 12 == 0, 500);
    }
    const auto all = asked();
    for (; seen < all.size(); ++seen) {
      if (t >= 5 * kSecondNs) ++in_slice[static_cast<std::size_t>(t / (100 * kMs) - 50)];
      answer(all[seen].header.id);
    }
  }
  int most = 0, sum = 0;
  for (const int n : in_slice) {
    most = std::max(most, n);
    sum += n;
  }
  EXPECT_NEAR(sum, 200, 10);
  EXPECT_LE(most, 14);  // 4 in the mean
}

TEST_F(PictureTapTest, NoMoreThanTheBoundAreUnderWayAndWhatIsLeftOutIsCounted) {
  std::vector<std::unique_ptr<Camera>> cameras;
  for (std::uint32_t id = 1; id <= 20; ++id) cameras.push_back(std::make_unique<Camera>(desk, id, 1000));
  for (auto& camera : cameras) camera->run(kBegin, 4 * kSecondNs);
  EXPECT_EQ(desk.outstanding(), PictureDesk::kMaxOutstanding);
  EXPECT_EQ(asked().size(), PictureDesk::kMaxOutstanding);
  std::uint64_t skipped = 0;
  for (auto& camera : cameras) skipped += camera->tap.counters().skipped;
  EXPECT_GE(skipped, 12U * 3U);
  // Answers that never come give their places back.
  desk.on_tick(PictureDesk::Time{std::chrono::nanoseconds(kBegin + 20 * kSecondNs)});
  EXPECT_EQ(desk.outstanding(), 0U);
  EXPECT_EQ(desk.counters().lost, PictureDesk::kMaxOutstanding);
}

// A counter that falls would be read as one that began anew.
TEST_F(PictureTapTest, WhatIsMadeUpForInTimeIsNeverCountedAsSkipped) {
  Camera camera(desk, 7, 5000);
  camera.run(kBegin, 6 * kSecondNs);
  answer(7);
  jobs.last().full = true;
  std::size_t before = asked().size();
  std::uint64_t most = 0;
  for (std::int64_t t = 6 * kSecondNs; t < 12 * kSecondNs; t += 480 * kMs) {
    camera.run(kBegin + t, 480 * kMs);
    most = std::max(most, camera.tap.counters().skipped);
    EXPECT_LE(most, camera.tap.counters().skipped);
    // The first look of each 5 s is refused, the next one is taken.
    if (jobs.last().counters.dropped > 0) jobs.last().full = false;
    if (asked().size() == before) continue;
    before = asked().size();
    answer(7);
  }
  EXPECT_GT(jobs.last().counters.dropped, 0U);
  EXPECT_EQ(most, 0U);
}

TEST_F(PictureTapTest, AnAnswerThatNobodyAskedForIsNobodys) {
  Camera camera(desk, 7);
  answer(7);
  answer(8);
  ring::MessageHeader header;
  header.kind = static_cast<std::uint16_t>(job::Message::result);
  header.id = 7;
  jobs.last().on_message(header, test::Bytes(10));
  EXPECT_TRUE(camera.results.empty());
  EXPECT_EQ(desk.counters().unexpected, 3U);
}

TEST_F(PictureTapTest, AJpegOfAnotherLengthThanItSaysIsNone) {
  Camera camera(desk, 7);
  camera.run(kBegin, 6 * kSecondNs);
  auto result = std::make_unique<job::PictureResult>();
  result->verdict = job::PictureVerdict::shown;
  result->jpeg_size = 1'000'000;
  const auto head = job::bytes_of(*result);
  test::Bytes payload(head.begin(), head.end());
  payload.resize(payload.size() + 10);
  ring::MessageHeader header;
  header.kind = static_cast<std::uint16_t>(job::Message::result);
  header.id = 7;
  jobs.last().on_message(header, payload);
  ASSERT_EQ(camera.jpegs.size(), 1U);
  EXPECT_TRUE(camera.jpegs[0].empty());
}

TEST_F(PictureTapTest, TheJobEndsWithTheLastChannel) {
  auto camera = std::make_unique<Camera>(desk, 7);
  EXPECT_TRUE(jobs.last().open);
  camera.reset();
  EXPECT_FALSE(jobs.last().open);
}

}  // namespace
}  // namespace headgate::bridge::transcode

#include <algorithm>
#include <set>

#include "tests/transcode/transcode_support.h"

namespace headgate::transcode {
namespace {

using job::PictureVerdict;
using testing::ContainsRegex;

class PicturesTest : public TranscodeTest {
 protected:
  struct Answer {
    std::uint32_t asker = 0;
    job::PictureResult result;
    std::string jpeg;
  };
  PicturesTest() : link_(folder("pictures"), job::Kind::pictures, "", 4 << 20) { start(); }
  Answer hear() {
    const Link::Heard heard = link_.hear();
    EXPECT_EQ(heard.header.kind, static_cast<std::uint16_t>(job::Message::result));
    Answer answer;
    answer.asker = heard.header.id;
    EXPECT_GE(heard.text.size(), sizeof answer.result);
    if (heard.text.size() < sizeof answer.result) return answer;
    std::memcpy(&answer.result, heard.text.data(), sizeof answer.result);
    answer.jpeg = heard.text.substr(sizeof answer.result);
    EXPECT_EQ(answer.jpeg.size(), answer.result.jpeg_size);
    return answer;
  }
  Answer look(std::uint32_t asker, const std::string& word) {
    // The supervisor begins where the ring ends when it finds it.
    EXPECT_TRUE(eventually([&] { return link_.workers() > 0; }));
    link_.ask(asker, word);
    Answer answer = hear();
    EXPECT_EQ(answer.asker, asker);
    return answer;
  }
  // Until it takes pictures.
  void start_anew() {
    const std::uint32_t before = link_.workers();
    start();
    EXPECT_TRUE(eventually([&] { return link_.workers() > before; }));
  }
  Link link_;
};

TEST_F(PicturesTest, APictureIsLookedAtInAProcessOfItsOwn) {
  const Answer answer = look(5, "hello");
  EXPECT_EQ(answer.result.verdict, PictureVerdict::shown);
  EXPECT_EQ(answer.jpeg, "saw hello");
  EXPECT_GT(answer.result.decode_us, 0U);
  EXPECT_THAT(look(5, "about").jpeg, ContainsRegex("^fds 0 1 2 $"));
  const nlohmann::json status = job("pictures");
  EXPECT_EQ(status["kind"], "pictures");
  EXPECT_EQ(status["state"], "running");
  EXPECT_EQ(status["pictures"]["shown"], 2);
}

TEST_F(PicturesTest, NothingOfThePictureBeforeIsLeftForTheNext) {
  const std::string secret(3000, 'S');
  for (int i = 0; i < 4; ++i) {  // both pieces
    EXPECT_EQ(look(1, secret).jpeg, "3000");
    const std::string seen = look(2, "look-around").jpeg;
    ASSERT_GT(seen.size(), 4000U);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), '\0'), static_cast<long>(seen.size()));
  }
}

TEST_F(PicturesTest, OneLargerThanAllBeforeGetsItsRoom) {
  EXPECT_EQ(look(1, "small").jpeg, "saw small");
  EXPECT_EQ(look(1, std::string(3'000'000, 'x')).jpeg, "3000000");
}

TEST_F(PicturesTest, WhatAChildSaysOfSizesAndVerdictsIsNotBelieved) {
  const Answer lie = look(1, "lie");
  EXPECT_EQ(lie.result.verdict, PictureVerdict::undecodable);
  EXPECT_EQ(lie.jpeg, "saw lie");
  EXPECT_EQ(look(1, "long").result.verdict, PictureVerdict::undecodable);
  EXPECT_EQ(look(1, "short").result.verdict, PictureVerdict::undecodable);
}

TEST_F(PicturesTest, DeathsAreToldAndTheThirdOfAnAskerIsItsLast) {
  EXPECT_EQ(look(7, "crash").result.verdict, PictureVerdict::crashed);
  EXPECT_EQ(look(7, "open").result.verdict, PictureVerdict::crashed);
  EXPECT_EQ(look(7, "hang").result.verdict, PictureVerdict::timed_out);
  EXPECT_EQ(look(7, "fine").result.verdict, PictureVerdict::refused);
  EXPECT_EQ(look(8, "fine").result.verdict, PictureVerdict::shown);
  const nlohmann::json status = job("pictures");
  EXPECT_EQ(status["deaths"]["crashed"], 1);
  EXPECT_EQ(status["deaths"]["violated"], 1);
  EXPECT_EQ(status["deaths"]["hung"], 1);
  EXPECT_EQ(status["pictures"]["refused"], 1);
  EXPECT_TRUE(eventually([&] { return look(7, "fine").result.verdict == PictureVerdict::shown; }));
  EXPECT_EQ(look(7, "crash").result.verdict, PictureVerdict::crashed);  // the one new try
  EXPECT_EQ(look(7, "fine").result.verdict, PictureVerdict::refused);
}

TEST_F(PicturesTest, ASuccessorRefusesWhomOneThatWasKilledRefused) {
  stop(SIGKILL);
  ::setenv("FAKE_QUARANTINE_MS", "600000", 1);
  start_anew();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(look(7, "crash").result.verdict, PictureVerdict::crashed);
  ASSERT_EQ(look(7, "fine").result.verdict, PictureVerdict::refused);
  stop(SIGKILL);
  start_anew();
  ::unsetenv("FAKE_QUARANTINE_MS");
  EXPECT_EQ(look(7, "fine").result.verdict, PictureVerdict::refused);
  EXPECT_EQ(look(8, "fine").result.verdict, PictureVerdict::shown);
}

TEST_F(PicturesTest, AHangingPictureHoldsUpTheOthersForItsBoundOnly) {
  EXPECT_TRUE(eventually([&] { return link_.workers() > 0; }));
  for (std::uint32_t asker = 1; asker <= 12; ++asker) link_.ask(asker, asker <= 2 ? "hang" : "fine");
  std::set<std::uint32_t> shown;
  for (int i = 0; i < 12; ++i) {
    const Answer answer = hear();
    if (answer.result.verdict == PictureVerdict::shown) shown.insert(answer.asker);
  }
  EXPECT_EQ(shown.size(), 10U);
}

TEST_F(PicturesTest, ARequestThatIsNoneIsUndecodable) {
  EXPECT_TRUE(eventually([&] { return link_.workers() > 0; }));
  link_.say("what?");  // of no kind: passed over
  EXPECT_EQ(look(1, "").result.verdict, PictureVerdict::shown);
}

TEST_F(PicturesTest, AFolderMadeAnewIsServedAnew) {
  EXPECT_EQ(look(1, "a").jpeg, "saw a");
  link_.remove();
  link_ = Link(folder("pictures"), job::Kind::pictures, "", 4 << 20);
  EXPECT_EQ(look(1, "b").jpeg, "saw b");
}

}  // namespace
}  // namespace headgate::transcode

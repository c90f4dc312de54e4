#include "dataplane/bridge/rtmp/player.h"

#include <gmock/gmock.h>

#include "tests/bridge/rtmp_support.h"

namespace headgate::bridge::rtmp {
namespace {

using testing::ElementsAre;

class RtmpPlayer : public testing::Test {
 protected:
  void begin(mpegts::StreamKind kind = mpegts::StreamKind::h264) { host.stream.on_format(make_format(kind)); }
  // Of media, without sequence headers.
  static std::vector<std::uint32_t> times(const std::vector<Message>& messages, MessageType type) {
    std::vector<std::uint32_t> out;
    for (const Message& m : of_type(messages, type)) {
      if (m.body[1] == 1) out.push_back(m.timestamp);
    }
    return out;
  }
  void join() {
    player.connect();
    player.play();
  }
  FakeHost host;
  TestPlayer player{host};
};

TEST_F(RtmpPlayer, BeginsWithTheLatestGroupOfPictures) {
  begin();
  feed(host.stream, 5000, 60, 25);  // key frames at 5000, 6000 and 7000
  join();
  const auto video = of_type(player.take(), MessageType::video);
  ASSERT_EQ(video.size(), 1U + 10);
  EXPECT_EQ(video[1].body[0], 0x17);
  EXPECT_EQ(video[1].timestamp, 0U);
  EXPECT_EQ(video[2].body[0], 0x27);
  EXPECT_EQ(video.back().timestamp, 360U);
}

TEST_F(RtmpPlayer, WaitsForTheFirstRandomAccessPoint) {
  begin();
  join();
  host.stream.on_frame(make_frame(0, 0, false));
  player.take();
  EXPECT_EQ(host.stream.counters().waiting_for_key, 1U);
  host.stream.on_frame(make_frame(1, 20, true));
  EXPECT_TRUE(of_type(player.take(), MessageType::audio).empty());
  host.stream.on_frame(make_frame(0, 40, true));
  EXPECT_EQ(of_type(player.take(), MessageType::video).size(), 2U);
}

TEST_F(RtmpPlayer, SendsTheSameInPiecesOfAnySize) {
  begin();
  feed(host.stream, 0, 2, 25, 70'000);  // of more than one chunk each
  join();
  std::vector<Message> whole = player.take();
  for (const std::size_t step : {std::size_t{5}, std::size_t{17}, std::size_t{1000}, std::size_t{65537}}) {
    TestPlayer other(host);
    other.connect();
    other.play();
    const auto messages = other.take(step);
    ASSERT_EQ(messages.size(), whole.size());
    for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(messages[i].body, whole[i].body);
  }
}

TEST_F(RtmpPlayer, CarriesCompositionTimes) {
  begin();
  host.stream.on_frame(make_frame(0, 0, true, 1, 9, 80));
  host.stream.on_frame(make_frame(0, 40, false, 1, 9, -40));
  join();
  const auto video = of_type(player.take(), MessageType::video);
  ASSERT_EQ(video.size(), 3U);
  EXPECT_EQ(video[1].body, (Bytes{0x17, 1, 0, 0, 80, 9}));
  EXPECT_EQ(video[2].body, (Bytes{0x27, 1, 0xFF, 0xFF, 0xD8, 9}));
}

TEST_F(RtmpPlayer, TimesGoOnPastTheExtendedTimestampAndWrap) {
  begin();
  host.stream.on_frame(make_frame(0, 0, true));
  join();
  player.take();
  const auto at = [&](std::int64_t ms) {
    // The log's steps stay small; what counts is the distance from the session's start.
    static std::int64_t last = 0;
    std::vector<Message> messages;
    for (last += 8'000; last < ms; last += 8'000) {
      host.stream.on_frame(make_frame(0, last, true, 1));
      player.take();
    }
    last = ms;
    host.stream.on_frame(make_frame(0, ms, true, 70'000));
    messages = player.take();
    EXPECT_EQ(messages.size(), 1U);
    EXPECT_EQ(messages.at(0).body.size(), 70'005U);
    return messages.at(0).timestamp;
  };
  EXPECT_EQ(at(0xFFFFFE), 0xFFFFFEU);
  EXPECT_EQ(at(0xFFFFFF), 0xFFFFFFU);
  EXPECT_EQ(at(0x1000000), 0x1000000U);
  EXPECT_EQ(at(0x2000003), 0x2000003U);
}

TEST_F(RtmpPlayer, TimesNeverGoBackAndGoOnOverDiscontinuities) {
  begin();
  feed(host.stream, 1'000'000, 3);
  join();
  EXPECT_THAT(times(player.take(), MessageType::video), ElementsAre(0, 40, 80));
  host.stream.on_discontinuity();
  feed(host.stream, 2'000, 3);  // back by far
  EXPECT_THAT(times(player.take(), MessageType::video), ElementsAre(140, 180, 220));
  host.stream.on_discontinuity();
  feed(host.stream, 90'000'000, 2);  // ahead by far
  EXPECT_THAT(times(player.take(), MessageType::video), ElementsAre(280, 320));
  host.stream.on_discontinuity();
  feed(host.stream, 90'002'000, 1);  // two seconds lost: the gap stays
  EXPECT_THAT(times(player.take(), MessageType::video), ElementsAre(2280));
  host.stream.on_frame(make_frame(0, 90'001'990, true));
  EXPECT_THAT(times(player.take(), MessageType::video), ElementsAre(2280));
}

TEST_F(RtmpPlayer, SoundKeepsItsDistanceFromThePictureOverAJump) {
  begin();
  feed(host.stream, 0, 1);
  join();
  player.take();
  host.stream.on_discontinuity();
  feed(host.stream, 50'000'000, 3);
  const auto messages = player.take();
  EXPECT_THAT(times(messages, MessageType::video), ElementsAre(60, 100, 140));
  EXPECT_THAT(times(messages, MessageType::audio), ElementsAre(80, 120, 160));
}

TEST_F(RtmpPlayer, SendsNewHeadersBeforeTheNextKeyFrame) {
  begin();
  feed(host.stream, 0, 2);
  join();
  player.take();
  host.stream.on_format(make_format(mpegts::StreamKind::h264, 99));
  host.stream.on_frame(make_frame(0, 80, false));  // of no use under new parameters
  host.stream.on_frame(make_frame(0, 120, true));
  const auto messages = player.take();
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[0].body, (Bytes{0x17, 0, 0, 0, 0, 99, 2}));
  EXPECT_EQ(messages[0].timestamp, 120U);
  EXPECT_EQ(messages[1].body[1], 1);
  EXPECT_EQ(host.stream.counters().waiting_for_key, 1U);
}

TEST_F(RtmpPlayer, SendsNothingAnewForAFormatThatChangesNothing) {
  begin();
  feed(host.stream, 0, 2);
  join();
  player.take();
  host.stream.on_format(make_format());
  host.stream.on_frame(make_frame(0, 80, false));
  EXPECT_EQ(player.take().size(), 1U);
}

TEST_F(RtmpPlayer, SlowPlayerIsMovedToTheLatestRandomAccessPoint) {
  begin();
  feed(host.stream, 0, 25);
  join();
  player.take();
  feed(host.stream, 1000, 8 * 25);  // eight seconds not taken
  const auto video = of_type(player.take(), MessageType::video);
  ASSERT_EQ(video.size(), 25U);
  EXPECT_EQ(video[0].body[0], 0x17);
  EXPECT_EQ(video[0].timestamp, 8000U);
  EXPECT_EQ(host.stream.counters().cuts, 1U);
  EXPECT_EQ(host.stream.counters().skipped_frames, 7U * 50);
}

TEST_F(RtmpPlayer, ABlockedPlayerHoldsBackNoLog) {
  begin();
  feed(host.stream, 0, 25);
  join();
  player.take();
  feed(host.stream, 1000, 8 * 25);
  EXPECT_EQ(player.session.needed(), 50U);
  player.session.keep_up();
  EXPECT_EQ(player.session.needed(), host.stream.start());
}

TEST_F(RtmpPlayer, FinishesTheMessageThatIsHalfSentBeforeACut) {
  begin();
  feed(host.stream, 0, 1, 25, 100'000);
  join();
  Gather gather;
  ASSERT_TRUE(player.session.gather(gather));
  const Bytes first = flat(gather, gather.total() - 50'000);
  player.session.on_sent(player.now, first.size());
  feed(host.stream, 1000, 8 * 25);
  player.reader.add(std::span(first).subspan(player.handshake_left));
  player.handshake_left = 0;
  const auto video = of_type(player.take(), MessageType::video);
  ASSERT_GE(video.size(), 3U);
  EXPECT_EQ(video[1].body.size(), 100'005U);
  EXPECT_EQ(video[2].timestamp, 8000U);
}

TEST_F(RtmpPlayer, APlaceThatFellOutOfTheLogWaitsForAKeyFrame) {
  begin();
  feed(host.stream, 0, 1);
  join();
  player.take();
  for (int i = 1; i < 1000; ++i) host.stream.on_frame(make_frame(0, 40 * i, false, 100'000));
  EXPECT_LE(host.stream.bytes(), 16U * 1024 * 1024);
  EXPECT_TRUE(player.take().empty());
  host.stream.on_frame(make_frame(0, 40'000, true));
  const auto messages = player.take();
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0].timestamp, 40'000U);
  EXPECT_EQ(host.stream.counters().cuts, 1U);
}

TEST_F(RtmpPlayer, LeavesOutWhatTheClientCannotRead) {
  begin(mpegts::StreamKind::hevc);
  feed(host.stream, 0, 2);
  join();  // lists nothing: gets everything
  const auto video = of_type(player.take(), MessageType::video);
  ASSERT_EQ(video.size(), 3U);
  EXPECT_EQ(video[0].body, (Bytes{0x90, 'h', 'v', 'c', '1', 1, 2}));
  EXPECT_EQ(video[1].body[0], 0x91);
  TestPlayer other(host);
  other.handshake();
  other.command(Amf0Writer()
                    .string("connect")
                    .number(1)
                    .object()
                    .key("app")
                    .string("live")
                    .key("videoFourCcInfoMap")
                    .object()
                    .key("av01")
                    .number(1)
                    .end()
                    .end()
                    .take());
  other.play();
  const auto messages = other.take();
  EXPECT_TRUE(of_type(messages, MessageType::video).empty());
  EXPECT_EQ(of_type(messages, MessageType::audio).size(), 3U);
}

TEST_F(RtmpPlayer, RadioBeginsWithASecondOfSound) {
  auto format = make_format();
  format->tracks[0].kind = mpegts::StreamKind::mpeg2_video;
  host.stream.on_format(format);
  for (int i = 0; i < 200; ++i) host.stream.on_frame(make_frame(1, 20 * i, true));
  join();
  EXPECT_EQ(of_type(player.take(), MessageType::audio).size(), 1U + 51);
  host.stream.trim(host.stream.end());
  EXPECT_EQ(host.stream.end() - host.stream.begin(), 51U);
}

TEST_F(RtmpPlayer, TheLogKeepsTheLatestGroupAlone) {
  begin();
  feed(host.stream, 0, 60, 25);
  host.stream.trim(host.stream.end());
  EXPECT_EQ(host.stream.end() - host.stream.begin(), 20U);
  host.stream.trim(0);
  EXPECT_EQ(host.stream.end() - host.stream.begin(), 20U);
}

TEST_F(RtmpPlayer, MediaIsNotCopiedForEachPlayer) {
  begin();
  const auto frame = make_frame(0, 0, true, 50'000);
  host.stream.on_frame(frame);
  join();
  Gather gather;
  ASSERT_TRUE(player.session.gather(gather));
  bool shared = false;
  for (const iovec& piece : gather.buffers()) shared = shared || piece.iov_base == frame->data.data();
  EXPECT_TRUE(shared);
}

TEST_F(RtmpPlayer, ReceiveAudioAndVideoAreObeyed) {
  begin();
  feed(host.stream, 0, 1);
  join();
  player.take();
  player.command(Amf0Writer().string("receiveAudio").number(0).null().boolean(false).take(), 1);
  feed(host.stream, 40, 2);
  EXPECT_TRUE(of_type(player.take(), MessageType::audio).empty());
  player.command(Amf0Writer().string("receiveVideo").number(0).null().boolean(false).take(), 1);
  feed(host.stream, 120, 2);
  EXPECT_TRUE(player.take().empty());
}

}  // namespace
}  // namespace headgate::bridge::rtmp

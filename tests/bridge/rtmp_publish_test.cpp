// Publishing as the session sees it: what encoders send, what they hear, and what reaches the input.
#include <gmock/gmock.h>

#include "tests/bridge/rtmp_h264.h"
#include "tests/bridge/rtmp_support.h"

namespace headgate::bridge::rtmp {
namespace {

using std::chrono::seconds;
using test::aac_frame;
using test::avc_frame;
using test::avc_header;
using test::avcc;
using test::kAacHeader;
using test::length_prefixed;
using test::slice;
using testing::ElementsAre;
using testing::HasSubstr;

void send_media(TestPlayer& encoder, std::uint32_t from_ms, int pictures) {
  encoder.media(MessageType::video, from_ms, avc_header(avcc(test::kSps, test::kPps)));
  encoder.media(MessageType::audio, from_ms, kAacHeader);
  for (int i = 0; i < pictures; ++i) {
    const auto ms = from_ms + 40 * static_cast<std::uint32_t>(i);
    encoder.media(MessageType::video, ms, avc_frame(i == 0, length_prefixed(slice(i == 0, 5'000))));
    encoder.media(MessageType::audio, ms + 10, aac_frame());
  }
}

std::string refusal_of(FakeHost& host, const std::string& name, const std::string& app = "live") {
  TestPlayer encoder(host);
  encoder.connect(app);
  encoder.take();
  encoder.publish(name);
  for (const Message& m : of_type(encoder.take(), MessageType::command_amf0)) {
    const auto values = parse_amf0(m.body);
    for (const Amf0Value& value : *values) {
      if (value.text_of("code") == "NetStream.Publish.BadName") {
        EXPECT_TRUE(encoder.session.ending());
        EXPECT_EQ(m.stream, 1U);
        return std::string(value.text_of("description"));
      }
    }
  }
  return "";
}

TEST(RtmpPublish, AnswersEncodersInTheirOrder) {
  FakeHost host;
  TestPlayer encoder(host);
  encoder.connect();
  encoder.take();
  encoder.publish("stage?key=secret");
  const auto heard = encoder.take();
  EXPECT_THAT(commands_of(heard),
              ElementsAre("_result", "_result", "_result", "onFCPublish NetStream.Publish.Start",
                          "onStatus NetStream.Publish.Start"));
  EXPECT_EQ(heard.back().stream, 1U);
  EXPECT_TRUE(host.entry.attached);
  EXPECT_TRUE(encoder.session.publishing());
}

TEST(RtmpPublish, BringsTheFramesToTheInput) {
  FakeHost host;
  TestPlayer encoder(host);
  encoder.connect();
  encoder.publish("stage?key=secret", false);
  encoder.media(MessageType::data_amf0, 0,
                Amf0Writer()
                    .string("@setDataFrame")
                    .string("onMetaData")
                    .ecma_array(1)
                    .key("encoder")
                    .string("obs")
                    .end()
                    .take());
  send_media(encoder, 1'000, 10);
  EXPECT_EQ(host.entry.log.frames.size(), 20U);
  EXPECT_EQ(host.entry.log.frames[0]->data.size(), 5'004U);
  EXPECT_EQ(host.entry.status().details["encoder"], "obs");
  // Of another stream, or none: not ours.
  encoder.media(MessageType::audio, 2'000, aac_frame(), 7);
  EXPECT_EQ(host.entry.log.frames.size(), 20U);
  encoder.media(MessageType::video, 2'000, {0x17, 1, 0, 0, 0, 0, 0, 0, 99});
  EXPECT_EQ(host.entry.status().drops["unreadable_frame"], 1U);
}

TEST(RtmpPublish, FindsTheKeyWhereEncodersPutIt) {
  FakeHost host;
  for (const auto& [app, name] :
       {std::pair("live", "stage?key=secret"), std::pair("live", "stage?user=a&key=secret"),
        std::pair("live?key=secret", "stage"), std::pair("live/?x=1&key=secret", "flv:stage")}) {
    TestPlayer encoder(host);
    encoder.connect(app);
    encoder.publish(name);
    EXPECT_TRUE(encoder.session.publishing()) << app << " " << name;
    encoder.session.on_closed();
    EXPECT_FALSE(host.entry.attached);
  }
  TestPlayer by_address(host);
  by_address.handshake();
  by_address.command(Amf0Writer()
                         .string("connect")
                         .number(1)
                         .object()
                         .key("app")
                         .string("live")
                         .key("tcUrl")
                         .string("rtmp://h/live?key=secret")
                         .end()
                         .take());
  by_address.publish("stage");
  EXPECT_TRUE(by_address.session.publishing());
}

TEST(RtmpPublish, RefusesInWordsThatNameTheRemedy) {
  FakeHost host;
  EXPECT_THAT(refusal_of(host, "nothing?key=secret"), HasSubstr("no channel \"nothing\""));
  EXPECT_THAT(refusal_of(host, "stage?key=wrong"), HasSubstr("CHANNEL?key=SECRET"));
  EXPECT_THAT(refusal_of(host, "stage"), HasSubstr("missing or wrong"));
  host.entry.attach("other");
  EXPECT_THAT(refusal_of(host, "stage?key=secret"), HasSubstr("Another encoder"));
  EXPECT_THAT(host.refused, ElementsAre(Refusal::unknown_channel, Refusal::wrong_key, Refusal::wrong_key,
                                        Refusal::place_taken));
  EXPECT_TRUE(host.entry.ended.empty());
}

TEST(RtmpPublish, TakesLeaveByWord) {
  FakeHost host;
  TestPlayer encoder(host);
  encoder.connect();
  encoder.publish("stage?key=secret");
  encoder.take();
  encoder.command(Amf0Writer().string("FCUnpublish").number(6).null().string("stage").take());
  EXPECT_THAT(commands_of(encoder.take()), ElementsAre("_result", "onFCUnpublish NetStream.Unpublish.Success",
                                                       "onStatus NetStream.Unpublish.Success"));
  EXPECT_THAT(host.entry.ended, ElementsAre(""));
  encoder.command(Amf0Writer().string("deleteStream").number(7).null().number(1).take());
  encoder.session.on_closed();
  EXPECT_THAT(host.entry.ended, ElementsAre(""));
  TestPlayer by_stream(host);
  by_stream.connect();
  by_stream.publish("stage?key=secret");
  by_stream.command(Amf0Writer().string("deleteStream").number(7).null().number(1).take());
  EXPECT_THAT(host.entry.ended, ElementsAre("", ""));
}

TEST(RtmpPublish, TellsOfAnEndWithoutAWord) {
  FakeHost host;
  TestPlayer encoder(host);
  encoder.connect();
  encoder.publish("stage?key=secret");
  encoder.session.on_closed();
  ASSERT_EQ(host.entry.ended.size(), 1U);
  EXPECT_THAT(host.entry.ended[0], HasSubstr("without a word"));
}

TEST(RtmpPublish, EndsASilentEncoder) {
  FakeHost host;
  TestPlayer encoder(host);
  encoder.connect();
  encoder.publish("stage?key=secret");
  encoder.pass(seconds(29));
  send_media(encoder, 0, 2);
  encoder.pass(seconds(29));
  EXPECT_TRUE(encoder.session.publishing());
  EXPECT_FALSE(of_type(encoder.take(), MessageType::user_control).empty());  // pinged
  encoder.pass(seconds(1));
  EXPECT_TRUE(encoder.session.over());
  EXPECT_THAT(host.refused, ElementsAre(Refusal::silent_publisher));
  EXPECT_FALSE(host.entry.attached);
}

TEST(RtmpPublish, CountsMediaApartFromCommands) {
  FakeHost host;
  SessionLimits limits;
  limits.media = 5'000;
  TestPlayer encoder(host, limits);
  encoder.connect();
  encoder.publish("stage?key=secret");
  encoder.media(MessageType::audio, 0, kAacHeader);
  for (int i = 0; i < 4'999; ++i) encoder.media(MessageType::audio, 0, aac_frame(1));
  EXPECT_TRUE(encoder.session.publishing());
  encoder.media(MessageType::audio, 0, aac_frame(1));
  EXPECT_TRUE(encoder.session.over());
  EXPECT_THAT(host.refused, ElementsAre(Refusal::too_many_commands));
}

TEST(RtmpPublish, CountsEachTagOfAnAggregate) {
  FakeHost host;
  SessionLimits limits;
  limits.media = 500;
  TestPlayer encoder(host, limits);
  encoder.connect();
  encoder.publish("stage?key=secret");
  encoder.media(MessageType::audio, 0, kAacHeader);
  const Bytes body = aac_frame(1);
  Bytes tags;
  for (int i = 0; i < 300; ++i) {
    tags = test::joined(
        {tags, {8, 0, 0, static_cast<std::uint8_t>(body.size()), 0, 0, 0, 0, 0, 0, 0}, body, {0, 0, 0, 14}});
  }
  encoder.media(MessageType::aggregate, 0, tags);
  EXPECT_TRUE(encoder.session.publishing());
  encoder.media(MessageType::aggregate, 0, tags);
  encoder.media(MessageType::audio, 0, aac_frame(1));
  EXPECT_TRUE(encoder.session.over());
  EXPECT_THAT(host.refused, ElementsAre(Refusal::too_many_commands));
}

TEST(RtmpPublish, TakesLongPicturesOnlyFromPublishers) {
  FakeHost host;
  TestPlayer encoder(host);
  encoder.connect();
  encoder.publish("stage?key=secret");
  encoder.media(MessageType::video, 0, avc_header(avcc(test::kSps, test::kPps)));
  encoder.media(MessageType::video, 0, avc_frame(true, length_prefixed(slice(true, 3'000'000))));
  EXPECT_TRUE(encoder.session.publishing());
  // Longer than any picture.
  encoder.media(MessageType::video, 0, Bytes(9 * 1024 * 1024));
  EXPECT_TRUE(encoder.session.over());
  TestPlayer other(host);
  other.connect();
  other.media(MessageType::video, 0, Bytes(70'000));
  EXPECT_TRUE(other.session.over());
  EXPECT_THAT(host.refused, ElementsAre(Refusal::malformed, Refusal::malformed));
}

TEST(RtmpPublish, AcknowledgesThoughNobodyNamedAWindow) {
  FakeHost host;
  TestPlayer encoder(host);
  encoder.connect();
  encoder.publish("stage?key=secret");
  encoder.take();
  encoder.media(MessageType::video, 0, Bytes(2'600'000, 0x14));
  EXPECT_EQ(of_type(encoder.take(), MessageType::acknowledgement).size(), 1U);
}

TEST(RtmpPublish, IsToldThatItsPlaceIsGone) {
  FakeHost host;
  TestPlayer encoder(host);
  encoder.connect();
  encoder.publish("stage?key=secret");
  encoder.take();
  encoder.session.on_entry_gone(encoder.now, "The channel no longer takes this publisher.");
  EXPECT_THAT(commands_of(encoder.take()), ElementsAre("onStatus NetStream.Publish.BadName"));
  EXPECT_TRUE(encoder.session.ending());
  encoder.session.on_closed();
  EXPECT_TRUE(host.entry.ended.empty());  // it is not touched any more
}

TEST(RtmpPublish, DoesOneThingAConnection) {
  FakeHost host;
  TestPlayer both(host);
  both.connect();
  both.publish("stage?key=secret");
  both.take();
  both.command(Amf0Writer().string("createStream").number(8).null().take());
  both.command(Amf0Writer().string("play").number(9).null().string("news").take(), 2);
  EXPECT_THAT(commands_of(both.take()), ElementsAre("_result", "_error NetConnection.Call.Failed"));
  both.command(
      Amf0Writer().string("publish").number(9).null().string("stage?key=secret").string("live").take(), 2);
  EXPECT_THAT(commands_of(both.take()), ElementsAre("_error NetConnection.Call.Failed"));
  EXPECT_TRUE(both.session.publishing());
}

}  // namespace
}  // namespace headgate::bridge::rtmp

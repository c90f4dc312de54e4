// The client against our own server's session, byte by byte in memory. Both ends are ours: the live tests
// have other servers.
#include "dataplane/bridge/rtmp/client.h"

#include <gmock/gmock.h>

#include "tests/bridge/rtmp_h264.h"
#include "tests/bridge/rtmp_support.h"

namespace headgate::bridge::rtmp {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using Clock = Client::Clock;

class Listener : public ClientHost {
 public:
  void on_started() override { ++started; }
  std::size_t on_media(const Message& message) override {
    media.push_back(message);
    return 1;
  }
  int started = 0;
  std::vector<Message> media;
};

class RtmpClient : public testing::Test {
 protected:
  void begin(Client::Purpose purpose, const std::string& stream, const ClientLimits& limits = {}) {
    url = *parse_push_url("rtmp://server.example/live", stream);
    client = std::make_unique<Client>(listener, url, purpose, now, 7, limits);
  }
  // Until neither end has anything more to say.
  void talk() {
    Gather gather;
    for (bool more = true; more;) {
      more = false;
      if (client->gather(gather)) {
        const Bytes bytes = flat(gather, 777);
        client->on_sent(now, bytes.size());
        session.on_bytes(now, bytes);
        more = true;
      }
      if (session.gather(gather)) {
        const Bytes bytes = flat(gather, 1'001);
        session.on_sent(now, bytes.size());
        client->on_bytes(now, bytes);
        more = true;
      }
    }
  }
  Clock::time_point now{};
  FakeHost host;
  Session session{host, now, 1};
  Listener listener;
  Url url;
  std::unique_ptr<Client> client;
};

TEST_F(RtmpClient, PublishesToOurServer) {
  begin(Client::Purpose::publish, "stage?key=secret");
  talk();
  ASSERT_EQ(listener.started, 1) << client->error();
  EXPECT_TRUE(session.publishing());
  ChannelStream stream("push");
  auto format = make_format();
  format->tracks[0].configuration = test::avcc(test::kSps, test::kPps);
  stream.on_format(format);
  client->publish(stream);
  for (int i = 0; i < 5; ++i) {
    auto frame = make_frame(0, 1'000 + 40 * i, i == 0, 0, 0, 80);
    frame->data = test::length_prefixed(test::slice(i == 0, 70'000));
    stream.on_frame(std::move(frame));
    stream.on_frame(make_frame(1, 1'010 + 40 * i, true, 200));
  }
  talk();
  const auto& got = host.entry.log.frames;
  ASSERT_EQ(got.size(), 10U);
  EXPECT_EQ(got[0]->data, test::length_prefixed(test::slice(true, 70'000)));
  EXPECT_EQ(got[0]->dts, 0);
  EXPECT_EQ(got[0]->pts, 80 * kMs);
  EXPECT_EQ(got[9]->dts, 170 * kMs);
  EXPECT_EQ(host.entry.log.formats.at(0)->tracks.size(), 2U);
  EXPECT_EQ(host.entry.status().details["encoder"], "Headgate");  // "@setDataFrame" came before it
  client->leave();
  talk();
  EXPECT_THAT(host.entry.ended, testing::ElementsAre(""));
}

TEST_F(RtmpClient, PlaysFromOurServer) {
  host.stream.on_format(make_format());
  feed(host.stream, 0, 3);
  begin(Client::Purpose::play, "news");
  talk();
  EXPECT_EQ(listener.started, 1) << client->error();
  EXPECT_EQ(of_type(listener.media, MessageType::video).size(), 4U);  // with the header
  EXPECT_EQ(of_type(listener.media, MessageType::audio).size(), 4U);
  session.on_channel_gone(now);
  talk();
  EXPECT_TRUE(client->over());
  EXPECT_THAT(client->error(), HasSubstr("NetStream.Play.UnpublishNotify"));
}

TEST_F(RtmpClient, SaysWhatTheServerRefusedWithoutTheKey) {
  begin(Client::Purpose::publish, "stage?key=another");
  talk();
  EXPECT_TRUE(client->over());
  EXPECT_THAT(client->error(), HasSubstr("NetStream.Publish.BadName"));
  EXPECT_THAT(client->error(), HasSubstr("missing or wrong"));
  begin(Client::Purpose::publish, "stage?key=another");
  const Bytes echo =
      on_status("error", "NetStream.Publish.Denied", "stage?key=another is not taken, another neither");
  std::string bytes(1 + 2 * kHandshakeSize, '\0');
  bytes[0] = 3;
  append_message(bytes, {3, MessageType::command_amf0, 0, 0, 0}, echo, kDefaultChunkSize);
  client->on_bytes(now, {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  EXPECT_TRUE(client->over());
  EXPECT_THAT(client->error(), HasSubstr("NetStream.Publish.Denied"));
  EXPECT_THAT(client->error(), Not(HasSubstr("another")));
}

TEST_F(RtmpClient, SendsAServerThatNamesCodecsNoOthers) {
  begin(Client::Purpose::publish, "stage?key=secret");
  talk();
  EXPECT_TRUE(client->codecs().hvc1);
  EXPECT_TRUE(client->codecs().ac3);
  EXPECT_TRUE(client->codecs().listed);
  const auto format = make_format(mpegts::StreamKind::hevc);
  EXPECT_EQ(choose(*format, client->codecs())->video, Codec::hevc);
  const auto without = choose(*format, {false, false, false, true});
  EXPECT_EQ(without->video, Codec::none);
  EXPECT_EQ(without->audio, Codec::aac);
  ASSERT_EQ(without->left_out.size(), 1U);
  EXPECT_THAT(without->left_out[0].reason, HasSubstr("hvc1"));
}

// Most servers that take HEVC name nothing: node-media-server, SRS, FFmpeg.
TEST_F(RtmpClient, SendsAServerThatNamesNoCodecsAll) {
  begin(Client::Purpose::publish, "stage");
  std::string bytes(1 + 2 * kHandshakeSize, '\0');
  bytes[0] = 3;
  append_message(bytes, {3, MessageType::command_amf0, 0, 0, 0}, connect_result(1), kDefaultChunkSize);
  client->on_bytes(now, {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  ASSERT_FALSE(client->over()) << client->error();
  EXPECT_FALSE(client->codecs().listed);
  const auto carried = choose(*make_format(mpegts::StreamKind::hevc), client->codecs());
  EXPECT_EQ(carried->video, Codec::hevc);
  EXPECT_TRUE(carried->left_out.empty());
}

TEST_F(RtmpClient, GivesUpAServerThatSaysNothing) {
  begin(Client::Purpose::publish, "stage?key=secret");
  now += seconds(9);
  client->on_timer(now);
  EXPECT_FALSE(client->over());
  now += seconds(1);
  client->on_timer(now);
  EXPECT_THAT(client->error(), HasSubstr("handshake in time"));
  begin(Client::Purpose::publish, "stage?key=secret");
  talk();
  client->on_blocked(now);
  now += seconds(10);
  client->on_timer(now);
  EXPECT_THAT(client->error(), HasSubstr("took nothing"));
}

TEST_F(RtmpClient, GivesUpAStreamThatBringsNothing) {
  begin(Client::Purpose::play, "news");
  talk();
  EXPECT_EQ(listener.started, 1);
  now += seconds(15);
  client->on_timer(now);
  EXPECT_THAT(client->error(), HasSubstr("nothing came"));
}

TEST_F(RtmpClient, LeavesAServerThatSendsWithoutEnd) {
  host.stream.on_format(make_format());
  feed(host.stream, 0, 2);
  ClientLimits limits;
  limits.messages = 500;
  begin(Client::Purpose::play, "news", limits);
  talk();
  ASSERT_EQ(listener.started, 1) << client->error();
  std::string out;
  for (int i = 0; i < 600; ++i) append_message(out, {6, MessageType::video, 1, 40, 0}, Bytes{}, 128);
  client->on_bytes(now, {reinterpret_cast<const std::uint8_t*>(out.data()), out.size()});
  EXPECT_TRUE(client->over());
  EXPECT_THAT(client->error(), HasSubstr("more messages than"));
  EXPECT_LE(listener.media.size(), 500U);
}

TEST_F(RtmpClient, EndsWhereTheOtherEndIsNotRtmp) {
  begin(Client::Purpose::publish, "stage");
  const std::string answer = "HTTP/1.1 400 Bad Request\r\n";
  client->on_bytes(now, {reinterpret_cast<const std::uint8_t*>(answer.data()), answer.size()});
  EXPECT_EQ(client->error(), "the server does not speak RTMP");
}

TEST_F(RtmpClient, SignsItsHandshake) {
  const HandshakePacket c1 = make_c1(3);
  EXPECT_EQ(find_layout(c1, player_key().substr(0, kPlayerKeyText)), DigestLayout::digest_first);
  const auto answer = answer_handshake(c1, 0, 5);
  const std::span<const std::uint8_t, kHandshakeSize> s1(answer.data() + 1, kHandshakeSize);
  const HandshakePacket c2 = make_c2(s1, 3);
  const Digest key =
      hmac_sha256(player_key(), s1.subspan(digest_offset(s1, DigestLayout::digest_first), kDigestSize));
  const Digest right = hmac_sha256({reinterpret_cast<const char*>(key.data()), key.size()},
                                   std::span(c2).first(kHandshakeSize - kDigestSize));
  EXPECT_TRUE(std::equal(right.begin(), right.end(), c2.end() - kDigestSize));
  // One that knows no digest gets its own bytes back.
  HandshakePacket plain{};
  plain[100] = 9;
  EXPECT_EQ(make_c2(plain, 3), plain);
}

TEST(RtmpUrl, ReadsAddressesOfPushes) {
  const auto url = parse_push_url("rtmp://live.example.com:1940/app/instance?x=1", "name?key=1");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "live.example.com");
  EXPECT_EQ(url->port, 1940);
  EXPECT_EQ(url->app, "app/instance?x=1");
  EXPECT_EQ(url->stream, "name?key=1");
  EXPECT_EQ(url->tc_url, "rtmp://live.example.com:1940/app/instance?x=1");
  const auto secure = parse_push_url("rtmps://[2001:db8::1]/app/", "s");
  ASSERT_TRUE(secure);
  EXPECT_TRUE(secure->tls);
  EXPECT_EQ(secure->port, 443);
  EXPECT_EQ(secure->host, "2001:db8::1");
  EXPECT_EQ(secure->tc_url, "rtmps://[2001:db8::1]/app");
  for (const char* bad : {"http://h/app", "rtmp://", "rtmp://h", "rtmp://h/", "rtmp://h:0/a", "rtmp://h:x/a",
                          "rtmp://h:70000/a", "rtmp://[::1/a", "rtmp://:1935/a"}) {
    EXPECT_FALSE(parse_push_url(bad, "s")) << bad;
  }
  EXPECT_FALSE(parse_push_url("rtmp://h/a", ""));
}

TEST(RtmpUrl, ReadsAddressesOfPulls) {
  const auto url = parse_pull_url("rtmp://h/app/instance/stream?token=1/2");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->app, "app/instance");
  EXPECT_EQ(url->stream, "stream?token=1/2");
  EXPECT_EQ(parse_pull_url("rtmp://h/vod/mp4:films/one.mp4")->stream, "mp4:films/one.mp4");
  for (const char* bad : {"rtmp://h/stream", "rtmp://h/", "rtmp://h/app/", "udp://h/a/b"})
    EXPECT_FALSE(parse_pull_url(bad)) << bad;
}

TEST(RtmpUrl, HidesSecrets) {
  const auto url = *parse_push_url("rtmp://h/app?auth=hush", "live_1234?key=quiet");
  EXPECT_EQ(without_secrets("no live_1234?key=quiet and key=quiet at app?auth=hush", url),
            "no … and … at app?…");
}

}  // namespace
}  // namespace headgate::bridge::rtmp

#include "control/daemon/outputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sample_model.h"

namespace headgate::control {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kSecond = 1'000'000'000;

class Outputs : public testing::Test {
 protected:
  Outputs() {
    model_.node.rtmp = {{"[::]:1935"}};
    model_.node.srt = {{"0.0.0.0:9000", std::chrono::milliseconds(120), "", ""},
                       {"10.0.0.5:9001", std::chrono::milliseconds(120), "", ""}};
    channel_.http_ts = channel_.rtmp = true;
    channel_.srt = config::SrtOptions{};
  }
  std::vector<ServedOutput> served(const char* bridge = "null") {
    return served_outputs(model_.node, channel_, json::parse(bridge));
  }
  config::Model model_ = sample_model();
  config::Channel& channel_ = model_.channels[0];
};

TEST_F(Outputs, HaveTheAddressesOfTheirServers) {
  const auto outputs = served();
  ASSERT_EQ(outputs.size(), 4U);
  EXPECT_THAT(outputs[0].addresses, ElementsAre("http://HOST:8080/news/index.m3u8"));
  EXPECT_THAT(outputs[1].addresses, ElementsAre("http://HOST:8080/news/stream.ts"));
  EXPECT_THAT(outputs[2].addresses, ElementsAre("rtmp://HOST:1935/live/news"));
  EXPECT_THAT(outputs[3].addresses,
              ElementsAre("srt://HOST:9000?streamid=news", "srt://10.0.0.5:9001?streamid=news"));
  EXPECT_FALSE(outputs[2].sessions) << "the bridge tells nothing";
}

TEST_F(Outputs, TakeSessionsBytesAndTracksLeftOutFromTheBridge) {
  const auto outputs = served(R"({"hls": {"viewers": 3}, "outputs": [
    {"protocol": "rtmp", "sessions": 2, "bytes": 1000,
     "left_out": [{"pid": 260, "kind": "ac3", "reason": "RTMP has no AC-3"}]},
    {"protocol": "srt", "sessions": 5, "bytes": 7, "left_out": []},
    {"protocol": "webrtc", "sessions": 9, "bytes": 9, "left_out": []}]})");
  EXPECT_EQ(outputs[0].sessions, 3U);
  EXPECT_FALSE(outputs[0].bytes);
  EXPECT_FALSE(outputs[1].sessions);
  EXPECT_EQ(outputs[2].sessions, 2U);
  EXPECT_EQ(outputs[2].bytes, 1000U);
  ASSERT_EQ(outputs[2].left_out.size(), 1U);
  EXPECT_EQ(outputs[2].left_out[0].pid, 260U);
  EXPECT_EQ(outputs[2].left_out[0].reason, "RTMP has no AC-3");
  EXPECT_EQ(outputs[3].sessions, 5U);
}

TEST_F(Outputs, TakeNothingFromAStatusOfAnotherShape) {
  for (const char* text :
       {"[]", "7", R"({"outputs": 7, "hls": []})", R"({"outputs": [7, null, {}]})",
        R"({"outputs": [{"protocol": "rtmp", "sessions": -1, "bytes": "x", "left_out": 3}]})"}) {
    for (const ServedOutput& output : served(text)) {
      EXPECT_FALSE(output.sessions || output.bytes) << text;
      EXPECT_THAT(output.left_out, IsEmpty());
    }
  }
}

TEST_F(Outputs, TellWhosePassphraseIsAskedFor) {
  EXPECT_EQ(served()[3].passphrase, "");
  model_.node.srt[1].passphrase_file = "/keys/srt";
  model_.node.srt[1].passphrase = "0123456789";
  EXPECT_EQ(served()[3].passphrase, "server");
  channel_.srt = config::SrtOptions{"/keys/news", "9876543210"};
  EXPECT_EQ(served()[3].passphrase, "channel");
  EXPECT_EQ(served()[3].closed, "");
  EXPECT_THAT(unreadable_passphrases(model_), IsEmpty());
}

TEST_F(Outputs, AreClosedWhoseFileCanNotBeRead) {
  channel_.srt = config::SrtOptions{"/keys/news", ""};
  EXPECT_EQ(served()[3].closed, "its passphrase file can't be read");
  EXPECT_EQ(unreadable_passphrases(model_).at("news"),
            "SRT is closed: can't read a passphrase from /keys/news");
  channel_.enabled = false;
  EXPECT_THAT(unreadable_passphrases(model_), IsEmpty());
  channel_.srt = config::SrtOptions{};
  for (auto& server : model_.node.srt) server.passphrase_file = "/keys/gone";
  EXPECT_EQ(served()[3].closed, "its passphrase file can't be read");
  EXPECT_EQ(unreadable_passphrases(model_).count("0.0.0.0:9000"), 1U);
}

TEST_F(Outputs, AreThereByRtmpsToo) {
  model_.node.rtmps = {{"[::]:1936", "/tls/cert", "/tls/key", "CERT", "KEY"}};
  EXPECT_THAT(served()[2].addresses,
              ElementsAre("rtmp://HOST:1935/live/news", "rtmps://HOST:1936/live/news"));
  EXPECT_THAT(unreadable_keys(model_), IsEmpty());
  model_.node.rtmps[0].key.clear();
  channel_.inputs[0].kind = config::InputKind::publish;
  channel_.inputs[0].url = "publish";
  channel_.inputs[0].key_file = "/keys/news";
  channel_.push[0].kind = config::PushKind::rtmp;
  channel_.push[0].url = "rtmp://far/app";
  channel_.push[0].key_file = "/keys/far";
  const auto keys = unreadable_keys(model_);
  EXPECT_EQ(keys.size(), 3U);
  EXPECT_EQ(keys.at("news input 1"), "publish is closed: can't read its secret from /keys/news");
  EXPECT_EQ(keys.at("news rtmp://far/app"), "nothing is sent there: can't read its secret from /keys/far");
  EXPECT_EQ(keys.count("[::]:1936"), 1U);
}

json bytes_of(std::uint64_t rtmp) {
  return {{"channels",
           {{"news", {{"outputs", {{{"protocol", "rtmp"}, {"bytes", rtmp}}, {{"protocol", "hls"}}}}}}}}};
}

TEST(SoundSeen, HasTheSoundOfChannelsWhoseTracksAreKnown) {
  using config::Sound;
  const auto seen = sound_seen(json::parse(R"({"channels": {
    "mp2": {"tracks": [{"kind": "h264", "codec": "avc1"}, {"kind": "mpeg_audio", "codec": "mp4a.40.33"}]},
    "aac": {"tracks": [{"kind": "aac_adts", "codec": "mp4a.40.2", "sample_rate": 48000}]},
    "others": {"tracks": [{"kind": "aac_adts", "codec": "mp4a.40.2", "sample_rate": 44100}, {"kind": "ac3"},
                          {"kind": "mpeg_audio", "codec": "mp4a.40.34"}, {"kind": "aac_latm"}]},
    "silent": {"tracks": [{"kind": "hevc"}]}, "new": {"tracks": []}, "odd": {"tracks": 7}}})"));
  const config::SoundSeen wanted{{"mp2", {Sound::other}},
                                 {"aac", {Sound::aac}},
                                 {"others", {Sound::other_aac, Sound::dolby, Sound::mp3, Sound::latm}},
                                 {"silent", {}}};
  EXPECT_EQ(seen, wanted);
}

TEST(OutputRates, AreBitsASecondOverAtLeastASecond) {
  OutputRates rates;
  const OutputRates::Key key{"news", "rtmp"};
  rates.update(bytes_of(1000), 0);
  EXPECT_THAT(rates.bits_per_second(), IsEmpty());
  rates.update(bytes_of(501'000), 2 * kSecond);
  EXPECT_EQ(rates.bits_per_second().at(key), 2'000'000U);
  // Too soon for another: the former stays, and the time goes on from where it began.
  rates.update(bytes_of(600'000), 2 * kSecond + kSecond / 2);
  EXPECT_EQ(rates.bits_per_second().at(key), 2'000'000U);
  rates.update(bytes_of(626'000), 3 * kSecond);
  EXPECT_EQ(rates.bits_per_second().at(key), 1'000'000U);
}

TEST(OutputRates, BeginAnewWithTheBridgeAndForgetWhatIsGone) {
  OutputRates rates;
  rates.update(bytes_of(1000), 0);
  rates.update(bytes_of(2000), kSecond);
  rates.update(bytes_of(10), 2 * kSecond);
  EXPECT_THAT(rates.bits_per_second(), IsEmpty());
  rates.update(bytes_of(1010), 3 * kSecond);
  EXPECT_EQ(rates.bits_per_second().size(), 1U);
  rates.update(json::object(), 4 * kSecond);
  rates.update(json("rubbish"), 5 * kSecond);
  EXPECT_THAT(rates.bits_per_second(), IsEmpty());
}

}  // namespace
}  // namespace headgate::control

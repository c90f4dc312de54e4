// Inputs that enter the bridge, as the fast path gets them: places and their sources, bytes, frames made by
// hand. What ffmpeg makes of it: ingest_ffmpeg_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "tests/bridge/ingest_support.h"

namespace headgate::bridge {
namespace {

using ingest::Entry;
using ingest::SourceState;
using mpegts::StreamKind;
using protocol::SourceKind;
using test::kMs;
using Bytes = std::vector<std::uint8_t>;

class EntriesTest : public test::IngestTest {
 protected:
  static Bytes packets(std::size_t count, std::uint8_t first = 0) {
    Bytes out;
    for (std::size_t i = 0; i < count; ++i) {
      Bytes packet(188, static_cast<std::uint8_t>(first + i));
      packet[0] = 0x47;
      packet[1] = 0x01;
      packet[3] = static_cast<std::uint8_t>(0x10 | ((first + i) & 15));
      out.insert(out.end(), packet.begin(), packet.end());
    }
    return out;
  }
};

TEST_F(EntriesTest, MakesTheRingWithTheFirstInput) {
  apply({});
  EXPECT_FALSE(std::filesystem::exists(path_));
  apply({channel("stadium", 5)});
  EXPECT_TRUE(std::filesystem::exists(path_));
  EXPECT_GE(std::filesystem::file_size(path_), 16U * 1024 * 1024);
}

TEST_F(EntriesTest, MakesTheRingAnewWhereItsFileIsGone) {
  Entry& entry = only();
  ASSERT_TRUE(entry.attach("a", {}));
  std::filesystem::remove(path_);
  pass(1'100);
  EXPECT_TRUE(std::filesystem::exists(path_));
  drain();
  entry.on_ts(packets(14));
  drain();
  EXPECT_EQ(seen.count(), 14U);
}

TEST_F(EntriesTest, KeepsTheSourcesOfInputsThatDidNotChange) {
  apply({channel("a", 1), channel("b", 2)});
  EXPECT_EQ(made, (std::vector<std::string>{"a", "b"}));
  Entry* a = entries->find("a", SourceKind::publish);
  ASSERT_TRUE(a->attach("encoder", {}));
  auto renamed = channel("a", 1);
  renamed.name = "Other";
  renamed.hls = protocol::HlsState{};
  renamed.inputs[0].number = 1;
  auto changed = channel("b", 2);
  changed.inputs[0].key = "secret";
  made.clear();
  apply({renamed, changed});
  EXPECT_EQ(entries->find("a", SourceKind::publish), a);
  EXPECT_EQ(a->input().number, 1U);
  EXPECT_EQ(a->status().peer, "encoder");
  EXPECT_EQ(made, (std::vector<std::string>{"b"}));
  EXPECT_EQ(gone, (std::vector<std::string>{"b"}));
  apply({});
  EXPECT_EQ(gone, (std::vector<std::string>{"b", "a", "b"}));
  EXPECT_EQ(entries->find("a", SourceKind::publish), nullptr);
}

TEST_F(EntriesTest, FindsInputsByChannelAndKind) {
  auto both = channel("a", 1);
  both.inputs.push_back(both.inputs[0]);
  both.inputs[1].kind = SourceKind::file;
  both.inputs[1].number = 3;
  apply({both});
  EXPECT_EQ(entries->find("a", SourceKind::publish)->input().number, 2U);
  EXPECT_EQ(entries->find("a", SourceKind::file)->input().number, 3U);
  EXPECT_EQ(entries->find("a", SourceKind::hls), nullptr);
  EXPECT_EQ(entries->find("b", SourceKind::publish), nullptr);
  EXPECT_EQ(entries->all().size(), 2U);
}

TEST_F(EntriesTest, HandsOnPacketsAsTheyCome) {
  Entry& entry = only(SourceKind::srt_listener);
  ASSERT_TRUE(entry.attach("203.0.113.7:40112", {}));
  const Bytes sent = packets(25);
  // Cut anywhere.
  for (std::size_t at = 0; at < sent.size(); at += 1000)
    entry.on_ts(std::span(sent).subspan(at, std::min<std::size_t>(1000, sent.size() - at)));
  drain();
  EXPECT_EQ(seen.bytes, sent);
  for (const ring::Slot& slot : slots) {
    EXPECT_EQ(slot.channel, 5U);
    EXPECT_EQ(slot.input, 2U);
    EXPECT_EQ(slot.arrival_ns, now_ns);
  }
  EXPECT_EQ(entry.status().packets, 25U);
  EXPECT_EQ(entry.status().bytes, sent.size());
  for (const auto& [reason, count] : entry.status().drops) EXPECT_EQ(count, 0U) << reason;
}

TEST_F(EntriesTest, FillsSlotsOfWholeMessages) {
  Entry& entry = only(SourceKind::srt_listener);
  ASSERT_TRUE(entry.attach("a", {}));
  for (std::uint8_t i = 0; i < 10; ++i) entry.on_ts(packets(7, static_cast<std::uint8_t>(7 * i)));
  drain();
  ASSERT_EQ(slots.size(), 10U);
  for (const ring::Slot& slot : slots) EXPECT_EQ(slot.packet_count, 7);
}

TEST_F(EntriesTest, FindsPacketsBetweenGarbageAndCountsIt) {
  Entry& entry = only(SourceKind::http_ts);
  ASSERT_TRUE(entry.attach("a", {}));
  Bytes sent(100, 0x11);
  const Bytes first = packets(10), second = packets(10, 10);
  sent.insert(sent.end(), first.begin(), first.end());
  sent.insert(sent.end(), 50, 0x11);
  sent.insert(sent.end(), second.begin(), second.end());
  entry.on_ts(sent);
  drain();
  Bytes wanted = first;
  wanted.insert(wanted.end(), second.begin(), second.end());
  EXPECT_EQ(seen.bytes, wanted);
  EXPECT_EQ(entry.status().drops.at("out_of_sync"), 150U);
  EXPECT_EQ(entry.status().details.at("resyncs"), "1");
}

TEST_F(EntriesTest, JoinsNoPacketOverAGap) {
  Entry& entry = only(SourceKind::srt_caller);
  ASSERT_TRUE(entry.attach("a", {}));
  const Bytes sent = packets(20);
  entry.on_ts(std::span(sent).first(7 * 188 + 60));
  entry.on_gap();
  entry.on_ts(std::span(sent).subspan(10 * 188));
  drain();
  EXPECT_EQ(seen.count(), 17U);
  for (std::size_t i = 0; i < seen.count(); ++i) EXPECT_TRUE(seen.at(i).has_sync());
  EXPECT_EQ(seen.at(7).continuity_counter(), 10);
}

TEST_F(EntriesTest, CountsWhatTheRingHasNoRoomFor) {
  Entry& entry = only(SourceKind::srt_caller);
  consumer.reset();  // nobody takes anything
  ASSERT_TRUE(entry.attach("a", {}));
  const Bytes sent = packets(7 * 64);
  for (int i = 0; i < 400; ++i) {
    entry.on_ts(sent);
    pass(10);
  }
  const auto& status = entry.status();
  EXPECT_GT(status.drops.at("ring_full"), 0U);
  EXPECT_EQ(status.packets + status.drops.at("ring_full"), 400U * 7 * 64);
}

TEST_F(EntriesTest, TakesSoMuchOfAnInputAndNoMore) {
  apply({channel("wild", 1), channel("other", 2)});
  drain();
  Entry* wild = entries->find("wild", SourceKind::publish);
  Entry* other = entries->find("other", SourceKind::publish);
  ASSERT_TRUE(wild->attach("a", {}));
  ASSERT_TRUE(other->attach("b", {}));
  const Bytes much = packets(7'000);
  const auto pour = [&](Entry& entry, int times) {
    const std::uint64_t before = entry.status().packets;
    for (int i = 0; i < times; ++i) {
      for (std::size_t at = 0; at < much.size(); at += 1316) {
        entry.on_ts(std::span(much).subspan(at, 1316));
        if (at % (1316 * 100) == 0) drain();
      }
      slots.clear();
      seen = {};
    }
    return (entry.status().packets - before) * 188;
  };
  EXPECT_NEAR(static_cast<double>(pour(*wild, 20)), 16.0 * 1024 * 1024, 2'000);
  EXPECT_EQ(wild->status().drops.at("ring_full"), 0U);
  EXPECT_EQ(wild->status().drops.at("too_fast") + wild->status().packets, 140'000U);
  EXPECT_EQ(pour(*other, 2), 2 * much.size());
  pass(100);
  EXPECT_NEAR(static_cast<double>(pour(*wild, 3)), 2'500'000, 2'000) << "200 Mb/s";
}

TEST_F(EntriesTest, RefusesASecondSourceUnlessTheFirstIsSilent) {
  Entry& entry = only();
  int displaced = 0;
  ASSERT_TRUE(entry.attach("first", [&] { ++displaced; }));
  entry.on_ts(packets(7));
  pass(900);
  EXPECT_FALSE(entry.attach("second", {}));
  EXPECT_EQ(entry.status().peer, "first");
  pass(200);
  EXPECT_EQ(displaced, 0);
  EXPECT_TRUE(entry.attach("second", {}));
  EXPECT_EQ(displaced, 1);
  EXPECT_EQ(entry.status().peer, "second");
  EXPECT_EQ(entry.status().connections, 2U);
}

TEST_F(EntriesTest, SaysWhatItsSourceDoes) {
  Entry& published = only();
  EXPECT_EQ(published.status().state, SourceState::waiting);
  EXPECT_EQ(published.status().since_ns, now_ns);
  pass(1'000);
  ASSERT_TRUE(published.attach("203.0.113.7:1", {}));
  EXPECT_EQ(published.status().state, SourceState::receiving);
  EXPECT_EQ(published.status().since_ns, now_ns);
  published.detach("connection reset");
  EXPECT_EQ(published.status().state, SourceState::waiting);
  EXPECT_EQ(published.status().error, "connection reset");
  EXPECT_EQ(published.status().peer, "");
  ASSERT_TRUE(published.attach("203.0.113.7:2", {}));
  EXPECT_EQ(published.status().error, "");

  apply({channel("stadium", 5), channel("pulled", 6, SourceKind::rtmp)});
  Entry& pulled = *entries->find("pulled", SourceKind::rtmp);
  pulled.failed("connection refused");
  EXPECT_EQ(pulled.status().state, SourceState::connecting);
  EXPECT_EQ(pulled.status().error, "connection refused");
  EXPECT_EQ(pulled.status().connections, 0U);
}

TEST_F(EntriesTest, TakesNothingWithoutASource) {
  Entry& entry = only();
  entry.on_ts(packets(7));
  drain();
  EXPECT_EQ(seen.count(), 0U);
  EXPECT_EQ(entry.status().drops.at("unattached"), 7U * 188);
}

// A source of H.264 by hand and of AAC: what is in the frames nobody decodes.
class FramesTest : public EntriesTest {
 protected:
  static constexpr std::uint16_t kVideo = 0x100, kSound = 0x101;

  static hub::FrameTrack pictures() {
    hub::FrameTrack track;
    track.kind = StreamKind::h264;
    track.configuration = {1, 66, 0, 30, 0xFF, 0xE1, 0, 4, 0x67, 66, 0, 30, 1, 0, 4, 0x68, 0xCE, 0x38, 0x80};
    track.video.emplace();
    return track;
  }
  static hub::FrameTrack sound(StreamKind kind = StreamKind::aac_adts) {
    hub::FrameTrack track;
    track.kind = kind;
    track.language = "deu";
    if (kind == StreamKind::aac_adts) track.configuration = {0x11, 0x90};
    track.audio.emplace();
    track.audio->kind = kind;
    track.audio->sample_rate = 48'000;
    track.audio->samples_per_frame = 1024;
    return track;
  }
  void format(const std::vector<hub::FrameTrack>& tracks) {
    auto made_format = std::make_shared<hub::FrameFormat>();
    made_format->tracks = tracks;
    entry->frames().on_format(made_format);
  }
  void frame(std::uint8_t track, std::int64_t dts, const Bytes& data, bool key = true,
             std::int64_t delay = 0) {
    auto made_frame = std::make_shared<hub::Frame>();
    made_frame->track = track;
    made_frame->dts = dts;
    made_frame->pts = dts + delay;
    made_frame->random_access = key;
    made_frame->data = data;
    entry->frames().on_frame(made_frame);
  }
  static Bytes picture(bool key) {
    Bytes data{0, 0, 0, 0, static_cast<std::uint8_t>(key ? 0x65 : 0x41), 0x88};
    data.resize(key ? 9'000 : 2'000, 0xA5);
    data[2] = static_cast<std::uint8_t>((data.size() - 4) >> 8);
    data[3] = static_cast<std::uint8_t>((data.size() - 4) & 0xFF);
    return data;
  }
  // Times of the source in whole milliseconds, as RTMP sends them.
  void play(std::int64_t from_ms, std::int64_t length_ms, bool with_sound = true) {
    std::int64_t k = 0;
    for (std::int64_t t = 0; t < length_ms; t += 40) {
      for (; with_sound && k * 1024 / 48 <= t; ++k)
        frame(1, (from_ms + k * 1024 / 48) * kMs, Bytes(300, 0x21));
      frame(0, (from_ms + t) * kMs, picture(t % 1000 == 0), t % 1000 == 0, 80 * kMs);
      pass(40);
      drain();
    }
  }
  void open() {
    entry = &only();
    ASSERT_TRUE(entry->attach("encoder", {}));
    format({pictures(), sound()});
  }
  static constexpr std::int64_t kPcrPerMs = mpegts::kTicksPerSecond / 1000;

  Entry* entry = nullptr;
};

TEST_F(FramesTest, BecomeAServiceWithTheNamesOfTheMap) {
  open();
  play(0, 3'000);
  const auto report = seen.report();
  ASSERT_EQ(report.services.size(), 1U);
  EXPECT_EQ(report.services[0].program_number, 12);
  EXPECT_EQ(report.services[0].name, "Stadium");
  EXPECT_EQ(report.services[0].provider, "Example");
  ASSERT_EQ(report.services[0].streams.size(), 2U);
  EXPECT_EQ(report.services[0].streams[1].language, "deu");
  EXPECT_EQ(report.cc_errors, 0U);
  EXPECT_EQ(report.tr101290[mpegts::Indicator::pcr_repetition_error], 0U);
  // The stream's times are near Unix time.
  const auto wanted = static_cast<std::uint64_t>(kStartNs / 1000 * 27) % mpegts::kPcrModulus;
  EXPECT_NEAR(static_cast<double>(seen.pcrs().front().time), static_cast<double>(wanted), 27e6);
  const auto video = seen.pes(kVideo);
  ASSERT_GT(video.size(), 60U);
  EXPECT_EQ((Bytes{video[0].bytes.begin() + 19, video[0].bytes.begin() + 25}), (Bytes{0, 0, 0, 1, 9, 0xF0}));
  EXPECT_TRUE(video[0].random_access);
  EXPECT_FALSE(video[1].random_access);
  EXPECT_EQ(seen.pes(kSound).at(0).payload().at(0), 0xFF) << "ADTS";
}

// FLV rounds to milliseconds; 1,024 samples at 48 kHz are 1,920 ticks of 90 kHz.
TEST_F(FramesTest, HaveSoundWhereItsSamplesSay) {
  open();
  play(0, 20'000);
  const auto sounds = seen.pes(kSound);
  const auto pictures_seen = seen.pes(kVideo);
  ASSERT_GT(sounds.size(), 800U);
  for (std::size_t i = 0; i < sounds.size(); ++i) ASSERT_EQ(sounds[i].pts() - sounds[0].pts(), i * 1920) << i;
  EXPECT_EQ(sounds[0].pts(), pictures_seen[0].dts());
  EXPECT_EQ(pictures_seen[0].pts() - pictures_seen[0].dts(), 7200U);
}

TEST_F(FramesTest, FollowSoundWhoseClockRunsAway) {
  open();
  for (int i = 0; i < 2'000; ++i) {
    frame(0, i * 21 * kMs, picture(i % 50 == 0), i % 50 == 0);
    frame(1, i * 21 * kMs, Bytes(300, 0x21));  // a third of a millisecond too early, each
  }
  drain();
  const auto sounds = seen.pes(kSound);
  ASSERT_GT(sounds.size(), 1'900U);
  for (std::size_t i = 0; i < sounds.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(sounds[i].pts() - sounds[0].pts()), static_cast<double>(i * 21 * 90), 91)
        << i;
  }
}

TEST_F(FramesTest, GoOnWithinTheGraceByTheTimeThatPassed) {
  open();
  play(0, 4'000);
  entry->detach("connection reset");
  drain();
  const auto before = seen.pcrs();
  pass(3'000);
  ASSERT_TRUE(entry->attach("encoder again", {}));
  format({pictures(), sound()});
  play(900'000, 4'000);
  const auto pcrs = seen.pcrs();
  ASSERT_GT(pcrs.size(), before.size() + 50);
  for (const auto& pcr : pcrs) EXPECT_FALSE(pcr.discontinuity);
  const auto report = seen.report();
  EXPECT_EQ(report.cc_errors, 0U);
  const auto video = seen.pes(kVideo);
  // 4 s of pictures, then 3 s and the 40 ms to the next picture, of which nothing tells the length.
  ASSERT_GT(video.size(), 150U);
  EXPECT_NEAR(static_cast<double>(video[100].dts() - video[99].dts()), 3'040.0 * 90, 45.0 * 90);
  EXPECT_EQ(report.services.at(0).streams.size(), 2U);
  std::set<int> versions;
  for (std::size_t i = 0; i < seen.count(); ++i) {
    if (seen.at(i).pid().value == 0x1000) versions.insert(seen.at(i).payload()[6] >> 1 & 0x1F);
  }
  EXPECT_EQ(versions.size(), 1U) << "the tables did not change";
}

TEST_F(FramesTest, BeginAnewAfterTheGrace) {
  open();
  play(0, 4'000);
  entry->detach("");
  drain();
  const std::size_t before = seen.pcrs().size();
  pass(8'000);
  ASSERT_TRUE(entry->attach("another", {}));
  format({pictures(), sound()});
  play(0, 2'000);
  const auto pcrs = seen.pcrs();
  ASSERT_GT(pcrs.size(), before);
  for (std::size_t i = 0; i < pcrs.size(); ++i) EXPECT_EQ(pcrs[i].discontinuity, i == before) << i;
  EXPECT_EQ(seen.report().cc_errors, 0U);
}

TEST_F(FramesTest, GoOnWhereTheSourcesTimesJump) {
  open();
  play(1'000'000, 4'000);
  play(5'000, 4'000);       // back
  play(90'000'000, 4'000);  // far ahead
  entry->detach("");
  drain();
  const auto video = seen.pes(kVideo);
  ASSERT_EQ(video.size(), 300U);
  for (std::size_t i = 1; i < video.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(video[i].dts() - video[i - 1].dts()), 3'600, 1'800) << i;
  }
  for (const auto& pcr : seen.pcrs()) EXPECT_FALSE(pcr.discontinuity);
  EXPECT_EQ(entry->status().details.at("clock_jumps"), "2");
  // Sound stays with its pictures.
  const auto sounds = seen.pes(kSound);
  EXPECT_EQ(sounds.front().pts(), video[0].dts());
}

TEST_F(FramesTest, WaitForTheFormatOfTheOtherTrack) {
  entry = &only();
  ASSERT_TRUE(entry->attach("encoder", {}));
  format({sound()});
  frame(0, 0, Bytes(300, 0x21));
  frame(0, 21 * kMs, Bytes(300, 0x21));
  format({sound(), pictures()});
  for (int i = 0; i < 50; ++i) {
    frame(0, (43 + i * 21) * kMs, Bytes(300, 0x21));
    frame(1, (43 + i * 21) * kMs, picture(i == 0), i == 0);
  }
  entry->detach("");
  drain();
  EXPECT_EQ(seen.pes(kSound).size(), 52U);
  EXPECT_EQ(seen.pes(kVideo).size(), 50U);
  for (std::size_t i = 0; i < seen.count(); ++i) {
    if (seen.at(i).pid().value != 0x1000) continue;
    EXPECT_EQ(seen.at(i).payload()[6] >> 1 & 0x1F, 0);
  }
}

TEST_F(FramesTest, BecomeRadioWithoutPictures) {
  entry = &only();
  ASSERT_TRUE(entry->attach("encoder", {}));
  format({sound()});
  for (int i = 0; i < 100; ++i) frame(0, i * 64 * kMs / 3, Bytes(300, 0x21));
  entry->detach("");
  drain();
  const auto sounds = seen.pes(kSound);
  EXPECT_EQ(sounds.size(), 100U);
  EXPECT_TRUE(sounds[0].random_access);
  EXPECT_EQ(seen.pcrs().front().pid, kSound);
}

// Pictures of megabytes that all have one time, and a sound that never comes.
TEST_F(FramesTest, WaitWithinABoundForTheFormatOfTheOtherTrack) {
  entry = &only();
  ASSERT_TRUE(entry->attach("encoder", {}));
  format({pictures()});
  Bytes large{0x00, 0x2F, 0xFF, 0xFC, 0x65, 0x88};
  large.resize(0x300000, 0xA5);
  for (int i = 0; i < 3; ++i) frame(0, i * kMs, large);
  drain();
  EXPECT_GT(seen.count(), 0U);
}

TEST_F(FramesTest, NameTheTracksThatHaveNoPlace) {
  entry = &only();
  ASSERT_TRUE(entry->attach("encoder", {}));
  hub::FrameTrack low_delay = sound();
  low_delay.configuration = {0xB9, 0x90};
  format({pictures(), sound(StreamKind::opus), low_delay, sound()});
  for (std::uint8_t track = 0; track < 4; ++track)
    frame(track, 0, track == 0 ? picture(true) : Bytes(100, 0x21));
  entry->detach("");
  drain();
  const auto& status = entry->status();
  ASSERT_EQ(status.left_out.size(), 2U);
  EXPECT_EQ(status.left_out[0].track.kind, StreamKind::opus);
  EXPECT_NE(status.left_out[0].reason.find("Opus"), std::string::npos);
  EXPECT_NE(status.left_out[1].reason.find("object type 23"), std::string::npos);
  EXPECT_EQ(status.drops.at("track_left_out"), 2U);
  // Those that the protocol names stay beside them.
  hub::LeftOutTrack other;
  other.reason = "only track 0 is taken";
  entry->status().left_out_by_source.push_back(other);
  ASSERT_EQ(entry->status().left_out.size(), 3U);
  EXPECT_EQ(entry->status().left_out[0].reason, other.reason);
  EXPECT_EQ(seen.pes(kVideo).size(), 1U);
  EXPECT_EQ(seen.pes(kSound).size(), 1U) << "the sound that can be carried";
}

TEST_F(FramesTest, CountWhatIsNoFrame) {
  open();
  frame(0, 0, picture(true));
  frame(0, 40 * kMs, {0xFF, 0xFF, 0xFF, 0xFF, 0x65});
  frame(0, 80 * kMs, {});
  frame(7, 80 * kMs, picture(true));
  frame(1, 80 * kMs, Bytes(9'000, 1));
  frame(0, 80 * kMs, picture(false), false, -3'000 * kMs);
  frame(0, std::numeric_limits<std::int64_t>::min(), picture(false), false);
  EXPECT_EQ(entry->status().drops.at("unusable_frame"), 6U);
}

TEST_F(FramesTest, ComeOutWhereTheSourceFallsSilent) {
  open();
  play(0, 2'000);
  const std::size_t before = seen.pes(kVideo).size();
  EXPECT_LT(before, 50U) << "the last ones wait";
  pass(1'500);
  drain();
  EXPECT_EQ(seen.pes(kVideo).size(), 50U);
}

TEST_F(FramesTest, AreHeldForTheOthersForALimitedTime) {
  open();
  play(0, 3'000, false);
  EXPECT_GT(seen.pes(kVideo).size(), 55U);
}

}  // namespace
}  // namespace headgate::bridge

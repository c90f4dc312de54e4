#include "mpegts/es/audio.h"

#include <gtest/gtest.h>

#include "tests/mpegts/es_bits.h"

namespace headgate::mpegts::es {
namespace {

// Fills a frame behind its header with bytes that hold no sync word.
Bytes fill(Bytes header, std::size_t size) {
  while (header.size() < size) header.push_back(static_cast<std::uint8_t>(header.size() % 5));
  return header;
}

Bytes adts(std::size_t size, unsigned rate = 3, unsigned channels = 2, unsigned blocks = 0) {
  BitWriter w;
  w.u(12, 0xFFF).u(1, 0).u(2, 0).u(1, 1).u(2, 1).u(4, rate).u(1, 0).u(3, channels).u(4, 0);
  w.u(13, size).u(11, 0x7FF).u(2, blocks);
  return fill(w.bytes(), size);
}
Bytes mpeg_audio(unsigned version, unsigned layer, unsigned bitrate, unsigned rate, bool pad, bool mono,
                 std::size_t size) {
  BitWriter w;
  w.u(11, 0x7FF)
      .u(2, version)
      .u(2, 4 - layer)
      .u(1, 1)
      .u(4, bitrate)
      .u(2, rate)
      .u(1, pad)
      .u(1, 0)
      .u(2, mono ? 3 : 0)
      .u(6, 0);
  return fill(w.bytes(), size);
}
Bytes ac3(unsigned fscod, unsigned frmsizecod, unsigned bsid, unsigned acmod, bool lfe, std::size_t size) {
  BitWriter w;
  w.u(16, 0x0B77).u(16, 0).u(2, fscod).u(6, frmsizecod).u(5, bsid).u(3, 0).u(3, acmod);
  if ((acmod & 1) != 0 && acmod != 1) w.u(2, 0);
  if ((acmod & 4) != 0) w.u(2, 0);
  if (acmod == 2) w.u(2, 0);
  w.u(1, lfe).u(8, 0);
  return fill(w.bytes(), size);
}
Bytes eac3(unsigned type, unsigned substream, unsigned fscod, unsigned blocks, unsigned acmod, bool lfe,
           std::size_t size) {
  BitWriter w;
  w.u(16, 0x0B77)
      .u(2, type)
      .u(3, substream)
      .u(11, size / 2 - 1)
      .u(2, fscod)
      .u(2, blocks)
      .u(3, acmod)
      .u(1, lfe)
      .u(5, 16);
  return fill(w.bytes(), size);
}
Bytes loas(const Bytes& element) {
  BitWriter w;
  w.u(11, 0x2B7).u(13, element.size());
  return join({w.bytes(), element});
}
// An AudioMuxElement with a StreamMuxConfig of AAC-LC, or of explicit SBR at twice the core's rate.
Bytes latm_config(bool sbr, bool version1 = false, unsigned sub_frames = 1) {
  BitWriter w;
  w.u(1, 0).u(1, version1);
  if (version1) w.u(1, 0).u(2, 0).u(8, 0xFF);
  w.u(1, 1).u(6, sub_frames - 1).u(4, 0).u(3, 0);
  if (version1) w.u(2, 0).u(8, 16);
  w.u(5, sbr ? 5 : 2).u(4, sbr ? 6 : 3).u(4, 2);
  if (sbr) w.u(4, 3).u(5, 2);
  w.u(3, 0);
  return fill(w.bytes(), 60);
}
Bytes latm_same() { return fill({0x80, 0x11}, 50); }

struct Seen {
  Bytes data;
  std::uint64_t offset;
  bool before;
};
std::vector<Seen> feed(AudioParser& parser, const Bytes& payload) {
  std::vector<Seen> seen;
  for (const auto& f : parser.on_payload(payload)) {
    seen.push_back({Bytes(f.data.begin(), f.data.end()), f.sample_offset, f.starts_before});
  }
  return seen;
}

TEST(EsAudio, ReadsFormatsAndSizesByTable) {
  const struct {
    StreamKind kind;
    Bytes frame;
    AudioFormat format;
  } cases[] = {
      {StreamKind::aac_adts, adts(300), {{}, 48000, 2, 1024, "mp4a.40.2"}},
      {StreamKind::aac_adts, adts(300, 4, 7, 1), {{}, 44100, 8, 2048, "mp4a.40.2"}},
      {StreamKind::mpeg_audio, mpeg_audio(3, 1, 8, 1, false, false, 256), {{}, 48000, 2, 384, "mp4a.40.32"}},
      {StreamKind::mpeg_audio,
       mpeg_audio(3, 2, 10, 1, false, false, 576),
       {{}, 48000, 2, 1152, "mp4a.40.33"}},
      {StreamKind::mpeg_audio, mpeg_audio(3, 2, 10, 0, true, true, 627), {{}, 44100, 1, 1152, "mp4a.40.33"}},
      {StreamKind::mpeg_audio, mpeg_audio(3, 3, 9, 0, false, false, 417), {{}, 44100, 2, 1152, "mp4a.40.34"}},
      {StreamKind::mpeg_audio, mpeg_audio(2, 2, 8, 1, false, true, 384), {{}, 24000, 1, 1152, "mp4a.40.33"}},
      {StreamKind::mpeg_audio, mpeg_audio(2, 3, 8, 0, true, false, 209), {{}, 22050, 2, 576, "mp4a.40.34"}},
      {StreamKind::mpeg_audio, mpeg_audio(2, 1, 1, 2, false, false, 96), {{}, 16000, 2, 384, "mp4a.40.32"}},
      {StreamKind::ac3, ac3(0, 20, 8, 2, false, 768), {{}, 48000, 2, 1536, "ac-3"}},
      {StreamKind::ac3, ac3(1, 20, 8, 7, true, 834), {{}, 44100, 6, 1536, "ac-3"}},
      {StreamKind::ac3, ac3(1, 21, 8, 7, true, 836), {{}, 44100, 6, 1536, "ac-3"}},
      {StreamKind::ac3, ac3(2, 37, 6, 1, false, 3840), {{}, 32000, 1, 1536, "ac-3"}},
      {StreamKind::ac3, ac3(0, 20, 9, 2, false, 768), {{}, 24000, 2, 1536, "ac-3"}},
      {StreamKind::ac3, ac3(0, 20, 10, 2, false, 768), {{}, 12000, 2, 1536, "ac-3"}},
      {StreamKind::eac3, eac3(0, 0, 0, 3, 7, true, 768), {{}, 48000, 6, 1536, "ec-3"}},
      {StreamKind::eac3, eac3(0, 0, 1, 0, 2, false, 128), {{}, 44100, 2, 256, "ec-3"}},
      {StreamKind::eac3, eac3(0, 0, 3, 2, 2, false, 256), {{}, 16000, 2, 1536, "ec-3"}},
      {StreamKind::aac_latm, loas(latm_config(false)), {{}, 48000, 2, 1024, "mp4a.40.2"}},
      {StreamKind::aac_latm, loas(latm_config(false, true)), {{}, 48000, 2, 1024, "mp4a.40.2"}},
      {StreamKind::aac_latm, loas(latm_config(true, false, 2)), {{}, 48000, 2, 4096, "mp4a.40.5"}},
  };
  for (std::size_t i = 0; i < std::size(cases); ++i) {
    const auto& c = cases[i];
    AudioParser parser(c.kind);
    const auto seen = feed(parser, join({c.frame, c.frame, c.frame}));
    ASSERT_EQ(seen.size(), 3U) << "case " << i;
    for (std::size_t k = 0; k < 3; ++k) {
      EXPECT_EQ(seen[k].data, c.frame) << "case " << i;
      EXPECT_EQ(seen[k].offset, k * c.format.samples_per_frame) << "case " << i;
      EXPECT_FALSE(seen[k].before);
    }
    AudioFormat expected = c.format;
    expected.kind = c.kind;
    EXPECT_EQ(parser.format(), expected) << "case " << i << " " << parser.format()->codec;
    EXPECT_EQ(parser.skipped_bytes(), 0U);
  }
}

TEST(EsAudio, FindsTheSameFramesWhereverThePayloadIsCut) {
  const std::pair<StreamKind, Bytes> streams[] = {
      {StreamKind::aac_adts, join({adts(100), adts(90), adts(110)})},
      {StreamKind::mpeg_audio,
       join({mpeg_audio(3, 2, 1, 1, false, true, 96), mpeg_audio(3, 2, 1, 1, false, true, 96),
             mpeg_audio(3, 2, 1, 1, false, true, 96)})},
      {StreamKind::ac3,
       join({ac3(0, 0, 8, 2, false, 128), ac3(0, 0, 8, 2, false, 128), ac3(0, 0, 8, 2, false, 128)})},
      {StreamKind::aac_latm, join({loas(latm_config(false)), loas(latm_same()), loas(latm_same())})},
  };
  for (const auto& [kind, stream] : streams) {
    for (std::size_t cut = 1; cut < stream.size(); ++cut) {
      AudioParser parser(kind);
      const auto middle = stream.begin() + static_cast<std::ptrdiff_t>(cut);
      auto seen = feed(parser, Bytes(stream.begin(), middle));
      const std::size_t ended = seen.size();
      for (auto& more : feed(parser, Bytes(middle, stream.end()))) seen.push_back(more);
      ASSERT_EQ(seen.size(), 3U) << static_cast<int>(kind) << " cut at " << cut;
      Bytes all;
      for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(seen[i].before, i >= ended && all.size() < cut);
        append(all, seen[i].data);
      }
      EXPECT_EQ(all, stream);
      EXPECT_EQ(parser.skipped_bytes(), 0U);
    }
  }
}

TEST(EsAudio, OffsetOfAFrameBegunBeforeCountsFromItsOwnPayload) {
  AudioParser parser(StreamKind::aac_adts);
  const Bytes f = adts(100);
  const Bytes stream = join({f, f, f, f, f});
  feed(parser, Bytes(stream.begin(), stream.begin() + 250));
  const auto seen = feed(parser, Bytes(stream.begin() + 250, stream.end()));
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_TRUE(seen[0].before);
  EXPECT_EQ(seen[0].offset, 2048U);
  EXPECT_FALSE(seen[1].before);
  EXPECT_EQ(seen[1].offset, 0U);
  EXPECT_EQ(seen[2].offset, 1024U);
}

TEST(EsAudio, SkipsAndCountsAChanceSync) {
  AudioParser parser(StreamKind::aac_adts);
  Bytes junk = adts(50);  // says that the next header is 50 bytes on, where there is none
  junk.resize(20);
  const auto seen = feed(parser, join({junk, adts(100), adts(100), adts(100)}));
  EXPECT_EQ(seen.size(), 3U);
  EXPECT_EQ(parser.skipped_bytes(), 20U);
}

TEST(EsAudio, TakesOneFrameThatFillsThePayload) {
  AudioParser parser(StreamKind::ac3);
  const auto seen = feed(parser, ac3(0, 20, 8, 2, false, 768));
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_FALSE(seen[0].before);
}

TEST(EsAudio, LoneHeaderLocksOnlyWithItsSecond) {
  AudioParser parser(StreamKind::mpeg_audio);
  const Bytes f = mpeg_audio(3, 2, 10, 1, false, false, 576);
  EXPECT_TRUE(feed(parser, join({{0x00}, f})).empty());
  EXPECT_EQ(feed(parser, f).size(), 2U);
  EXPECT_EQ(parser.skipped_bytes(), 1U);
}

TEST(EsAudio, DropsAFrameWithALossInside) {
  AudioParser parser(StreamKind::aac_adts);
  const Bytes f = adts(100);
  EXPECT_EQ(feed(parser, join({f, f, Bytes(f.begin(), f.begin() + 60)})).size(), 2U);
  const auto seen = feed(parser, join({Bytes(f.begin() + 80, f.end()), f, f}));  // 20 bytes are gone
  EXPECT_EQ(seen.size(), 2U);
  EXPECT_EQ(parser.skipped_bytes(), 80U);
  for (const auto& s : seen) EXPECT_EQ(s.data, f);
}

TEST(EsAudio, ResetForgetsTheBegunFrameAndCountsIt) {
  AudioParser parser(StreamKind::aac_adts);
  const Bytes f = adts(100);
  feed(parser, join({f, f, Bytes(f.begin(), f.begin() + 60)}));
  parser.reset();
  const auto seen = feed(parser, join({f, f}));
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_FALSE(seen[0].before);
  EXPECT_EQ(parser.skipped_bytes(), 60U);
}

TEST(EsAudio, FollowsAChangeOfRate) {
  AudioParser parser(StreamKind::aac_adts);
  EXPECT_EQ(feed(parser, join({adts(100), adts(100), adts(80, 4), adts(80, 4)})).size(), 4U);
  EXPECT_EQ(parser.format()->sample_rate, 44100U);
}

TEST(EsAudio, DependentSubstreamsBelongToTheFrame) {
  AudioParser parser(StreamKind::eac3);
  const Bytes frame = join(
      {eac3(0, 0, 0, 3, 7, true, 400), eac3(1, 0, 0, 3, 2, false, 200), eac3(0, 1, 0, 3, 2, false, 100)});
  const auto seen = feed(parser, join({frame, frame}));
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0].data, frame);
  EXPECT_EQ(seen[1].data, frame);
  EXPECT_EQ(seen[1].offset, 1536U);
  EXPECT_EQ(parser.format()->channels, 6U) << "of the independent substream";
  // Cut between the substreams, it is still one frame.
  auto cut = feed(parser, Bytes(frame.begin(), frame.begin() + 400));
  EXPECT_TRUE(cut.empty());
  cut = feed(parser, Bytes(frame.begin() + 400, frame.end()));
  ASSERT_EQ(cut.size(), 1U);
  EXPECT_EQ(cut[0].data, frame);
  EXPECT_TRUE(cut[0].before);
}

TEST(EsAudio, LatmWithoutConfigurationIsSkipped) {
  AudioParser parser(StreamKind::aac_latm);
  const auto seen = feed(parser, join({loas(latm_same()), loas(latm_config(false)), loas(latm_same())}));
  EXPECT_EQ(seen.size(), 2U);
  EXPECT_EQ(parser.skipped_bytes(), loas(latm_same()).size());
}

TEST(EsAudio, KindsThatAreNotServedYieldNothingAndAreCounted) {
  AudioParser parser(StreamKind::opus);
  EXPECT_TRUE(feed(parser, Bytes(100, 0x7F)).empty());
  EXPECT_FALSE(parser.format());
  EXPECT_GE(parser.skipped_bytes(), 98U);
}

TEST(EsAudio, HoldsNoMoreThanAFrameOfNoise) {
  for (const auto kind : {StreamKind::aac_adts, StreamKind::mpeg_audio, StreamKind::ac3, StreamKind::eac3,
                          StreamKind::aac_latm}) {
    AudioParser parser(kind);
    std::uint32_t state = 1;
    std::uint64_t fed = 0, found = 0;
    for (int i = 0; i < 300; ++i) {
      Bytes noise(1000);
      for (auto& b : noise) b = static_cast<std::uint8_t>((state = state * 1664525U + 1013904223U) >> 24);
      fed += noise.size();
      for (const auto& f : feed(parser, noise)) found += f.data.size();
    }
    EXPECT_LE(fed - found - parser.skipped_bytes(), 16U * 8194U);
    EXPECT_LT(found, fed / 10) << "noise is taken for frames";
  }
}

}  // namespace
}  // namespace headgate::mpegts::es

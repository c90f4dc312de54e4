// The whole way of a channel, slots to files: on generated streams, and on real ones where HEADGATE_STREAMS
// names them.
#include "dataplane/bridge/app/channel.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"
#include "tests/bridge/slots.h"

namespace headgate::bridge::app {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

std::string folder(const std::string& name) {
  return testing::TempDir() + "bridge_channel_test_" + std::to_string(::getpid()) + "_" + name;
}

protocol::BridgeChannel state(std::uint32_t segment_ms = 1000, std::uint32_t window = 8) {
  protocol::BridgeChannel made;
  made.id = "c";
  made.handle = 1;
  made.hls = protocol::HlsState{segment_ms, window};
  return made;
}

// MPEG-1 layer II frames of 24 ms in PES packets, one each, with PAT, PMT and PCR: a radio service.
class Radio {
 public:
  explicit Radio(std::uint64_t first_pts) : pts_(first_pts) {}

  Bytes frames(int count) {
    Bytes out;
    for (int i = 0; i < count; ++i) {
      if (number_ % 20 == 0) tables(out);
      pes(out);
      ++number_;
      pts_ += 2160;
    }
    return out;
  }
  static constexpr std::uint16_t kPid = 0x44;

 private:
  void tables(Bytes& out) {
    mpegts::Pat pat;
    pat.entries.push_back({9, mpegts::Pid{0x40}});
    mpegts::Pmt pmt;
    pmt.program_number = 9;
    pmt.pcr_pid = mpegts::Pid{kPid};
    pmt.streams.push_back({0x03, mpegts::Pid{kPid}, {}});
    for (const auto& [pid, section] :
         {std::pair{mpegts::kPatPid, pat.to_section()}, {mpegts::Pid{0x40}, pmt.to_section()}}) {
      const Bytes packed = mpegts::pack_section(pid, section, psi_counter_);
      out.insert(out.end(), packed.begin(), packed.end());
    }
    psi_counter_ = (psi_counter_ + 1) & 0x0F;
  }

  void pes(Bytes& out) {
    constexpr std::size_t kFrame = 576;  // 192 kbit/s at 48 kHz
    Bytes pes{0, 0, 1, 0xC0, 0, 0, 0x80, 0x80, 5};
    const std::uint64_t t = pts_ & 0x1FFFFFFFF;
    pes.push_back(static_cast<std::uint8_t>(0x21 | (t >> 29 & 0x0E)));
    pes.push_back(static_cast<std::uint8_t>(t >> 22));
    pes.push_back(static_cast<std::uint8_t>(t >> 14 | 1));
    pes.push_back(static_cast<std::uint8_t>(t >> 7));
    pes.push_back(static_cast<std::uint8_t>(t << 1 | 1));
    Bytes frame(kFrame, 0);
    frame[0] = 0xFF;
    frame[1] = 0xFD;
    frame[2] = 0xA4;
    frame[3] = 0x00;
    pes.insert(pes.end(), frame.begin(), frame.end());
    const std::size_t length = pes.size() - 6;
    pes[4] = static_cast<std::uint8_t>(length >> 8);
    pes[5] = static_cast<std::uint8_t>(length);
    for (std::size_t at = 0; at < pes.size();) at += packet(out, pes, at);
  }

  std::size_t packet(Bytes& out, const Bytes& pes, std::size_t at) {
    const bool first = at == 0;
    Bytes p{0x47, static_cast<std::uint8_t>((first ? 0x40 : 0) | kPid >> 8), static_cast<std::uint8_t>(kPid),
            0};
    Bytes adaptation;
    if (first) {
      const std::uint64_t base = (pts_ + mpegts::kPtsModulus - 9000) % mpegts::kPtsModulus;
      adaptation = {0x10,
                    static_cast<std::uint8_t>(base >> 25),
                    static_cast<std::uint8_t>(base >> 17),
                    static_cast<std::uint8_t>(base >> 9),
                    static_cast<std::uint8_t>(base >> 1),
                    static_cast<std::uint8_t>(base << 7 | 0x7E),
                    0};
    }
    std::size_t space = mpegts::kPacketSize - 4 - (adaptation.empty() ? 0 : adaptation.size() + 1);
    const std::size_t left = pes.size() - at;
    if (left < space) {
      if (adaptation.empty()) {
        if (space - left >= 2) adaptation.push_back(0);
        space -= adaptation.empty() ? 1 : 2;
        if (adaptation.empty()) adaptation_only_length_ = true;
      }
      adaptation.resize(adaptation.size() + (space - std::min(space, left)), 0xFF);
      space = std::min(space, left);
    }
    const bool has_adaptation = !adaptation.empty() || adaptation_only_length_;
    p[3] = static_cast<std::uint8_t>((has_adaptation ? 0x30 : 0x10) | (counter_++ & 0x0F));
    if (has_adaptation) p.push_back(static_cast<std::uint8_t>(adaptation.size()));
    adaptation_only_length_ = false;
    p.insert(p.end(), adaptation.begin(), adaptation.end());
    p.insert(p.end(), pes.begin() + static_cast<std::ptrdiff_t>(at),
             pes.begin() + static_cast<std::ptrdiff_t>(at + space));
    EXPECT_EQ(p.size(), mpegts::kPacketSize);
    out.insert(out.end(), p.begin(), p.end());
    return space;
  }

  std::uint64_t pts_;
  int number_ = 0;
  int counter_ = 0;
  std::uint8_t psi_counter_ = 0;
  bool adaptation_only_length_ = false;
};

class ChannelTest : public testing::Test {
 protected:
  ~ChannelTest() override {
    for (const std::string& path : folders) fs::remove_all(path);
  }
  std::unique_ptr<Channel> make(const std::string& name, const protocol::BridgeChannel& wanted = state()) {
    const std::string path = folder(name);
    folders.push_back(path);
    return std::make_unique<Channel>(wanted, path);
  }
  static Bytes segment_bytes(Channel& channel, const hls::Entry& entry) {
    const auto file = channel.store().find(entry.k, entry.media);
    if (file == nullptr) return {};
    const auto bytes = file->bytes();
    return {reinterpret_cast<const std::uint8_t*>(bytes.data()),
            reinterpret_cast<const std::uint8_t*>(bytes.data()) + bytes.size()};
  }
  std::vector<std::string> folders;
};

TEST_F(ChannelTest, ARadioServiceIsCutAtItsSlotsFirstFrame) {
  auto channel = make("radio");
  test::Slots slots([&](const ring::Slot& slot) { channel->on_slot(slot); });
  Radio radio(1'000'000);
  slots.packets(radio.frames(42 * 6));
  const auto& entries = channel->store().entries();
  ASSERT_GE(entries.size(), 4U);
  for (const hls::Entry& entry : entries) {
    EXPECT_NEAR(static_cast<double>(entry.duration), 27e6, 27e6 * 0.025);
    EXPECT_LT(entry.start - entry.k * mpegts::kTicksPerSecond, mpegts::kTicksPerSecond * 24 / 1000);
    EXPECT_TRUE(entry.independent);
  }
  EXPECT_EQ(channel->store().variant().codecs, "mp4a.40.33");
  EXPECT_EQ(channel->hub().counters().damaged_pes, 0U);
}

TEST_F(ChannelTest, SegmentsCarryEveryPacketOfTheirPidOnceAndBitExact) {
  auto channel = make("exact");
  Bytes sent;
  test::Slots slots([&](const ring::Slot& slot) { channel->on_slot(slot); });
  Radio radio(1'000'000);
  const Bytes stream = radio.frames(42 * 8);
  slots.packets(stream);
  Bytes kept;
  for (const hls::Entry& entry : channel->store().entries()) {
    const Bytes bytes = segment_bytes(*channel, entry);
    ASSERT_GT(bytes.size(), 2 * mpegts::kPacketSize);
    kept.insert(kept.end(), bytes.begin() + 2 * mpegts::kPacketSize, bytes.end());
  }
  for (std::size_t at = 0; at < stream.size(); at += mpegts::kPacketSize) {
    if (((stream[at + 1] & 0x1F) << 8 | stream[at + 2]) != Radio::kPid) continue;
    sent.insert(sent.end(), stream.begin() + static_cast<std::ptrdiff_t>(at),
                stream.begin() + static_cast<std::ptrdiff_t>(at + mpegts::kPacketSize));
  }
  EXPECT_NE(std::search(sent.begin(), sent.end(), kept.begin(), kept.end()), sent.end());
}

TEST_F(ChannelTest, ThePtsWrapPassesUnnoticed) {
  auto channel = make("wrap");
  test::Slots slots([&](const ring::Slot& slot) { channel->on_slot(slot); });
  Radio radio(mpegts::kPtsModulus - 3 * 90'000);
  slots.packets(radio.frames(42 * 7));
  const auto& entries = channel->store().entries();
  ASSERT_GE(entries.size(), 5U);
  for (std::size_t i = 1; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i].k, entries[i - 1].k + 1);
    EXPECT_EQ(entries[i].start, entries[i - 1].start + entries[i - 1].duration);
    EXPECT_FALSE(entries[i].discontinuity);
  }
}

TEST_F(ChannelTest, ALostSlotCostsThePesPacketsItHeldAndNothingMore) {
  auto channel = make("loss");
  std::uint32_t count = 0;
  test::Slots slots([&](const ring::Slot& slot) {
    if (++count != 100) channel->on_slot(slot);
  });
  Radio radio(1'000'000);
  slots.packets(radio.frames(42 * 6));
  EXPECT_EQ(channel->hub().counters().gaps, 1U);
  EXPECT_GE(channel->hub().counters().damaged_pes, 1U);
  EXPECT_LE(channel->hub().counters().damaged_pes, 3U);
  EXPECT_GE(channel->store().entries().size(), 4U);
}

TEST_F(ChannelTest, ARestartedBridgeServesOnAndListsTheLostSlot) {
  auto channel = make("restart");
  test::Slots slots([&](const ring::Slot& slot) {
    if (channel) channel->on_slot(slot);
  });
  Radio radio(1'000'000);
  slots.packets(radio.frames(42 * 5));
  const std::string before = channel->store().media_text()->content;
  const std::int64_t last = channel->store().entries().back().k;
  channel.reset();  // its open segment is gone, as after a crash
  slots.packets(radio.frames(10));
  channel = make("restart");
  ASSERT_NE(channel->store().media_text(), nullptr);
  EXPECT_EQ(channel->store().media_text()->content, before);
  slots.packets(radio.frames(42 * 4));
  const auto& entries = channel->store().entries();
  ASSERT_GT(entries.back().k, last + 1);
  for (std::size_t i = 1; i < entries.size(); ++i) EXPECT_EQ(entries[i].k, entries[i - 1].k + 1);
  const auto lost = std::find_if(entries.begin(), entries.end(), [](const hls::Entry& e) { return e.gap; });
  ASSERT_NE(lost, entries.end());
  EXPECT_EQ(lost->k, last + 1);
  EXPECT_NE(channel->store().media_text()->content.find("#EXT-X-GAP\n"), std::string::npos);
  EXPECT_EQ(channel->store().media_text()->content.find("#EXT-X-DISCONTINUITY\n"), std::string::npos);
}

TEST_F(ChannelTest, AnInputThatStoppedHasItsLastSegmentListedWithAllThatCame) {
  auto channel = make("silence");
  test::Slots slots([&](const ring::Slot& slot) { channel->on_slot(slot); });
  Radio radio(1'000'000);
  slots.packets(radio.frames(42 * 3));
  slots.flush();
  const std::size_t before = channel->store().entries().size();
  using namespace std::chrono_literals;
  const auto now = std::chrono::steady_clock::now();
  channel->on_tick(now);
  channel->on_tick(now + 1900ms);
  EXPECT_EQ(channel->store().entries().size(), before);
  channel->on_tick(now + 2100ms);
  ASSERT_EQ(channel->store().entries().size(), before + 1);
  // To the last frame, whose PES packet nothing followed.
  const hls::Entry& last = channel->store().entries().back();
  const std::int64_t frame = mpegts::kTicksPerSecond * 24 / 1000;
  EXPECT_EQ(last.duration % frame, 0);
  EXPECT_GT(last.duration, 0);
  EXPECT_EQ(channel->hub().counters().damaged_pes, 0U);
  slots.packets(radio.frames(42 * 3));
  const auto& entries = channel->store().entries();
  for (std::size_t i = 1; i < entries.size(); ++i) EXPECT_EQ(entries[i].k, entries[i - 1].k + 1);
  EXPECT_GT(entries.size(), before + 1);
}

TEST_F(ChannelTest, APesPacketCutOffByTheSilenceIsNotServed) {
  auto channel = make("cut");
  Radio radio(1'000'000);
  Bytes stream = radio.frames(42 * 3);
  stream.resize(stream.size() - mpegts::kPacketSize);
  test::Slots slots([&](const ring::Slot& slot) { channel->on_slot(slot); });
  slots.packets(stream);
  slots.flush();
  using namespace std::chrono_literals;
  const auto now = std::chrono::steady_clock::now();
  channel->on_tick(now);
  channel->on_tick(now + 3s);
  EXPECT_EQ(channel->hub().counters().damaged_pes, 1U);
}

TEST_F(ChannelTest, OldSegmentsStayOneWindowAndAreThenRemoved) {
  auto channel = make("window", state(1000, 7));
  test::Slots slots([&](const ring::Slot& slot) { channel->on_slot(slot); });
  Radio radio(1'000'000);
  slots.packets(radio.frames(42 * 30));
  const auto& entries = channel->store().entries();
  EXPECT_EQ(entries.size(), 15U);
  EXPECT_EQ(channel->store().listed(), 7U);
  std::size_t files = 0;
  for (const auto& item : fs::directory_iterator(channel->directory()))
    files += item.path().extension() == ".ts" ? 1 : 0;
  EXPECT_EQ(files, 15U);
  EXPECT_NE(channel->store().find(entries.front().k, entries.front().media), nullptr);
  EXPECT_EQ(channel->store().find(entries.front().k - 1, entries.front().media), nullptr);
}

TEST_F(ChannelTest, TwinsMakeTheSameBytes) {
  auto one = make("twin1");
  auto two = make("twin2");
  test::Slots slots([&](const ring::Slot& slot) {
    one->on_slot(slot);
    two->on_slot(slot);
  });
  Radio radio(1'000'000);
  slots.packets(radio.frames(42 * 6));
  EXPECT_EQ(one->store().media_text()->content, two->store().media_text()->content);
  EXPECT_EQ(one->store().multivariant_text()->content, two->store().multivariant_text()->content);
  for (const hls::Entry& entry : one->store().entries())
    EXPECT_EQ(segment_bytes(*one, entry), segment_bytes(*two, entry));
}

TEST_F(ChannelTest, ATwinThatStartedLaterAgreesOnNumbersPathsAndBytes) {
  auto one = make("early");
  auto two = make("late");
  std::uint32_t count = 0;
  test::Slots slots([&](const ring::Slot& slot) {
    one->on_slot(slot);
    ring::Slot same = slot;
    if (++count > 150) two->on_slot(same);
  });
  Radio radio(1'000'000);
  slots.packets(radio.frames(42 * 8));
  ASSERT_GE(two->store().entries().size(), 2U);
  EXPECT_EQ(one->store().entries().back(), two->store().entries().back());
  for (const hls::Entry& entry : two->store().entries())
    EXPECT_EQ(segment_bytes(*one, entry), segment_bytes(*two, entry));
}

class CaptureTest : public ChannelTest, public testing::WithParamInterface<const char*> {};

TEST_P(CaptureTest, IsCutIntoSegmentsWithItsCodecs) {
  const char* streams = std::getenv("HEADGATE_STREAMS");
  if (streams == nullptr) GTEST_SKIP() << "HEADGATE_STREAMS is not set; generated streams only";
  const std::string parameter = GetParam();
  const std::string name = parameter.substr(0, parameter.find(' '));
  const std::string codecs = parameter.substr(parameter.find(' ') + 1);
  std::ifstream file(std::string(streams) + "/" + name, std::ios::binary);
  ASSERT_TRUE(file) << name;
  const Bytes bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  // Short segments and three rounds: some captures last under a second. The joins are discontinuities.
  auto channel = make(name, state(250));
  test::Slots slots([&](const ring::Slot& slot) { channel->on_slot(slot); });
  for (int round = 0; round < 3; ++round) slots.packets(bytes);
  slots.flush();
  ASSERT_FALSE(channel->store().entries().empty())
      << "packets " << channel->hub().counters().packets << " untimed "
      << channel->hub().counters().untimed_pes << " bad " << channel->hub().counters().bad_timestamp_pes
      << " damaged " << channel->hub().counters().damaged_pes;
  EXPECT_EQ(channel->store().variant().codecs, codecs);
}

INSTANTIATE_TEST_SUITE_P(Real, CaptureTest,
                         testing::Values("scte35-h264-bframes-aac-80s.ts avc1.64001e,mp4a.40.2",
                                         "hevc-aac-0.ts hvc1.1.6.L93.90,mp4a.40.2",
                                         "mpeg2v-mp2-bbb.ts mp4v.61,mp4a.40.33",
                                         "h264-ac3dvb-0.ts avc1.64001e,ac-3",
                                         "dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts avc1.640028,ec-3",
                                         "sd-h264i-bars-aacx2.ts avc1.4d401e,mp4a.40.2",
                                         "mpts-dvbt-it-8prog.ts mp4v.61,mp4a.40.33",
                                         "h264-bframes-pcr-wrap.ts avc1.64001f"));

TEST_F(ChannelTest, AScrambledChannelYieldsNoMedia) {
  const char* streams = std::getenv("HEADGATE_STREAMS");
  if (streams == nullptr) GTEST_SKIP() << "HEADGATE_STREAMS is not set";
  std::ifstream file(std::string(streams) + "/dvbt-fr-hd-scrambled-csa.ts", std::ios::binary);
  const Bytes bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  ASSERT_FALSE(bytes.empty());
  auto channel = make("scrambled");
  test::Slots slots([&](const ring::Slot& slot) { channel->on_slot(slot); });
  slots.packets(bytes);
  EXPECT_TRUE(channel->store().entries().empty());
  EXPECT_GT(channel->hub().counters().scrambled_pes, 0U);
}

}  // namespace
}  // namespace headgate::bridge::app

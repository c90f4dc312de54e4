// Sixty hours of a sparse service in less than a minute, through every output: over two wraps of the 33-bit
// clock, a jump of it that its source marks and one that it doesn't, and a switch of the input and back. The
// fast path's pipe and the bridge's channel are the product's own; their clock is moved. An output that is
// new gets an entry in kOutputs.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "dataplane/bridge/app/channel.h"
#include "dataplane/bridge/rtmp/player.h"
#include "dataplane/bridge/srt/cursor.h"
#include "dataplane/fastpath/control/pipe_store.h"
#include "tests/fastpath/time_warp_checks.h"
#include "tests/fastpath/time_warp_source.h"

namespace headgate::fastpath {
namespace {

using bridge::app::Channel;
using test::SparseSource;

#if defined(__SANITIZE_ADDRESS__)
#define HEADGATE_SLOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HEADGATE_SLOW 1
#endif
#endif
#ifdef HEADGATE_SLOW
constexpr std::int64_t kHours = 3;  // the events come all the same, but for the second wrap
#else
constexpr std::int64_t kHours = 60;
#endif

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kStepNs = 20'000'000;
constexpr std::int64_t kOverNs = kHours * 3600 * kSecondNs;
constexpr std::uint64_t kRate = 150'000;
constexpr std::uint64_t kJumps = 2;  // of the source's clock

// An output under test. Calls come in the order of time.
class Tap {
 public:
  virtual ~Tap() = default;
  // What came out by now.
  virtual void on_step(std::int64_t now_ns) = 0;
  virtual void judge() = 0;
};

// What is common to outputs that are transport streams.
void judge_stream(const char* name, const test::WarpTs& seen, std::uint64_t announced) {
  std::printf(
      "%s: %llu packets, %llu PES packets, %llu wraps, %llu announced jumps, PCRs up to %.1f ms apart, %.3f "
      "to "
      "%.3f s off the time that passed\n",
      name, static_cast<unsigned long long>(seen.packets), static_cast<unsigned long long>(seen.units),
      static_cast<unsigned long long>(seen.pcr_wraps), static_cast<unsigned long long>(seen.announced),
      static_cast<double>(seen.longest_pcr_interval) / 27e3, seen.pace.least, seen.pace.most);
  EXPECT_GT(seen.units, static_cast<std::uint64_t>(kHours) * 3600 * 10);
  EXPECT_EQ(seen.cc_errors, 0U);
  EXPECT_EQ(seen.pcrs_back, 0U);
  EXPECT_EQ(seen.pcrs_ahead, 0U);
  EXPECT_EQ(seen.stamps_back, 0U);
  EXPECT_EQ(seen.stamps_far, 0U);
  EXPECT_EQ(seen.announced, announced);
  EXPECT_EQ(seen.pcr_wraps, kHours == 60 ? 2U : 1U);
  EXPECT_GT(seen.pace.least, -0.5);
  EXPECT_LT(seen.pace.most, 0.5);
}

// The channel, from its inputs' datagrams on.
class Warp : public PipeSink {
 public:
  explicit Warp(const std::string& folder) {
    state_.id = "a";
    state_.handle = 1;
    state_.to_bridge = true;
    state_.bitrate_bps = kRate;
    state_.outputs.resize(1);
    state_.inputs.resize(2);
    for (std::uint32_t i = 0; i < 2; ++i) {
      state_.inputs[i].number = runtimes_[i].number = i + 1;
      state_.inputs[i].buffer_ms = 200;
    }
    plan_ = store_.plan_for(
        state_,
        {{&state_.inputs[0], &runtimes_[0], nullptr, "1"}, {&state_.inputs[1], &runtimes_[1], nullptr, "2"}},
        "");
    plan_.to_bridge = true;
    plan_.output_count = 1;
    plan_.pipe->adopt(plan_, *this, now_ns);
    protocol::BridgeChannel served;
    served.id = "a";
    served.handle = 1;
    served.hls = protocol::HlsState{10'000, 8};
    served.http_ts = served.rtmp = true;
    served.srt.emplace();
    channel = std::make_unique<Channel>(served, folder);
    slot_.channel = 1;
  }

  void arrive(std::size_t input, std::span<const std::uint8_t> packets) {
    runtimes_[input].last_packet_ns = now_ns;
    plan_.pipe->take(*plan_.feeds[input], packets, now_ns, now_ns);
  }
  void step() {
    now_ns += kStepNs;
    while (plan_.pipe->on_due(now_ns) == Pipe::kMostAtOnce) {
    }
    plan_.pipe->on_tick(now_ns);
    if (now_ns % (kSecondNs / 4) == 0)
      channel->on_tick(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(now_ns)));
  }
  Pipe::Figures figures() const { return plan_.pipe->figures(); }

  void to_bridge(const PipePlan&, InputRuntime& on_air, std::span<const std::uint8_t> packets,
                 const PipeMarks& marks) noexcept override {
    slot_.packet_count = static_cast<std::uint16_t>(packets.size() / mpegts::kPacketSize);
    slot_.flags = static_cast<std::uint16_t>(marks.flags | on_air.number << ring::kSlotOnAirShift);
    slot_.arrival_ns = now_ns;
    slot_.timeline = marks.timeline;
    slot_.offset = marks.offset;
    std::copy(packets.begin(), packets.end(), slot_.packets.begin());
    channel->on_slot(slot_);
    ++slot_.sequence;
  }
  void to_watch(const PipePlan&, InputRuntime&, std::span<const std::uint8_t>) noexcept override {}
  void to_outputs(const PipePlan&, std::span<const std::uint8_t> packets) noexcept override {
    udp.take(packets, now_ns);
  }
  void on_rate_exceeded(const PipePlan&, std::uint64_t packets) noexcept override { dropped += packets; }

  std::int64_t now_ns = 1'700'000'000 * kSecondNs;
  std::unique_ptr<Channel> channel;
  test::WarpTs udp;
  std::uint64_t dropped = 0;

 private:
  protocol::FastpathChannel state_;
  std::array<InputRuntime, 2> runtimes_;
  SpareTables spares_;
  PipeStore store_{nullptr, nullptr, &spares_};
  PipePlan plan_;
  ring::Slot slot_{};
};

class UdpTap : public Tap {
 public:
  explicit UdpTap(Warp& warp) : warp_(warp) {}
  void on_step(std::int64_t) override {}
  void judge() override {
    judge_stream("UDP", warp_.udp, kJumps);
    EXPECT_LE(warp_.udp.longest_pcr_interval, 35 * 27'000);
    EXPECT_EQ(warp_.dropped, 0U);
  }

 private:
  Warp& warp_;
};

class HttpTap : public Tap {
 public:
  explicit HttpTap(Warp& warp) : session_(warp.channel->open_ts()) {}
  void on_step(std::int64_t now_ns) override {
    pieces_.clear();
    session_->take(1 << 20, pieces_);
    for (const auto& piece : pieces_)
      seen_.take({reinterpret_cast<const std::uint8_t*>(piece.bytes.data()), piece.bytes.size()}, now_ns);
  }
  void judge() override { judge_stream("HTTP-TS", seen_, kJumps); }

 private:
  std::shared_ptr<bridge::http::BodyStream> session_;
  std::vector<bridge::http::BodyStream::Piece> pieces_;
  test::WarpTs seen_;
};

// Up to where libsrt takes the messages.
class SrtTap : public Tap, public bridge::hub::TsSink {
 public:
  explicit SrtTap(Warp& warp) : warp_(warp) { warp.channel->ts()->add(this); }
  ~SrtTap() override { warp_.channel->ts()->remove(this); }
  void on_chunk(const bridge::srt::Chunk& chunk) override {
    const std::int64_t now_us = warp_.now_ns / 1000;
    if (!cursor_.begun()) {
      auto start = warp_.channel->ts()->start();
      if (start.empty()) return;
      return cursor_.begin(std::move(start), queue_.end(), now_us);
    }
    queue_.add(chunk, now_us);
  }
  void on_step(std::int64_t now_ns) override {
    if (!cursor_.begun()) return;
    queue_.tick(now_ns / 1000);
    while (const auto message = cursor_.next(queue_, now_ns / 1000)) {
      if (message->source_us < last_us_) ++back_;
      last_us_ = message->source_us;
      seen_.take(message->chunk->data(), now_ns);
      cursor_.advance(*message);
    }
    queue_.forget_before(cursor_.place());
  }
  void judge() override {
    judge_stream("SRT", seen_, kJumps);
    EXPECT_EQ(back_, 0U) << "times of messages";
    EXPECT_EQ(cursor_.dropped(), 0U);
  }

 private:
  Warp& warp_;
  bridge::srt::MessageQueue queue_;
  bridge::srt::Cursor cursor_{120'000};
  std::int64_t last_us_ = 0;
  std::uint64_t back_ = 0;
  test::WarpTs seen_;
};

class RtmpTap : public Tap {
 public:
  explicit RtmpTap(Warp& warp) : warp_(warp) {
    warp.channel->frames()->add(&stream_);
    player_.announce_chunk_size();
    player_.begin(stream_, 1);
  }
  ~RtmpTap() override { warp_.channel->frames()->remove(&stream_); }
  void on_step(std::int64_t now_ns) override {
    while (player_.gather(gather_)) {
      for (const iovec& part : gather_.buffers())
        seen_.take({static_cast<const std::uint8_t*>(part.iov_base), part.iov_len}, now_ns);
      player_.on_sent(gather_.total());
    }
    stream_.trim(player_.needed());
  }
  void judge() override {
    std::printf("RTMP: %llu sounds, %llu pictures, %llu joins, %.3f to %.3f s off the time that passed\n",
                static_cast<unsigned long long>(seen_.messages[0]),
                static_cast<unsigned long long>(seen_.messages[1]),
                static_cast<unsigned long long>(stream_.counters().time_joins), seen_.pace.least,
                seen_.pace.most);
    EXPECT_GT(seen_.messages[0], static_cast<std::uint64_t>(kHours) * 3600 * 46);
    EXPECT_GT(seen_.messages[1], static_cast<std::uint64_t>(kHours) * 3600 * 49 / 10);
    EXPECT_EQ(seen_.unreadable, 0U);
    EXPECT_EQ(seen_.back, 0U);
    EXPECT_EQ(player_.skipped(), 0U);
    // A frame waits for the other track's for up to 3 s where an input falls silent.
    EXPECT_GT(seen_.pace.least, -4);
    EXPECT_LT(seen_.pace.most, 0.5);
    EXPECT_NEAR(seen_.pace.last, 0, 0.5) << "what joins cost doesn't add up";
  }

 private:
  Warp& warp_;
  bridge::rtmp::ChannelStream stream_{"a"};
  bridge::rtmp::Player player_;
  bridge::rtmp::Gather gather_;
  test::WarpRtmp seen_;
};

class HlsTap : public Tap {
 public:
  explicit HlsTap(Warp& warp) : store_(warp.channel->store()) {}
  void on_step(std::int64_t now_ns) override {
    const auto text = store_.media_text();
    if (text == last_) return;
    last_ = text;
    for (const auto& segment : list_.take(text->content, now_ns)) read(segment, now_ns);
  }
  void judge() override {
    std::printf(
        "HLS: %llu segments, %llu gaps, %llu discontinuities, %.3f s of EXTINF, dates up to %.3f s on, %.3f "
        "to "
        "%.3f s off the time that passed; segments up to %.3f s off their EXTINF by DTS\n",
        static_cast<unsigned long long>(list_.segments), static_cast<unsigned long long>(list_.gaps),
        static_cast<unsigned long long>(list_.discontinuities), list_.total, list_.largest_date_gap,
        list_.pace.least, list_.pace.most, off_extinf_);
    EXPECT_GT(list_.segments, static_cast<std::uint64_t>(kHours) * 360 - 10);
    EXPECT_EQ(list_.numbers_back, 0U);
    EXPECT_EQ(list_.changed, 0U);
    EXPECT_EQ(list_.dates_back, 0U);
    // A segment that a jump or a switch cuts off is followed by one that begins in its next ten seconds.
    EXPECT_NEAR(list_.total, static_cast<double>(kHours) * 3600, 60);
    EXPECT_NEAR(list_.first_unix + list_.total, list_.last_end, 40);
    EXPECT_LT(list_.largest_date_gap, 20);
    EXPECT_EQ(missing_, 0U);
    EXPECT_EQ(seen_.stamps_back, 0U);
    EXPECT_EQ(seen_.stamps_far, 0U);
    EXPECT_EQ(seen_.pcrs_back, 0U);
    EXPECT_EQ(firsts_back_, 0U);
    EXPECT_LT(off_extinf_, 0.001);
    EXPECT_GE(list_.discontinuities, kJumps);
    EXPECT_LE(list_.discontinuities, kJumps + 2);
    // A segment is listed when it is over and its sound has come.
    EXPECT_GT(list_.pace.least, -8.5);
    EXPECT_LT(list_.pace.most, 8.5);
  }

 private:
  void read(const test::WarpHls::Segment& segment, std::int64_t now_ns) {
    if (segment.gap) return;
    // media/HASH/K.ts
    const auto slash = segment.uri.rfind('/');
    const auto file = store_.find(segment.number, segment.uri.substr(6, slash - 6));
    if (segment.uri.substr(slash) != "/" + std::to_string(segment.number) + ".ts" || file == nullptr) {
      ++missing_;
      return;
    }
    if (segment.discontinuity || number_ + 1 != segment.number) seen_.expect_jump();
    const bool joins = first_ && !segment.discontinuity && number_ + 1 == segment.number;
    const auto bytes = file->bytes();
    seen_.first_dts.reset();
    seen_.take({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, now_ns);
    const std::int64_t first = seen_.first_dts.value_or(0);
    if (joins) {
      constexpr std::int64_t kTurn = std::int64_t{1} << 33;
      const std::int64_t step = ((first - *first_) % kTurn + kTurn) % kTurn;
      if (step > kTurn / 2) ++firsts_back_;
      off_extinf_ = std::max(off_extinf_, std::abs(static_cast<double>(step) / 90'000 - duration_));
    }
    first_ = first;
    number_ = segment.number;
    duration_ = segment.duration;
  }

  bridge::hls::SegmentStore& store_;
  bridge::hls::SegmentStore::Text last_;
  test::WarpHls list_;
  test::WarpTs seen_;
  std::optional<std::int64_t> first_;  // DTS of the segment before
  std::int64_t number_ = 0;
  double duration_ = 0;
  double off_extinf_ = 0;
  std::uint64_t missing_ = 0;
  std::uint64_t firsts_back_ = 0;
};

struct Output {
  const char* name;
  std::unique_ptr<Tap> (*make)(Warp&);
};
template <typename T>
std::unique_ptr<Tap> make(Warp& warp) {
  return std::make_unique<T>(warp);
}
constexpr Output kOutputs[] = {{"TS over UDP", make<UdpTap>},
                               {"TS over HTTP", make<HttpTap>},
                               {"SRT", make<SrtTap>},
                               {"RTMP", make<RtmpTap>},
                               {"HLS", make<HlsTap>}};

// What happens, in sixtieths of the time.
constexpr std::int64_t kMarkedJump = 10;
constexpr std::int64_t kUnmarkedJump = 20;
constexpr std::int64_t kLost = 40;  // the first input falls silent, after the second has come
constexpr std::int64_t kBack = 41;

TEST(TimeWarp, NothingGoesBackInSixtyHours) {
  const auto began = std::chrono::steady_clock::now();
  const std::string folder = testing::TempDir() + "time_warp_test_" + std::to_string(::getpid());
  Warp warp(folder);
  std::vector<std::unique_ptr<Tap>> taps;
  for (const Output& output : kOutputs) taps.push_back(output.make(warp));

  // It wraps in the eighth sixtieth, and 26.5 hours later.
  SparseSource first((std::uint64_t{1} << 33) / 90'000 - kHours * 3600 * 2 / 15);
  SparseSource second(1'000'000 % 95'443);
  const std::int64_t start_ns = warp.now_ns;
  const auto part = [](std::int64_t sixtieth) { return sixtieth * kOverNs / 60; };
  std::int64_t datagrams = 0;
  while (warp.now_ns - start_ns < kOverNs) {
    const std::int64_t passed = warp.now_ns - start_ns;
    if (passed % SparseSource::kTickNs == 0) {
      if (passed == part(kMarkedJump)) first.jump(700, true);
      if (passed == part(kUnmarkedJump)) first.jump(-500, false);
      const auto bytes = first.next();
      if (passed < part(kLost) || passed >= part(kBack)) warp.arrive(0, bytes);
      const auto standby = second.next();
      if (passed >= part(kLost) - 60 * kSecondNs && passed < part(kBack) + 60 * kSecondNs)
        warp.arrive(1, standby);
      ++datagrams;
    }
    warp.step();
    if (passed % (5 * kStepNs) != 0) continue;
    for (const auto& tap : taps) tap->on_step(warp.now_ns);
  }
  for (std::size_t i = 0; i < taps.size(); ++i) {
    SCOPED_TRACE(kOutputs[i].name);
    taps[i]->judge();
  }
  EXPECT_EQ(datagrams, kHours * 36'000);
  EXPECT_EQ(warp.figures().switches, 2U);
  EXPECT_EQ(warp.figures().on_air, 1U);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::printf("%lld hours in %.1f s\n", static_cast<long long>(kHours), took.count());
  taps.clear();
  warp.channel.reset();
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace headgate::fastpath

// links: headgate::bridge
// A client's bytes after the handshake into a session with a channel and an input. After each piece something
// of what it sends is taken: as many bytes as the input says. Nothing may crash, and what waits stays
// bounded.
#include <cstdlib>

#include "dataplane/bridge/rtmp/session.h"
#include "tests/bridge/fake_entry.h"

namespace {

using namespace headgate;
using namespace headgate::bridge;
using namespace headgate::bridge::rtmp;

class Host : public SessionHost {
 public:
  Host() {
    auto format = std::make_shared<hub::FrameFormat>();
    format->tracks.push_back(
        {mpegts::Pid{256}, mpegts::StreamKind::h264, "", {1, 2}, mpegts::es::VideoFormat{}, {}});
    stream.on_format(format);
    for (int i = 0; i < 3; ++i) add();
  }
  tl::expected<ChannelStream*, Refusal> open(std::string_view channel) override {
    if (channel.empty()) return tl::unexpected(Refusal::unknown_channel);
    return &stream;
  }
  void leave(ChannelStream&) override {}
  tl::expected<ingest::Entry*, Refusal> publish(std::string_view, std::string_view) override {
    if (!entry.attach("")) return tl::unexpected(Refusal::place_taken);
    return &entry;
  }
  void unpublish(ingest::Entry& gone, const std::string& error) override { gone.detach(error); }
  void on_sent(std::size_t) override {}
  void on_refusal(Refusal) override {}
  void add() {
    auto frame = std::make_shared<hub::Frame>();
    frame->random_access = next % 4 == 0;
    frame->dts = frame->pts = next++ * 40 * 27'000;
    frame->data.assign(70'000, 5);
    stream.on_frame(std::move(frame));
  }
  ChannelStream stream{"a"};
  test::FakeEntry entry{"b", ""};
  std::int64_t next = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  Host host;
  Session::Clock::time_point now{};
  Session session(host, now, 1);
  std::vector<std::uint8_t> handshake(1 + 2 * kHandshakeSize);
  handshake[0] = kVersion;
  session.on_bytes(now, handshake);
  const std::size_t step = 1U + data[0];
  const std::size_t taken = 1U + data[1] * 100U;
  std::span<const std::uint8_t> rest(data + 2, size - 2);
  Gather gather;
  while (!rest.empty() && !session.over()) {
    const auto piece = rest.first(std::min(step, rest.size()));
    session.on_bytes(now, piece);
    rest = rest.subspan(piece.size());
    host.add();
    if (session.gather(gather)) session.on_sent(now, std::min(taken, gather.total()));
    host.stream.trim(session.needed());
    now += std::chrono::milliseconds(50);
    if (now >= session.next_deadline()) session.on_timer(now);
    if (host.stream.bytes() > StreamLimits{}.bytes) std::abort();
  }
  for (int i = 0; i < 100 && !session.over() && session.gather(gather); ++i)
    session.on_sent(now, gather.total());
  return 0;
}

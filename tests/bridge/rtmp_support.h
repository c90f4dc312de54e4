// Frames made by hand, and a player that reads what a session sends. Not independent of the code under test:
// the live tests have real players.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dataplane/bridge/rtmp/channel_stream.h"
#include "dataplane/bridge/rtmp/session.h"
#include "tests/bridge/fake_entry.h"

namespace headgate::bridge::rtmp {

using Bytes = std::vector<std::uint8_t>;
constexpr std::int64_t kMs = 27'000;

inline std::shared_ptr<hub::FrameFormat> make_format(mpegts::StreamKind kind = mpegts::StreamKind::h264,
                                                     std::uint8_t mark = 1) {
  auto format = std::make_shared<hub::FrameFormat>();
  format->tracks.push_back({mpegts::Pid{256}, kind, "", {mark, 2}, mpegts::es::VideoFormat{}, {}});
  format->tracks.push_back(
      {mpegts::Pid{257}, mpegts::StreamKind::aac_adts, "", {0x11, 0x90}, {}, mpegts::es::AudioFormat{}});
  return format;
}

inline std::shared_ptr<hub::Frame> make_frame(std::uint8_t track, std::int64_t ms, bool key,
                                              std::size_t size = 10, std::uint8_t fill = 5,
                                              std::int64_t composition_ms = 0) {
  auto frame = std::make_shared<hub::Frame>();
  frame->track = track;
  frame->random_access = key || track == 1;
  frame->dts = ms * kMs;
  frame->pts = (ms + composition_ms) * kMs;
  frame->data.assign(size, fill);
  return frame;
}

// Groups of `gop` pictures, 40 ms apart, each followed by a frame of sound.
inline void feed(ChannelStream& stream, std::int64_t from_ms, int pictures, int gop = 25,
                 std::size_t size = 10) {
  for (int i = 0; i < pictures; ++i) {
    stream.on_frame(make_frame(0, from_ms + 40 * i, i % gop == 0, size));
    stream.on_frame(make_frame(1, from_ms + 40 * i + 20, true));
  }
}

class FakeHost : public SessionHost {
 public:
  tl::expected<ChannelStream*, Refusal> open(std::string_view channel) override {
    if (channel != stream.id()) return tl::unexpected(Refusal::unknown_channel);
    ++opened;
    return &stream;
  }
  void leave(ChannelStream&) override { ++left; }
  tl::expected<ingest::Entry*, Refusal> publish(std::string_view channel, std::string_view key) override {
    if (channel != entry.channel()) return tl::unexpected(Refusal::unknown_channel);
    if (key != entry.input().key) return tl::unexpected(Refusal::wrong_key);
    if (!entry.attach("192.0.2.1:5000")) return tl::unexpected(Refusal::place_taken);
    return &entry;
  }
  void unpublish(ingest::Entry& gone, const std::string& error) override { gone.detach(error); }
  void on_sent(std::size_t bytes) override { sent += bytes; }
  void on_refusal(Refusal reason) override { refused.push_back(reason); }
  ChannelStream stream{"news"};
  test::FakeEntry entry{"stage", "secret"};
  int opened = 0;
  int left = 0;
  std::size_t sent = 0;
  std::vector<Refusal> refused;
};

inline Bytes flat(const Gather& gather, std::size_t at_most = ~std::size_t{0}) {
  Bytes out;
  for (const iovec& piece : gather.buffers()) {
    const auto* begin = static_cast<const std::uint8_t*>(piece.iov_base);
    out.insert(out.end(), begin, begin + piece.iov_len);
  }
  out.resize(std::min(out.size(), at_most));
  return out;
}

class TestPlayer {
 public:
  using Clock = Session::Clock;
  explicit TestPlayer(FakeHost& host, const SessionLimits& limits = {})
      : session(host, Clock::time_point{}, 1, limits), reader(generous()) {}
  static ChunkLimits generous() {
    ChunkLimits limits;
    limits.message_bytes = limits.partial_bytes = kLargestChunkSize;
    return limits;
  }

  // Everything the session wants to send, at most so many bytes a time.
  std::vector<Message> take(std::size_t step = ~std::size_t{0}) {
    Gather gather;
    while (session.gather(gather)) {
      const Bytes bytes = flat(gather, step);
      session.on_sent(now, bytes.size());
      std::span<const std::uint8_t> rest(bytes);
      const std::size_t skip = std::min(rest.size(), handshake_left);
      handshake_left -= skip;
      reader.add(rest.subspan(skip));
    }
    std::vector<Message> messages;
    while (true) {
      auto message = reader.next();
      EXPECT_TRUE(message);
      if (!message || !*message) break;
      messages.push_back(std::move(**message));
    }
    return messages;
  }
  void handshake() {
    Bytes bytes(1 + 2 * kHandshakeSize);
    bytes[0] = kVersion;
    session.on_bytes(now, bytes);
  }
  void say(MessageType type, std::uint32_t stream, const Bytes& body) {
    std::string out;
    append_message(out, {3, type, stream, 0, 0}, body, kDefaultChunkSize);
    session.on_bytes(now, {reinterpret_cast<const std::uint8_t*>(out.data()), out.size()});
  }
  void command(const Bytes& body, std::uint32_t stream = 0) { say(MessageType::command_amf0, stream, body); }
  void connect(const std::string& app = "live") {
    handshake();
    command(Amf0Writer().string("connect").number(1).object().key("app").string(app).end().take());
  }
  void play(const std::string& name = "news") {
    command(Amf0Writer().string("createStream").number(2).null().take());
    command(Amf0Writer().string("play").number(0).null().string(name).take(), 1);
  }
  void publish(const std::string& name, bool fmle = true) {
    if (fmle) {
      command(Amf0Writer().string("releaseStream").number(2).null().string(name).take());
      command(Amf0Writer().string("FCPublish").number(3).null().string(name).take());
    }
    command(Amf0Writer().string("createStream").number(4).null().take());
    command(Amf0Writer().string("publish").number(5).null().string(name).string("live").take(), 1);
  }
  // A message of media, with its time, in chunks of 128 bytes.
  void media(MessageType type, std::uint32_t time, const Bytes& body, std::uint32_t stream = 1) {
    std::string out;
    append_message(out, {6, type, stream, time, 0}, body, kDefaultChunkSize);
    session.on_bytes(now, {reinterpret_cast<const std::uint8_t*>(out.data()), out.size()});
  }
  void pass(std::chrono::milliseconds time) {
    now += time;
    session.on_timer(now);
  }

  Clock::time_point now{};
  Session session;
  ChunkReader reader;
  std::size_t handshake_left = 1 + 2 * kHandshakeSize;
};

inline std::vector<Message> of_type(const std::vector<Message>& messages, MessageType type) {
  std::vector<Message> out;
  for (const Message& m : messages) {
    if (m.type == static_cast<std::uint8_t>(type)) out.push_back(m);
  }
  return out;
}

// "onStatus NetStream.Play.Start", "_result", … of the commands among them.
inline std::vector<std::string> commands_of(const std::vector<Message>& messages) {
  std::vector<std::string> out;
  for (const Message& m : of_type(messages, MessageType::command_amf0)) {
    const auto values = parse_amf0(m.body);
    EXPECT_TRUE(values);
    std::string name = (*values)[0].text;
    for (const Amf0Value& value : *values) {
      if (!value.text_of("code").empty()) name += " " + std::string(value.text_of("code"));
    }
    out.push_back(name);
  }
  return out;
}

}  // namespace headgate::bridge::rtmp

#include "dataplane/bridge/rtmp/client.h"

#include <algorithm>
#include <cmath>

#include "dataplane/bridge/net/text.h"
#include "dataplane/bridge/rtmp/bytes.h"

namespace headgate::bridge::rtmp {
namespace {

constexpr double kConnect = 1, kReleaseStream = 2, kFcPublish = 3, kCreateStream = 4, kStart = 5;
constexpr std::size_t kLongestText = 300;
constexpr std::uint32_t kBufferMs = 3'000;
constexpr std::chrono::minutes kMinute{1};

// The information object of a status, a result or an error: the first argument that has a code.
const Amf0Value* information(const Command& command) {
  for (const Amf0Value& value : command.arguments) {
    if (!value.text_of("code").empty()) return &value;
  }
  return command.object.text_of("code").empty() ? nullptr : &command.object;
}

std::string said(const Amf0Value* object) {
  if (object == nullptr) return "without a reason";
  const std::string code = net::printable(object->text_of("code"), kLongestText);
  const std::string description = net::printable(object->text_of("description"), kLongestText);
  return description.empty() ? code : code + ": " + description;
}

std::span<const std::uint8_t> as_bytes(const HandshakePacket& packet) { return packet; }

}  // namespace

Client::Client(ClientHost& host, const Url& url, Purpose purpose, Clock::time_point now,
               std::uint64_t filling, const ClientLimits& limits)
    : host_(host),
      url_(url),
      purpose_(purpose),
      limits_(limits),
      reader_(limits.chunks),
      player_(limits.player),
      deadline_(now + limits.answer_time),
      last_media_(now),
      minute_(now),
      filling_(filling) {
  if (purpose == Purpose::publish) player_.set_publishing();
  c1_ = make_c1(filling);
  std::string out(1, static_cast<char>(kVersion));
  for (const std::uint8_t byte : as_bytes(c1_)) out += static_cast<char>(byte);
  player_.send_raw(out);
}

void Client::step(Clock::time_point now, Phase next) {
  phase_ = next;
  deadline_ = now + limits_.answer_time;
}

void Client::end(std::string error) {
  if (phase_ == Phase::over) return;
  player_.stop();
  phase_ = Phase::over;
  error_ = without_secrets(std::move(error), url_);
}

void Client::on_bytes(Clock::time_point now, std::span<const std::uint8_t> bytes) {
  if (phase_ == Phase::over) return;
  if (phase_ == Phase::handshake) {
    bytes = on_handshake(bytes);
    if (phase_ == Phase::over || held_.size() < 1 + 2 * kHandshakeSize) return;
    std::vector<std::uint8_t>().swap(held_);
    step(now, Phase::connect);
    send_connect();
  }
  reader_.add(bytes);
  while (phase_ != Phase::over) {
    const auto message = reader_.next();
    if (!message) return end(std::string("the server breaks the protocol: ") + to_string(message.error()));
    if (!*message) break;
    if (too_many_messages(now)) return end("the server sends more messages than anybody plays");
    on_message(now, **message);
    if (player_.too_much()) return end("the server does not take our answers");
  }
  acknowledge();
}

bool Client::too_many_messages(Clock::time_point now) {
  if (now - minute_ >= kMinute) {
    minute_ = now;
    messages_ = 0;
  }
  return ++messages_ > limits_.messages;
}

// C2 answers S1; S2 is not checked: servers fill it as they like.
std::span<const std::uint8_t> Client::on_handshake(std::span<const std::uint8_t> bytes) {
  const std::size_t used = std::min(bytes.size(), 1 + 2 * kHandshakeSize - held_.size());
  held_.insert(held_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(used));
  if (!held_.empty() && held_[0] != kVersion) {
    end("the server does not speak RTMP");
    return {};
  }
  if (held_.size() == 1 + 2 * kHandshakeSize) {
    const std::span<const std::uint8_t, kHandshakeSize> s1(held_.data() + 1, kHandshakeSize);
    const HandshakePacket c2 = make_c2(s1, filling_);
    player_.send_raw({reinterpret_cast<const char*>(c2.data()), c2.size()});
  }
  return bytes.subspan(used);
}

void Client::command(const Amf0Writer& writer, std::uint32_t stream) {
  player_.send(MessageType::command_amf0, stream, writer.bytes());
}

void Client::send_connect() {
  const bool publish = purpose_ == Purpose::publish;
  Amf0Writer writer;
  writer.string("connect").number(kConnect).object();
  writer.key("app").string(url_.app);
  if (publish) writer.key("type").string("nonprivate");
  writer.key("flashVer").string(publish ? "FMLE/3.0 (compatible; Headgate)" : "LNX 9,0,124,2");
  writer.key("tcUrl").string(url_.tc_url);
  if (!publish) {
    writer.key("fpad").boolean(false).key("capabilities").number(15).key("audioCodecs").number(0x0FFF);
    writer.key("videoCodecs").number(0xFC).key("videoFunction").number(1);
  }
  writer.key("fourCcList").strict_array(3).string("hvc1").string("ac-3").string("ec-3").end();
  player_.announce_chunk_size();
  command(writer);
}

void Client::create_stream() {
  player_.send(MessageType::window_acknowledgement_size, 0, four_bytes(limits_.window));
  if (purpose_ == Purpose::publish) {
    command(Amf0Writer().string("releaseStream").number(kReleaseStream).null().string(url_.stream));
    command(Amf0Writer().string("FCPublish").number(kFcPublish).null().string(url_.stream));
  }
  command(Amf0Writer().string("createStream").number(kCreateStream).null());
}

void Client::start_stream(double id) {
  if (!std::isfinite(id) || id < 1 || id > 0xFFFF) return end("the server made no stream");
  stream_ = static_cast<std::uint32_t>(id);
  if (purpose_ == Purpose::publish) {
    return command(Amf0Writer().string("publish").number(kStart).null().string(url_.stream).string("live"),
                   stream_);
  }
  command(Amf0Writer().string("play").number(kStart).null().string(url_.stream).number(-2000), stream_);
  auto buffer = user_control(UserControl::set_buffer_length, stream_);
  const auto length = four_bytes(kBufferMs);
  buffer.insert(buffer.end(), length.begin(), length.end());
  player_.send(MessageType::user_control, 0, buffer);
}

void Client::leave() {
  if (phase_ == Phase::started && purpose_ == Purpose::publish)
    command(Amf0Writer().string("FCUnpublish").number(0).null().string(url_.stream));
  if (stream_ != 0) command(Amf0Writer().string("deleteStream").number(0).null().number(stream_));
  player_.stop();
}

void Client::on_closed() {
  const bool publish = purpose_ == Purpose::publish;
  switch (phase_) {
    case Phase::handshake:
      return end("the server closed the connection at RTMP's handshake");
    case Phase::connect:
      return end("the server closed the connection instead of answering connect: is the application right?");
    case Phase::create:
    case Phase::start:
      return end(std::string("the server closed the connection instead of answering ") +
                 (publish ? "publish" : "play") + ": is the stream name right?");
    default:
      return end("the server closed the connection");
  }
}

void Client::acknowledge() {
  const std::uint32_t window = window_ == 0 ? limits_.window : window_;
  if (phase_ == Phase::over || reader_.received() - acknowledged_ < window) return;
  acknowledged_ = reader_.received();
  player_.send(MessageType::acknowledgement, 0, four_bytes(static_cast<std::uint32_t>(acknowledged_)));
}

void Client::on_message(Clock::time_point now, const Message& message) {
  switch (static_cast<MessageType>(message.type)) {
    case MessageType::user_control: {
      if (message.body.size() < 6) return;
      const std::uint32_t event = read16(message.body);
      const std::uint32_t value = read32(std::span(message.body).subspan(2));
      if (event == static_cast<unsigned>(UserControl::ping_request))
        player_.send(MessageType::user_control, 0, user_control(UserControl::ping_response, value));
      const bool ended = event == static_cast<unsigned>(UserControl::stream_eof) && value == stream_;
      if (ended && purpose_ == Purpose::play && phase_ == Phase::started) end("the server ended the stream");
      return;
    }
    case MessageType::window_acknowledgement_size:
      if (message.body.size() >= 4) window_ = read32(message.body);
      return;
    case MessageType::set_peer_bandwidth:
      return player_.send(MessageType::window_acknowledgement_size, 0, four_bytes(limits_.window));
    case MessageType::command_amf0:
    case MessageType::command_amf3: {
      const bool amf3 = static_cast<MessageType>(message.type) == MessageType::command_amf3;
      if (const auto command = parse_command(message.body, amf3)) on_command(now, *command);
      return;
    }
    case MessageType::audio:
    case MessageType::video:
    case MessageType::data_amf0:
    case MessageType::data_amf3:
    case MessageType::aggregate:
      if (purpose_ != Purpose::play || phase_ < Phase::start) return;
      if (phase_ == Phase::start) {
        step(now, Phase::started);
        host_.on_started();
      }
      last_media_ = now;
      messages_ += host_.on_media(message) - 1;
      return;
    default:
      return;
  }
}

void Client::on_command(Clock::time_point now, const Command& command) {
  if (command.name == "_result" || command.name == "_error") return on_result(now, command);
  if (command.name == "onStatus") return on_status(now, command);
  if (command.name == "close") return end("the server closed the stream");
}

void Client::on_result(Clock::time_point now, const Command& command) {
  const bool good = command.name == "_result";
  if (command.transaction == kConnect && phase_ == Phase::connect) {
    const Amf0Value* info = information(command);
    const bool refused = info != nullptr && info->text_of("code") != "NetConnection.Connect.Success";
    if (!good || refused) return end("the server refused: " + said(info));
    for (const Amf0Value* object : {static_cast<const Amf0Value*>(&command.object), info}) {
      const Codecs listed = object == nullptr ? Codecs{} : codecs_of(*object);
      if (listed.listed) codecs_ = listed;
    }
    step(now, Phase::create);
    return create_stream();
  }
  if (command.transaction == kCreateStream && phase_ == Phase::create) {
    if (!good) return end("the server made no stream: " + said(information(command)));
    step(now, Phase::start);
    return start_stream(command.number(0));
  }
  // Of releaseStream and FCPublish many servers know nothing.
  if (!good && command.transaction == kStart && phase_ == Phase::start)
    return end("the server refused: " + said(information(command)));
}

void Client::on_status(Clock::time_point now, const Command& command) {
  const Amf0Value* info = information(command);
  if (info == nullptr) return;
  const std::string_view code = info->text_of("code");
  if (info->text_of("level") == "error") return end("the server refused: " + said(info));
  const bool starts =
      purpose_ == Purpose::publish ? code == "NetStream.Publish.Start" : code == "NetStream.Play.Start";
  if (starts && phase_ == Phase::start) {
    step(now, Phase::started);
    last_media_ = now;
    return host_.on_started();
  }
  constexpr std::string_view kEnds[] = {
      "NetStream.Play.UnpublishNotify", "NetStream.Play.Stop",
      "NetStream.Play.Complete",        "NetStream.Publish.BadName",
      "NetStream.Play.StreamNotFound",  "NetStream.Play.Failed",
      "NetConnection.Connect.Closed",   "NetConnection.Connect.Rejected",
      "NetStream.Unpublish.Success",    "NetConnection.Connect.ReconnectRequest"};
  if (std::find(std::begin(kEnds), std::end(kEnds), code) != std::end(kEnds))
    end("the server ended the stream: " + said(info));
}

void Client::on_sent(Clock::time_point, std::size_t bytes) {
  if (bytes == 0) return;
  blocked_since_.reset();
  player_.on_sent(bytes);
}

void Client::on_blocked(Clock::time_point now) {
  if (!blocked_since_) blocked_since_ = now;
}

Client::Clock::time_point Client::next_deadline() const {
  Clock::time_point next = Clock::time_point::max();
  if (phase_ < Phase::started) next = deadline_;
  if (phase_ == Phase::started && purpose_ == Purpose::play) next = last_media_ + limits_.media_time;
  if (blocked_since_) next = std::min(next, *blocked_since_ + limits_.progress_time);
  return next;
}

void Client::on_timer(Clock::time_point now) {
  if (phase_ == Phase::over || now < next_deadline()) return;
  if (blocked_since_ && now >= *blocked_since_ + limits_.progress_time)
    return end("the server took nothing for too long");
  if (phase_ == Phase::started) return end("nothing came from the server for too long");
  switch (phase_) {
    case Phase::handshake:
      return end("the server did not answer RTMP's handshake in time");
    case Phase::connect:
      return end("the server did not answer connect in time");
    case Phase::create:
      return end("the server did not answer createStream in time");
    default:
      return end(purpose_ == Purpose::publish ? "the server did not answer publish in time"
                                              : "the server did not answer play in time");
  }
}

}  // namespace headgate::bridge::rtmp

#include "dataplane/bridge/rtmp/session.h"

#include <algorithm>

#include "dataplane/bridge/net/text.h"
#include "dataplane/bridge/rtmp/bytes.h"

namespace headgate::bridge::rtmp {
namespace {

constexpr std::string_view kApplication = "live";
constexpr std::size_t kLongestName = 200;  // of a stream in a sentence
constexpr std::chrono::minutes kMinute{1};

// Commands of encoders and old players that want an answer and nothing else.
bool is_courtesy(std::string_view name) {
  constexpr std::string_view kNames[] = {"releaseStream",  "FCPublish",    "_checkbw",
                                         "checkBandwidth", "set_playlist", "setBufferTime"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

}  // namespace

Session::Session(SessionHost& host, Clock::time_point now, std::uint64_t filling, const SessionLimits& limits)
    : host_(host),
      limits_(limits),
      started_(now),
      handshake_(filling),
      reader_(limits.chunks),
      player_(limits.player),
      deadline_(now + limits.handshake_time),
      next_ping_(now + limits.ping_time),
      minute_(now),
      last_media_(now) {}

void Session::on_closed() {
  ChannelStream* channel = player_.channel();
  player_.stop();
  phase_ = Phase::over;
  if (channel != nullptr) host_.leave(*channel);
  stop_publishing(last_media_, "the encoder closed the connection without a word");
}

void Session::on_bytes(Clock::time_point now, std::span<const std::uint8_t> bytes) {
  if (phase_ == Phase::over || phase_ == Phase::ending) return;
  if (phase_ == Phase::handshake) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - started_).count();
    std::string answer;
    const std::size_t used = handshake_.on_bytes(bytes, static_cast<std::uint32_t>(ms), answer);
    player_.send_raw(answer);
    if (handshake_.state() == ServerHandshake::State::refused)
      return fail(Refusal::not_rtmp, "the first byte is not that of RTMP");
    if (handshake_.state() != ServerHandshake::State::done) return;
    bytes = bytes.subspan(used);
    phase_ = Phase::connect;
    deadline_ = now + limits_.connect_time;
  }
  if (publication_) count_media(now, bytes.size());
  reader_.add(bytes);
  while (phase_ != Phase::over && phase_ != Phase::ending) {
    const auto message = reader_.next();
    if (!message) return fail(Refusal::malformed, to_string(message.error()));
    if (!*message) break;
    if (!count_message(now, (*message)->type))
      return fail(Refusal::too_many_commands, "more messages a minute than taken");
    on_message(now, **message);
    if (player_.too_much()) return fail(Refusal::slow_client, "answers are not taken");
  }
  acknowledge();
}

bool Session::count_message(Clock::time_point now, std::uint8_t type) {
  if (now - minute_ >= kMinute) {
    minute_ = now;
    messages_ = media_ = 0;
  }
  // What belongs to a stream of media; acknowledgements of what we send come as often as that is much.
  const bool media = type >= static_cast<std::uint8_t>(MessageType::audio) &&
                     type != static_cast<std::uint8_t>(MessageType::command_amf0) &&
                     type != static_cast<std::uint8_t>(MessageType::command_amf3);
  if (publication_ && media) return ++media_ <= limits_.media;
  return ++messages_ <= limits_.commands;
}

// 5.4.3: at the latest each window; of a client that named none, ours. Some encoders stop sending without.
void Session::acknowledge() {
  const std::uint32_t window = window_ == 0 ? limits_.window : window_;
  if (reader_.received() - acknowledged_ < window) return;
  acknowledged_ = reader_.received();
  player_.send(MessageType::acknowledgement, 0, four_bytes(static_cast<std::uint32_t>(acknowledged_)));
}

void Session::on_message(Clock::time_point now, const Message& message) {
  switch (static_cast<MessageType>(message.type)) {
    case MessageType::user_control:
      return on_user_control(message);
    case MessageType::window_acknowledgement_size:
      if (message.body.size() >= 4) window_ = read32(message.body);
      return;
    case MessageType::set_peer_bandwidth:  // 5.4.5: answered with the window that now holds
      player_.send(MessageType::window_acknowledgement_size, 0, four_bytes(limits_.window));
      return;
    case MessageType::command_amf0:
    case MessageType::command_amf3: {
      const bool amf3 = static_cast<MessageType>(message.type) == MessageType::command_amf3;
      const auto command = parse_command(message.body, amf3);
      if (!command) return fail(Refusal::malformed, "a command is not AMF0");
      return on_command(now, *command, message.stream);
    }
    case MessageType::audio:
    case MessageType::video:
    case MessageType::data_amf0:
    case MessageType::data_amf3:
    case MessageType::aggregate:
      return on_media(now, message);
    default:
      return;  // what only servers send
  }
}

void Session::on_media(Clock::time_point now, const Message& message) {
  if (!publication_ || message.stream != publish_stream_) return;  // of a client that does not publish
  last_media_ = now;
  // Each tag of an aggregate counts like a message of its own.
  media_ += publication_->on_message(message) - 1;
}

void Session::on_user_control(const Message& message) {
  if (message.body.size() < 6) return;
  const std::uint32_t event = read16(message.body);
  if (event != static_cast<unsigned>(UserControl::ping_request)) return;
  const std::uint32_t value = read32(std::span(message.body).subspan(2));
  player_.send(MessageType::user_control, 0, user_control(UserControl::ping_response, value));
}

void Session::on_command(Clock::time_point now, const Command& command, std::uint32_t stream) {
  if (phase_ == Phase::connect) {
    if (command.name == "connect") return on_connect(now, command);
    return fail(Refusal::malformed, "a command before connect");
  }
  if (command.name == "createStream") return on_create_stream(command);
  if (command.name == "deleteStream" || command.name == "closeStream") {
    const double id = command.name == "deleteStream" ? command.number(0) : stream;
    if (player_.channel() != nullptr && id == player_.stream()) stop_playing(now);
    if (publication_ && id == publish_stream_) stop_publishing(now, "");
    return;
  }
  if (command.name == "FCUnpublish") return on_unpublish(now, command, stream);
  if (command.name == "FCPublish") fc_publish_ = true;
  if (command.name == "getStreamLength") return reply(result(command.transaction, 0));
  if (command.name == "FCSubscribe") {
    if (command.transaction > 0) reply(result(command.transaction));
    return reply(on_fc_subscribe(net::printable(command.text(0), kLongestName)));
  }
  if (is_courtesy(command.name)) {
    if (command.transaction > 0) reply(result(command.transaction));
    return;
  }
  on_stream_command(now, command, stream);
}

void Session::on_stream_command(Clock::time_point now, const Command& command, std::uint32_t stream) {
  if (command.name == "play") return on_play(now, command, command.text(0), stream);
  if (command.name == "play2") {
    const bool has = !command.arguments.empty();
    return on_play(now, command, has ? command.arguments[0].text_of("streamName") : std::string_view(),
                   stream);
  }
  if (command.name == "publish") return on_publish(now, command, stream);
  if (command.name == "pause" || command.name == "pauseRaw") return on_pause(command, stream);
  if (command.name == "receiveAudio") return player_.receive_audio(command.flag(0));
  if (command.name == "receiveVideo") return player_.receive_video(command.flag(0));
  if (command.name == "seek") {
    return reply(on_status("error", "NetStream.Seek.Failed", "A live channel has no place to seek to."),
                 stream);
  }
  if (command.transaction > 0) reply(call_error(command.transaction, "There is no such command here."));
}

void Session::on_connect(Clock::time_point now, const Command& command) {
  const ConnectRequest request = read_connect(command);
  player_.set_codecs(request.codecs);
  player_.send(MessageType::window_acknowledgement_size, 0, four_bytes(limits_.window));
  auto bandwidth = four_bytes(limits_.window);
  bandwidth.push_back(2);  // 5.4.5: dynamic
  player_.send(MessageType::set_peer_bandwidth, 0, bandwidth);
  player_.announce_chunk_size();
  if (request.app != kApplication) {
    const std::string detail =
        "There is no application \"" + net::printable(request.app, kLongestName) +
        "\" here: play rtmp://HOST/live/CHANNEL, or publish to rtmp://HOST/live with the stream key " +
        "CHANNEL?key=SECRET.";
    reply(connect_error(command.transaction, "NetConnection.Connect.InvalidApp", detail));
    return refuse(now, Refusal::unknown_application, detail);
  }
  key_ = request.key;
  agent_ = net::printable(request.agent, hub::kLongestUserAgent);
  reply(connect_result(command.transaction, request.codecs.listed));
  phase_ = Phase::ready;
  deadline_ = now + limits_.play_time;
}

void Session::on_create_stream(const Command& command) {
  if (streams_ >= limits_.streams)
    return reply(call_error(command.transaction, "There are too many streams on this connection."));
  reply(result(command.transaction, ++streams_));
}

void Session::on_play(Clock::time_point now, const Command& command, std::string_view name,
                      std::uint32_t stream) {
  if (stream == 0 || stream > streams_) {
    return reply(call_error(command.transaction, "play is for a stream that createStream made."));
  }
  const std::string_view channel = channel_of(name);
  if (publication_) {
    return reply(call_error(command.transaction, "This connection publishes: open another one to play."));
  }
  if (player_.channel() != nullptr) stop_playing(now);
  const auto found = host_.open(channel);
  if (!found) {
    const std::string detail =
        found.error() == Refusal::too_many_guesses
            ? std::string("Too many channels were asked for that are not there: try again in a minute.")
            : "There is no channel \"" + net::printable(channel, kLongestName) + "\" for RTMP here.";
    reply(on_status("error", "NetStream.Play.StreamNotFound", detail, net::printable(channel, kLongestName)),
          stream);
    return refuse(now, found.error(), detail);
  }
  start_playing(now, **found, stream);
}

void Session::start_playing(Clock::time_point now, ChannelStream& channel, std::uint32_t stream) {
  player_.begin(channel, stream);
  player_.send(MessageType::user_control, 0, user_control(UserControl::stream_begin, stream));
  const std::string& id = channel.id();
  reply(on_status("status", "NetStream.Play.Reset", "Playing and resetting " + id + ".", id), stream);
  reply(on_status("status", "NetStream.Play.Start", "Started playing " + id + ".", id), stream);
  player_.send(MessageType::data_amf0, stream, sample_access());
  phase_ = Phase::playing;
  begin_media();
  next_ping_ = now + limits_.ping_time;
}

void Session::stop_playing(Clock::time_point now) {
  ChannelStream* channel = player_.channel();
  player_.stop();
  host_.leave(*channel);
  if (phase_ != Phase::playing) return;
  phase_ = Phase::ready;
  deadline_ = now + limits_.play_time;
}

void Session::on_publish(Clock::time_point now, const Command& command, std::uint32_t stream) {
  if (stream == 0 || stream > streams_) {
    return reply(call_error(command.transaction, "publish is for a stream that createStream made."));
  }
  if (publication_ || player_.channel() != nullptr) {
    return reply(
        call_error(command.transaction, "This connection has its stream: open another one to publish."));
  }
  const std::string_view channel = channel_of(command.text(0));
  std::string_view key = query_value(command.text(0), "key");
  if (key.empty()) key = key_;
  const auto entry = host_.publish(channel, key);
  if (!entry) return refuse_publisher(now, entry.error(), channel, stream);
  publication_.emplace(**entry);
  publish_stream_ = stream;
  phase_ = Phase::publishing;
  begin_media();
  last_media_ = now;
  next_ping_ = now + limits_.ping_time;
  reader_.set_limits(limits_.publisher_chunks);
  player_.send(MessageType::user_control, 0, user_control(UserControl::stream_begin, stream));
  const std::string id = net::printable(channel, kLongestName);
  if (fc_publish_) reply(on_fc("onFCPublish", "NetStream.Publish.Start", id));
  reply(on_status("status", "NetStream.Publish.Start", id + " is now published.", id), stream);
}

void Session::refuse_publisher(Clock::time_point now, Refusal reason, std::string_view channel,
                               std::uint32_t stream) {
  const std::string id = "\"" + net::printable(channel, kLongestName) + "\"";
  std::string detail;
  switch (reason) {
    case Refusal::not_publishable:
      detail = "Channel " + id + " takes no publisher: its inputs in the map have no publish.";
      break;
    case Refusal::wrong_key:
      detail = "The key for channel " + id + " is missing or wrong: the stream key is CHANNEL?key=SECRET.";
      break;
    case Refusal::place_taken:
      detail = "Another encoder publishes to channel " + id + ".";
      break;
    case Refusal::too_many_guesses:
      detail = "Too many wrong channels or keys came from this address: try again in a minute.";
      break;
    default:
      detail = "There is no channel " + id + " to publish to.";
  }
  reply(on_status("error", "NetStream.Publish.BadName", detail), stream);
  refuse(now, reason, detail);
}

void Session::stop_publishing(Clock::time_point now, const std::string& error) {
  if (!publication_) return;
  ingest::Entry& entry = publication_->entry();
  publication_->finish();
  publication_.reset();
  reader_.set_limits(limits_.chunks);
  host_.unpublish(entry, error);
  if (phase_ != Phase::publishing) return;
  phase_ = Phase::ready;
  deadline_ = now + limits_.play_time;
}

void Session::on_unpublish(Clock::time_point now, const Command& command, std::uint32_t stream) {
  if (command.transaction > 0) reply(result(command.transaction));
  if (!publication_) return;
  const std::string id = publication_->entry().channel();
  stop_publishing(now, "");
  reply(on_fc("onFCUnpublish", "NetStream.Unpublish.Success", id));
  reply(on_status("status", "NetStream.Unpublish.Success", id + " is no longer published.", id),
        stream == 0 ? publish_stream_ : stream);
}

void Session::on_entry_gone(Clock::time_point now, const std::string& why, std::optional<Refusal> refusal) {
  if (!publication_) return;
  publication_.reset();
  reply(on_status("error", "NetStream.Publish.BadName", why), publish_stream_);
  if (refusal) host_.on_refusal(*refusal);
  phase_ = Phase::ending;
  deadline_ = now + limits_.goodbye_time;
}

void Session::on_pause(const Command& command, std::uint32_t stream) {
  const bool on = command.flag(0);
  player_.pause(on);
  reply(on_status("status", on ? "NetStream.Pause.Notify" : "NetStream.Unpause.Notify",
                  on ? "Paused." : "Goes on with what is live now."),
        stream);
}

void Session::on_channel_gone(Clock::time_point now) {
  const std::uint32_t stream = player_.stream();
  const auto carriage = player_.channel() != nullptr ? player_.channel()->carriage() : nullptr;
  const std::string id = player_.channel() != nullptr ? player_.channel()->id() : std::string();
  player_.stop();
  if (phase_ != Phase::playing) return;
  if (carriage != nullptr && carriage->video != Codec::none)
    player_.send(MessageType::video, stream, sequence_end(carriage->video));
  reply(on_status("status", "NetStream.Play.UnpublishNotify", id + " is no longer served.", id), stream);
  player_.send(MessageType::user_control, 0, user_control(UserControl::stream_eof, stream));
  phase_ = Phase::ending;
  deadline_ = now + limits_.goodbye_time;
}

void Session::reply(std::span<const std::uint8_t> body, std::uint32_t stream) {
  player_.send(MessageType::command_amf0, stream, body);
}

void Session::refuse(Clock::time_point now, Refusal reason, const std::string& detail) {
  if (player_.channel() != nullptr) stop_playing(now);
  stop_publishing(now, detail);
  host_.on_refusal(reason);
  phase_ = Phase::ending;
  deadline_ = now + limits_.goodbye_time;
}

void Session::fail(Refusal reason, const std::string& detail) {
  if (player_.channel() != nullptr && reason == Refusal::slow_client)
    ++player_.channel()->counters().slow_clients;
  host_.on_refusal(reason);
  stop_publishing(last_media_, detail);
  on_closed();
}

void Session::on_sent(Clock::time_point now, std::size_t bytes) {
  if (bytes == 0) return;
  blocked_since_.reset();
  host_.on_sent(bytes);
  if (player_.channel() != nullptr) count_media(now, bytes);
  if (player_.channel() != nullptr) player_.channel()->counters().bytes += bytes;
  player_.on_sent(bytes);
}

void Session::on_blocked(Clock::time_point now) {
  if (!blocked_since_) blocked_since_ = now;
}

Session::Clock::time_point Session::next_deadline() const {
  Clock::time_point next = deadline_;
  if (phase_ == Phase::playing) next = next_ping_;
  if (phase_ == Phase::publishing) next = std::min(next_ping_, last_media_ + limits_.media_time);
  if (blocked_since_) next = std::min(next, *blocked_since_ + limits_.progress_time);
  return next;
}

void Session::on_timer(Clock::time_point now) {
  if (phase_ == Phase::over) return;
  if (blocked_since_ && now >= *blocked_since_ + limits_.progress_time)
    return fail(Refusal::slow_client, "nothing was taken in time");
  if (phase_ == Phase::publishing && now >= last_media_ + limits_.media_time)
    return fail(Refusal::silent_publisher, "the encoder sent nothing for too long");
  if (phase_ == Phase::playing || phase_ == Phase::publishing) {
    if (now < next_ping_) return;
    next_ping_ = now + limits_.ping_time;
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - started_).count();
    player_.send(MessageType::user_control, 0,
                 user_control(UserControl::ping_request, static_cast<std::uint32_t>(ms)));
    return;
  }
  if (now < deadline_) return;
  switch (phase_) {
    case Phase::handshake:
      return fail(Refusal::handshake_timeout, "the handshake took too long");
    case Phase::connect:
      return fail(Refusal::connect_timeout, "there was no connect in time");
    case Phase::ready:
      return fail(Refusal::play_timeout, "nothing was played or published for too long");
    default:
      phase_ = Phase::over;
  }
}

}  // namespace headgate::bridge::rtmp

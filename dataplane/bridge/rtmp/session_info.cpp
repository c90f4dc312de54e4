// What an operator sees of a session, and does to it.
#include "dataplane/bridge/hub/unix_time.h"
#include "dataplane/bridge/rtmp/session.h"

namespace headgate::bridge::rtmp {
namespace {

std::int64_t in_ns(Session::Clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

}  // namespace

void Session::begin_media() {
  since_unix_ns_ = hub::unix_now_ns();
  bytes_ = 0;
  rate_ = {};
}

void Session::count_media(Clock::time_point now, std::size_t bytes) {
  bytes_ += bytes;
  rate_.add(in_ns(now), bytes);
}

bool Session::describe(Clock::time_point now, hub::SessionInfo& out) const {
  if (phase_ == Phase::playing && player_.channel() != nullptr) {
    out.channel = player_.channel()->id();
    out.role = "player";
    out.state = player_.paused() ? "paused" : "playing";
    out.skipped = player_.skipped();
  } else if (phase_ == Phase::publishing && publication_) {
    out.channel = publication_->entry().channel();
    out.role = "publisher";
    out.state = "publishing";
  } else {
    return false;
  }
  out.user_agent = agent_;
  out.since_unix_ns = since_unix_ns_;
  out.bytes = bytes_;
  out.bitrate_bps = rate_.bits_per_second(in_ns(now));
  return true;
}

void Session::kick(Clock::time_point now) {
  if (phase_ == Phase::playing) {
    const std::uint32_t stream = player_.stream();
    const std::string id = player_.channel()->id();
    stop_playing(now);
    reply(on_status("status", "NetStream.Play.UnpublishNotify", id + ": " + hub::kKicked + ".", id), stream);
    player_.send(MessageType::user_control, 0, user_control(UserControl::stream_eof, stream));
  } else if (phase_ == Phase::publishing) {
    stop_publishing(now, hub::kKicked);
    reply(
        on_status("error", "NetStream.Publish.BadName", std::string("The stream was ") + hub::kKicked + "."),
        publish_stream_);
  } else {
    return;
  }
  refuse(now, Refusal::kicked, hub::kKicked);
}

}  // namespace headgate::bridge::rtmp

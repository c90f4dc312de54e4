#include "dataplane/bridge/srt/dialer.h"

#include <fmt/format.h>
#include <srt/access_control.h>

#include "dataplane/bridge/net/address.h"
#include "dataplane/bridge/srt/budget.h"

namespace headgate::bridge::srt {
namespace {

constexpr int kConnectMs = 3000;
// A connection that held for so long was a good one.
constexpr std::int64_t kGood = 5'000'000;  // us

struct FailureText {
  int reason;
  const char* text;
};
constexpr FailureText kFailureTexts[] = {
    {SRT_REJ_PEER, "the server refused"},
    {SRT_REJ_RESOURCE, "the server has no room"},
    {SRT_REJ_ROGUE, "the server's handshake is malformed"},
    {SRT_REJ_BACKLOG, "the server has too many callers waiting"},
    {SRT_REJ_CLOSE, "the server is closing"},
    {SRT_REJ_VERSION, "the server speaks another version of SRT"},
    {SRT_REJ_BADSECRET, "the passphrase is wrong"},
    {SRT_REJ_UNSECURE, "one side has a passphrase and the other has none"},
    {SRT_REJ_MESSAGEAPI, "the server is not in live mode"},
    {SRT_REJ_CONGESTION, "the server is not in live mode"},
    {SRT_REJ_TIMEOUT, "no answer"},
    {SRT_REJ_UNKNOWN, "no answer"},
    {SRT_REJX_BAD_REQUEST, "the server does not understand the stream id"},
    {SRT_REJX_UNAUTHORIZED, "the key in the stream id is wrong"},
    {SRT_REJX_OVERLOAD, "the server is full"},
    {SRT_REJX_FORBIDDEN, "the server forbids it"},
    {SRT_REJX_NOTFOUND, "the server does not know the stream of this id"},
    {SRT_REJX_BAD_MODE, "the server does not take this mode (m=) for the stream"},
    {SRT_REJX_UNACCEPTABLE, "the server can't do what the stream id asks for"},
    {SRT_REJX_CONFLICT, "another caller has the stream"},
    {SRT_REJX_NOTSUP_MEDIA, "the server does not take this media type (t=)"},
    {SRT_REJX_LOCKED, "the stream is locked"},
};

}  // namespace

std::string reject_text(int reason) {
  const char* known = nullptr;
  for (const FailureText& text : kFailureTexts) {
    if (text.reason == reason) known = text.text;
  }
  if (known != nullptr && (reason == SRT_REJ_TIMEOUT || reason == SRT_REJ_UNKNOWN)) return known;
  if (known != nullptr) return fmt::format("{} ({})", known, reason);
  if (reason >= SRT_REJC_PREDEFINED) return fmt::format("the server refused with code {}", reason);
  return fmt::format("{} ({})", srt_rejectreason_str(reason), reason);
}

bool Dialer::on_time(std::int64_t now_us) {
  switch (state_) {
    case State::waiting:
      return now_us >= next_try_ && begin(now_us);
    case State::resolving:
      return resolved(now_us);
    case State::connecting:
      return look(now_us);
    case State::connected:
      break;
  }
  return false;
}

bool Dialer::begin(std::int64_t now_us) {
  const auto place = parse_host_port(target_.address);
  if (!place) return failed(place.error(), now_us);
  if (place->host.empty()) return failed("address \"" + target_.address + "\": the host is missing", now_us);
  if (const auto endpoint = numeric_endpoint(place->host, place->port)) return connect(*endpoint, now_us);
  question_ = resolver_.ask(place->host, place->port);
  state_ = State::resolving;
  return true;
}

bool Dialer::resolved(std::int64_t now_us) {
  const auto answer = question_->answer();
  if (!answer) return false;
  question_.reset();
  if (!*answer) return failed(answer->error(), now_us);
  return connect((**answer)[tries_++ % (*answer)->size()], now_us);
}

bool Dialer::set_up(SRTSOCKET socket) const {
  const int latency = static_cast<int>(target_.latency_ms);
  const ReceiveRoom room = target_.sends ? kNoReceiving : receive_room(target_.latency_ms);
  struct Option {
    SRT_SOCKOPT name;
    int value;
  };
  for (const Option& option :
       {Option{SRTO_RCVSYN, 0}, Option{SRTO_SNDSYN, 0}, Option{SRTO_TRANSTYPE, SRTT_LIVE},
        Option{SRTO_PAYLOADSIZE, kMessageBytes}, Option{SRTO_FC, room.packets},
        Option{SRTO_RCVBUF, room.bytes}, Option{SRTO_SNDBUF, kSendCeiling},
        Option{SRTO_UDP_SNDBUF, kUdpBuffer}, Option{SRTO_UDP_RCVBUF, kUdpBuffer},
        Option{SRTO_CONNTIMEO, kConnectMs}, Option{SRTO_SNDDROPDELAY, -1},  // as the listener's
        Option{target_.sends ? SRTO_PEERLATENCY : SRTO_RCVLATENCY, latency}}) {
    if (srt_setsockflag(socket, option.name, &option.value, sizeof option.value) == SRT_ERROR) return false;
  }
  const bool enforced = true;
  const auto text = [&](SRT_SOCKOPT name, const std::string& value) {
    return value.empty() ||
           srt_setsockflag(socket, name, value.data(), static_cast<int>(value.size())) != SRT_ERROR;
  };
  return srt_setsockflag(socket, SRTO_ENFORCEDENCRYPTION, &enforced, sizeof enforced) != SRT_ERROR &&
         text(SRTO_PASSPHRASE, target_.passphrase) && text(SRTO_STREAMID, target_.stream_id);
}

bool Dialer::connect(const Endpoint& to, std::int64_t now_us) {
  peer_ = net::address_text(to.get());
  socket_ = srt_create_socket();
  if (socket_ == SRT_INVALID_SOCK || !set_up(socket_))
    return failed(fmt::format("can't set up a socket: {}", srt_getlasterror_str()), now_us);
  if (auto bound = bind_udp(socket_, any_endpoint(to.family()), false); !bound)
    return failed(bound.error(), now_us);
  if (srt_connect(socket_, to.get(), to.length) == SRT_ERROR)
    return failed(fmt::format("can't call {}: {}", peer_, srt_getlasterror_str()), now_us);
  state_ = State::connecting;
  return true;
}

bool Dialer::look(std::int64_t now_us) {
  const SRT_SOCKSTATUS status = srt_getsockstate(socket_);
  if (status == SRTS_CONNECTED) {
    state_ = State::connected;
    connected_at_ = now_us;
    error_.clear();
    return true;
  }
  if (status <= SRTS_CONNECTING) return false;
  return failed(fmt::format("{}: {}", peer_, reject_text(srt_getrejectreason(socket_))), now_us);
}

void Dialer::lost(std::string why, std::int64_t now_us) {
  if (now_us - connected_at_ >= kGood) pauses_.reset();
  failed(std::move(why), now_us);
}

bool Dialer::failed(std::string why, std::int64_t now_us) {
  close();
  question_.reset();
  state_ = State::waiting;
  error_ = std::move(why);
  next_try_ = now_us + std::chrono::microseconds(pauses_.next()).count();
  return true;
}

void Dialer::close() {
  if (socket_ != SRT_INVALID_SOCK) srt_close(socket_);
  socket_ = SRT_INVALID_SOCK;
}

}  // namespace headgate::bridge::srt

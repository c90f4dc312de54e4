// Inputs that call, and inputs with a port of their own.
#include <fmt/format.h>
#include <srt/access_control.h>

#include <algorithm>

#include "dataplane/bridge/net/address.h"
#include "dataplane/bridge/srt/budget.h"
#include "dataplane/bridge/srt/endpoint.h"
#include "dataplane/bridge/srt/intake_parts.h"

namespace headgate::bridge::srt {

void Intake::step(Call& call, std::int64_t now_us) {
  if (!call.dialer.on_time(now_us)) return;
  switch (call.dialer.state()) {
    case Dialer::State::waiting:
      tell(Failed{call.input, call.dialer.error()});
      break;
    case Dialer::State::resolving:
    case Dialer::State::connecting:
      tell(Trying{call.input});
      break;
    case Dialer::State::connected: {
      Connection& connection = open(call.dialer.socket(), call.input, call.dialer.peer());
      connection.owns_socket = false;
      call.connection = connection.id;
      tell(Connected{connection.id, call.input, "", connection.stats.address});
      break;
    }
  }
}

int Intake::PortDoor::on_caller(SRTSOCKET socket, const sockaddr* peer, const char* stream_id) {
  const std::int64_t now = srt_time_now();
  const std::lock_guard lock(shared_->mutex);
  const bool taken = shared_->heard_us != 0 && now - shared_->heard_us < Gate::kSilence;
  const bool crowd = shared_->let_in.size() >= kMostAtOnce;
  if (taken || crowd) {
    const Refusal refusal = taken ? Refusal::conflict : Refusal::overload;
    srt_setrejectreason(socket, reject_code(refusal));
    gate_->refuse(refusal, net::address_text(peer), stream_id);
    return -1;
  }
  shared_->let_in.push_back({socket, net::address_text(peer), now});
  return 0;
}

void Intake::step(Port& port, std::int64_t now_us) {
  if (port.listener || now_us < port.next_try_us) return;
  Listener::Options options;
  options.receive_packets = receive_room(port.target.latency_ms).packets;
  options.latency_ms = static_cast<int>(port.target.latency_ms);
  options.passphrase = port.target.passphrase;
  auto opened = Listener::open(port.target.address, options, std::make_unique<PortDoor>(port.door, gate_));
  if (!opened) {
    port.next_try_us = now_us + std::chrono::microseconds(port.pauses.next()).count();
    tell(Failed{port.input, opened.error()});
    return;
  }
  port.pauses.reset();
  port.listener = std::move(*opened);
  const int watched = SRT_EPOLL_IN;
  const SRTSOCKET socket = port.listener->socket();
  srt_epoll_add_usock(epoll_, socket, &watched);
  say_("", "listening", fmt::format("an input listens on {}", port.target.address));
  tell(Listening{port.input});
}

void Intake::accept_from(Port& port, std::int64_t now_us) {
  while (true) {
    sockaddr_storage peer{};
    int length = sizeof peer;
    const SRTSOCKET socket = srt_accept(port.listener->socket(), reinterpret_cast<sockaddr*>(&peer), &length);
    if (socket == SRT_INVALID_SOCK) return;
    bool taken = false;
    {
      const std::lock_guard lock(port.door->mutex);
      std::erase_if(port.door->let_in, [&](const PortDoor::Knock& knock) { return knock.socket == socket; });
      taken = port.door->heard_us != 0 && now_us - port.door->heard_us < Gate::kSilence;
    }
    // Two that came at once: the first has it.
    if (taken) {
      srt_close(socket);
      continue;
    }
    end(port.connection, "another caller took its place", "another caller took its place");
    const std::string address = net::address_text(reinterpret_cast<const sockaddr*>(&peer));
    Connection& connection = open(socket, port.input, address);
    port.connection = connection.id;
    {
      const std::lock_guard lock(port.door->mutex);
      port.door->heard_us = now_us;
    }
    tell(Connected{connection.id, port.input, "", address});
  }
}

}  // namespace headgate::bridge::srt

#include "dataplane/bridge/srt/listener.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include "dataplane/bridge/net/listen_address.h"
#include "dataplane/bridge/srt/budget.h"
#include "dataplane/bridge/srt/endpoint.h"

namespace headgate::bridge::srt {
namespace {

constexpr int kBacklog = 128;

}  // namespace

tl::expected<std::shared_ptr<Listener>, std::string> Listener::open(const std::string& address,
                                                                    const Options& options,
                                                                    std::unique_ptr<Door> door) {
  std::shared_ptr<Listener> listener(new Listener(address, std::move(door)));
  if (auto started = listener->start(options); !started) return tl::unexpected(started.error());
  return listener;
}

// Afterwards libsrt calls the door no more: it takes the lock under which it calls.
Listener::~Listener() {
  if (socket_ != SRT_INVALID_SOCK) srt_close(socket_);
}

tl::expected<void, std::string> Listener::start(const Options& options) {
  const auto failure = [&](const char* what) {
    return tl::unexpected(fmt::format("srt: can't {} {}: {}", what, address_, srt_getlasterror_str()));
  };
  const auto parsed = net::parse_listen_address(address_);
  if (!parsed) return tl::unexpected("srt: " + parsed.error());
  const auto endpoint = numeric_endpoint(parsed->host, parsed->port);
  if (!endpoint) {
    return tl::unexpected(
        fmt::format("srt: listen address \"{}\": the host is no IPv4 or IPv6 address", address_));
  }
  socket_ = srt_create_socket();
  if (socket_ == SRT_INVALID_SOCK) return failure("make a socket for");
  struct Option {
    SRT_SOCKOPT name;
    int value;
  };
  for (const Option& option :
       {Option{SRTO_RCVSYN, 0}, Option{SRTO_SNDSYN, 0}, Option{SRTO_TRANSTYPE, SRTT_LIVE},
        Option{SRTO_PAYLOADSIZE, kMessageBytes}, Option{SRTO_FC, options.receive_packets},
        Option{SRTO_RCVBUF, options.receive_packets * kPacketOnWire}, Option{SRTO_SNDBUF, kSendCeiling},
        Option{SRTO_UDP_SNDBUF, kUdpBuffer}, Option{SRTO_UDP_RCVBUF, kUdpBuffer},
        Option{SRTO_RCVLATENCY, options.latency_ms}, Option{SRTO_PEERLATENCY, options.latency_ms},
        // What a receiver does not take stays until it is the worker's turn to skip: what libsrt gives up
        // after a second looks as if it had been taken, and is not counted whole.
        Option{SRTO_SNDDROPDELAY, -1}}) {
    if (srt_setsockflag(socket_, option.name, &option.value, sizeof option.value) == SRT_ERROR)
      return failure("set an option for");
  }
  const bool enforced = true;
  const std::string& secret = options.passphrase;
  if (srt_setsockflag(socket_, SRTO_ENFORCEDENCRYPTION, &enforced, sizeof enforced) == SRT_ERROR ||
      (!secret.empty() && srt_setsockflag(socket_, SRTO_PASSPHRASE, secret.data(),
                                          static_cast<int>(secret.size())) == SRT_ERROR))
    return failure("set the passphrase for");
  if (auto bound = bind_udp(socket_, *endpoint, parsed->host == "::"); !bound)
    return tl::unexpected(fmt::format("srt: can't listen on {}: {}", address_, bound.error()));
  if (srt_listen_callback(socket_, &Listener::on_caller, door_.get()) == SRT_ERROR) return failure("guard");
  if (srt_listen(socket_, kBacklog) == SRT_ERROR) return failure("listen on");
  sockaddr_storage bound{};
  int bound_length = sizeof bound;
  srt_getsockname(socket_, reinterpret_cast<sockaddr*>(&bound), &bound_length);
  // The port stands in the same place in both families.
  port_ = ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
  return {};
}

int Listener::on_caller(void* door, SRTSOCKET socket, int, const sockaddr* peer, const char* stream_id) {
  return static_cast<Door*>(door)->on_caller(socket, peer, stream_id);
}

}  // namespace headgate::bridge::srt

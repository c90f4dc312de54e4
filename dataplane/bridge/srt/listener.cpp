#include "dataplane/bridge/srt/listener.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <srt/access_control.h>

#include <cstring>

#include "dataplane/bridge/net/listen_address.h"

namespace headgate::bridge::srt {
namespace {

constexpr std::size_t kMaxAdmissions = 1024;
constexpr unsigned kLogLinesASecond = 3;
constexpr int kBacklog = 128;
constexpr int kMessage = 7 * 188;
// A receiver sends nothing but control packets: what it sends beyond is kept by libsrt up to this and thrown
// away.
constexpr int kReceivePackets = 64;
constexpr int kPacketOnWire = 1500;
// A ceiling above what the sending thread lets libsrt keep for a receiver (Worker::buffer_limit).
constexpr int kSendBuffer = 48 * 1024 * 1024;
constexpr int kUdpBuffer = 4 * 1024 * 1024;  // the kernel may give less

constexpr bool codes_are_libsrts() {
  return SRT_REJX_BAD_REQUEST == 1400 && SRT_REJX_OVERLOAD == 1402 && SRT_REJX_NOTFOUND == 1404 &&
         SRT_REJX_BAD_MODE == 1405 && SRT_REJX_NOTSUP_MEDIA == 1415;
}
static_assert(codes_are_libsrts(), "access.cpp has them as numbers");

// Stream ids go into the log as their bytes can be shown.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, 128));
  for (char& c : out) {
    if (c < 0x20 || c == 0x7f) c = '?';
  }
  return out;
}

// Secrets stay out of the log.
std::string without_query(std::string_view stream_id) {
  const std::size_t question = stream_id.find('?');
  return printable(stream_id.substr(0, question));
}

}  // namespace

std::string address_of(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v4->sin_port));
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
  if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
    ::inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v6->sin6_port));
  }
  ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
  return fmt::format("[{}]:{}", text, ntohs(v6->sin6_port));
}

Gate::Gate(std::size_t max_sessions, Say say, std::function<void()> wake)
    : max_sessions_(max_sessions), say_(std::move(say)), wake_(std::move(wake)) {
  table_.store(std::make_shared<const AccessTable>());
}

bool Gate::may_log() {
  const std::int64_t second = srt_time_now() / 1'000'000;
  if (log_second_.exchange(second) != second) logged_ = 0;
  return logged_++ < kLogLinesASecond;
}

void Gate::refuse(Refusal refusal, const std::string& who, const std::string& stream_id) {
  refused_[static_cast<std::size_t>(refusal)].fetch_add(1, std::memory_order_relaxed);
  if (!may_log()) return;
  const int code = reject_code(refusal);
  say_(fmt::format("srt: {} refused ({}{}), stream id \"{}\": {}", who, name_of(refusal),
                   code == 0 ? "" : fmt::format(", {}", code), without_query(stream_id), remedy_of(refusal)));
}

int Gate::admit(const std::string& listener, SRTSOCKET socket, const sockaddr* peer, const char* stream_id) {
  const auto table = table_.load();
  const std::lock_guard lock(mutex_);
  Decision decision = decide(*table, listener, stream_id,
                             sessions_.load(std::memory_order_relaxed) + admissions_.size(), max_sessions_);
  if (decision.accepted && admissions_.size() >= kMaxAdmissions) {
    decision.accepted = false;
    decision.refusal = Refusal::overload;
  }
  if (!decision.accepted) {
    srt_setrejectreason(socket, reject_code(decision.refusal));
    refuse(decision.refusal, address_of(peer), stream_id);
    return -1;
  }
  const int latency = static_cast<int>(decision.latency_ms);
  srt_setsockflag(socket, SRTO_PEERLATENCY, &latency, sizeof latency);
  srt_setsockflag(socket, SRTO_RCVLATENCY, &latency, sizeof latency);
  const std::string& secret = decision.passphrase;
  if (srt_setsockflag(socket, SRTO_PASSPHRASE, secret.data(), static_cast<int>(secret.size())) == SRT_ERROR) {
    // Never let in unencrypted whom a passphrase should have kept out.
    srt_setrejectreason(socket, SRT_REJX_ISE);
    refuse(Refusal::secret, address_of(peer), stream_id);
    return -1;
  }
  admissions_.push_back({socket, listener, stream_id, address_of(peer), std::move(decision), srt_time_now()});
  wake_();
  return 0;
}

std::vector<Admission> Gate::take_admissions() {
  const std::lock_guard lock(mutex_);
  return std::exchange(admissions_, {});
}

std::array<std::uint64_t, kRefusals> Gate::refused() const {
  std::array<std::uint64_t, kRefusals> out{};
  for (std::size_t i = 0; i < kRefusals; ++i) out[i] = refused_[i].load(std::memory_order_relaxed);
  return out;
}

tl::expected<std::shared_ptr<Listener>, std::string> Listener::open(const std::string& address,
                                                                    std::shared_ptr<Gate> gate) {
  std::shared_ptr<Listener> listener(new Listener(address, std::move(gate)));
  if (auto started = listener->start(); !started) return tl::unexpected(started.error());
  return listener;
}

Listener::~Listener() {
  if (socket_ != SRT_INVALID_SOCK) srt_close(socket_);
}

tl::expected<void, std::string> Listener::start() {
  const auto failure = [&](const char* what) {
    return tl::unexpected(fmt::format("srt: can't {} {}: {}", what, address_, srt_getlasterror_str()));
  };
  const auto parsed = net::parse_listen_address(address_);
  if (!parsed) return tl::unexpected("srt: " + parsed.error());
  sockaddr_storage storage{};
  int length = 0;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (::inet_pton(AF_INET, parsed->host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(parsed->port);
    length = sizeof *v4;
  } else if (::inet_pton(AF_INET6, parsed->host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(parsed->port);
    length = sizeof *v6;
  } else {
    return tl::unexpected(
        fmt::format("srt: listen address \"{}\": the host is no IPv4 or IPv6 address", address_));
  }
  socket_ = srt_create_socket();
  if (socket_ == SRT_INVALID_SOCK) return failure("make a socket for");
  struct Option {
    SRT_SOCKOPT name;
    int value;
  };
  const bool any_v6 = storage.ss_family == AF_INET6 && parsed->host == "::";
  for (const Option& option :
       {Option{SRTO_RCVSYN, 0}, Option{SRTO_SNDSYN, 0}, Option{SRTO_TRANSTYPE, SRTT_LIVE},
        Option{SRTO_PAYLOADSIZE, kMessage}, Option{SRTO_FC, kReceivePackets},
        Option{SRTO_RCVBUF, kReceivePackets * kPacketOnWire}, Option{SRTO_SNDBUF, kSendBuffer},
        Option{SRTO_UDP_SNDBUF, kUdpBuffer}, Option{SRTO_UDP_RCVBUF, kUdpBuffer}}) {
    if (srt_setsockflag(socket_, option.name, &option.value, sizeof option.value) == SRT_ERROR)
      return failure("set an option for");
  }
  const bool enforced = true;
  srt_setsockflag(socket_, SRTO_ENFORCEDENCRYPTION, &enforced, sizeof enforced);
  const int v6_only = any_v6 ? 0 : 1;
  if (storage.ss_family == AF_INET6) srt_setsockflag(socket_, SRTO_IPV6ONLY, &v6_only, sizeof v6_only);
  if (srt_bind(socket_, reinterpret_cast<sockaddr*>(&storage), length) == SRT_ERROR)
    return failure("listen on");
  if (srt_listen_callback(socket_, &Listener::on_caller, this) == SRT_ERROR) return failure("guard");
  if (srt_listen(socket_, kBacklog) == SRT_ERROR) return failure("listen on");
  sockaddr_storage bound{};
  int bound_length = sizeof bound;
  srt_getsockname(socket_, reinterpret_cast<sockaddr*>(&bound), &bound_length);
  // The port stands in the same place in both families.
  port_ = ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
  return {};
}

int Listener::on_caller(void* self, SRTSOCKET socket, int, const sockaddr* peer, const char* stream_id) {
  const auto* listener = static_cast<Listener*>(self);
  return listener->gate_->admit(listener->address_, socket, peer, stream_id);
}

}  // namespace headgate::bridge::srt

// What the kernel alone takes to send SRT's datagrams: the floor below an SRT server on this machine.
//   udp_floor sendmsg|sendmmsg|gso RECEIVERS SECONDS [BEAT_MS]
// Sends what 4 Mb/s by SRT are on the wire (380 datagrams a second of 16 + 1316 bytes) to each of RECEIVERS
// sockets on loopback from one thread, all that is due once a BEAT_MS (0: each datagram when it is due, one
// receiver after the other). Each receiver answers as SRT's do, with at most one acknowledgement of 44 bytes
// in 10 ms, which a second thread takes and answers with 20 bytes. The receivers are a process of their own,
// a waiting thread each, and cost is that of the sending process: prints per cent of a core, in all and a
// receiver.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kDatagram = 16 + 7 * 188;
constexpr std::size_t kAck = 44;
constexpr std::size_t kAckAck = 20;
constexpr double kPerSecond = 4e6 / (7 * 188 * 8);
constexpr std::size_t kMostAtOnce = 40;  // datagrams of one GSO send
constexpr auto kAckEvery = std::chrono::milliseconds(10);
using Clock = std::chrono::steady_clock;

enum class Way { sendmsg, sendmmsg, gso };

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

sockaddr_in6 loopback(std::uint16_t port) {
  sockaddr_in6 out{};
  out.sin6_family = AF_INET6;
  ::inet_pton(AF_INET6, "::ffff:127.0.0.1", &out.sin6_addr);
  out.sin6_port = htons(port);
  return out;
}

// As libsrt's listener has it: any address, both families, not connected.
int udp_socket(sockaddr_in6& bound) {
  const int fd = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int no = 0;
  if (fd < 0 || ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no) != 0) fail("socket");
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  socklen_t length = sizeof bound;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length) != 0)
    fail("bind");
  bound = loopback(ntohs(bound.sin6_port));
  return fd;
}

void receive(int fd) {
  std::array<char, 2048> buffer{};
  sockaddr_in6 from{};
  auto answered = Clock::now();
  while (true) {
    socklen_t length = sizeof from;
    const ssize_t n =
        ::recvfrom(fd, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (n < 0) fail("recvfrom");
    if (static_cast<std::size_t>(n) == kAckAck || Clock::now() - answered < kAckEvery) continue;
    answered = Clock::now();
    ::sendto(fd, buffer.data(), kAck, 0, reinterpret_cast<sockaddr*>(&from), length);
  }
}

void answer(int fd) {
  std::array<char, 2048> buffer{};
  sockaddr_in6 from{};
  while (true) {
    socklen_t length = sizeof from;
    if (::recvfrom(fd, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &length) < 0)
      return;
    ::sendto(fd, buffer.data(), kAckAck, 0, reinterpret_cast<sockaddr*>(&from), length);
  }
}

// One receiver's datagrams, which lie one after the other.
class Sender {
 public:
  Sender(int fd, Way way) : fd_(fd), way_(way), data_(kMostAtOnce * kDatagram) {}

  void send(sockaddr_in6& to, std::size_t count) {
    for (std::size_t done = 0; done < count;) {
      const std::size_t now = std::min(count - done, kMostAtOnce);
      if (way_ == Way::gso && now > 1) {
        send_segments(to, now);
      } else if (way_ == Way::sendmmsg) {
        send_several(to, now);
      } else {
        for (std::size_t i = 0; i < now; ++i) send_one(to);
      }
      done += now;
    }
  }

 private:
  msghdr header(sockaddr_in6& to, iovec& data) {
    msghdr out{};
    out.msg_name = &to;
    out.msg_namelen = sizeof to;
    out.msg_iov = &data;
    out.msg_iovlen = 1;
    return out;
  }

  void send_one(sockaddr_in6& to) {
    iovec data{data_.data(), kDatagram};
    const msghdr message = header(to, data);
    if (::sendmsg(fd_, &message, 0) < 0) fail("sendmsg");
  }

  void send_several(sockaddr_in6& to, std::size_t count) {
    std::array<mmsghdr, kMostAtOnce> messages{};
    iovec data{data_.data(), kDatagram};
    for (std::size_t i = 0; i < count; ++i) messages[i].msg_hdr = header(to, data);
    if (::sendmmsg(fd_, messages.data(), static_cast<unsigned>(count), 0) < 0) fail("sendmmsg");
  }

  void send_segments(sockaddr_in6& to, std::size_t count) {
    iovec data{data_.data(), count * kDatagram};
    msghdr message = header(to, data);
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(std::uint16_t))> control{};
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* segment = CMSG_FIRSTHDR(&message);
    segment->cmsg_level = SOL_UDP;
    segment->cmsg_type = UDP_SEGMENT;
    segment->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto size = static_cast<std::uint16_t>(kDatagram);
    std::memcpy(CMSG_DATA(segment), &size, sizeof size);
    if (::sendmsg(fd_, &message, 0) < 0) fail("sendmsg with UDP_SEGMENT");
  }

  int fd_;
  Way way_;
  std::vector<char> data_;
};

double cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

pid_t start_receivers(std::vector<int>& sockets) {
  const pid_t child = ::fork();
  if (child < 0) fail("fork");
  if (child > 0) {
    for (const int fd : sockets) ::close(fd);
    return child;
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::vector<std::thread> threads;
  for (const int fd : sockets) threads.emplace_back(receive, fd);
  for (auto& thread : threads) thread.join();
  std::exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "udp_floor sendmsg|sendmmsg|gso RECEIVERS SECONDS [BEAT_MS]\n");
    return 2;
  }
  const std::string_view word = argv[1];
  const Way way = word == "gso" ? Way::gso : word == "sendmmsg" ? Way::sendmmsg : Way::sendmsg;
  const int receivers = std::atoi(argv[2]);
  const double seconds = std::atof(argv[3]);
  const double beat = argc > 4 ? std::atof(argv[4]) / 1000 : 0;
  std::vector<sockaddr_in6> addresses(static_cast<std::size_t>(receivers));
  std::vector<int> sockets;
  for (auto& address : addresses) sockets.push_back(udp_socket(address));
  sockaddr_in6 own{};
  const int fd = udp_socket(own);
  const pid_t child = start_receivers(sockets);
  std::thread(answer, fd).detach();

  Sender sender(fd, way);
  const double step = beat > 0 ? beat : 1 / kPerSecond;
  const auto began = Clock::now();
  double cpu = 0;
  double from = 0;
  std::uint64_t sent = 0;
  for (std::uint64_t turn = 1;; ++turn) {
    const double at = static_cast<double>(turn) * step;
    if (at > seconds + 1) break;
    if (from <= 0 && at >= 1) {
      from = at;
      cpu = cpu_seconds();
    }
    std::this_thread::sleep_until(
        began + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(at)));
    const auto due = static_cast<std::uint64_t>(at * kPerSecond + 0.5);
    for (auto& address : addresses) sender.send(address, due - sent);
    sent = due;
  }
  const double used = 100 * (cpu_seconds() - cpu) / (seconds + 1 - from);
  std::printf("%.2f %% of a core, %.3f %% a receiver\n", used, used / receivers);
  std::fflush(stdout);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  std::_Exit(0);
}

// Many RTMP players in one process that cost as little as they can: each connects, plays and lets the kernel
// throw away what comes. Prints, once a second, how many receive and how many bytes came in all.
//   rtmp_load HOST PORT APP STREAM PLAYERS SECONDS
// They answer no pings: a run must be shorter than the server's patience (30 s in Headgate).
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kHandshake = 1536;
constexpr std::size_t kChunk = 128;

std::string text(const std::string& value) {
  return std::string{'\x02', static_cast<char>(value.size() >> 8), static_cast<char>(value.size())} + value;
}
std::string number(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  std::string out(1, '\0');
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(bits >> shift);
  return out;
}
std::string property(const std::string& name, const std::string& value) {
  return text(name).substr(1) + value;
}

// A command message (type 20) in chunks of 128 bytes.
std::string command(const std::string& body, std::uint8_t stream) {
  std::string out{'\x03', 0, 0, 0, 0, static_cast<char>(body.size() >> 8), static_cast<char>(body.size()),
                  20};
  out += std::string{static_cast<char>(stream), 0, 0, 0};
  for (std::size_t at = 0; at < body.size(); at += kChunk) {
    if (at > 0) out += '\xC3';
    out += body.substr(at, kChunk);
  }
  return out;
}

std::string requests(const std::string& host, const std::string& app, const std::string& stream) {
  const std::string object = std::string(1, '\x03') + property("app", text(app)) +
                             property("tcUrl", text("rtmp://" + host + "/" + app)) + std::string{0, 0, 9};
  return command(text("connect") + number(1) + object, 0) +
         command(text("createStream") + number(2) + '\x05', 0) +
         command(text("play") + number(0) + '\x05' + text(stream), 1);
}

bool receive_all(int fd, std::size_t size) {
  std::array<char, 4096> buffer;
  while (size > 0) {
    const ssize_t n = ::recv(fd, buffer.data(), std::min(size, buffer.size()), 0);
    if (n <= 0) return false;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

int join(const sockaddr_in& address, const std::string& asked) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
  const std::string hello = '\x03' + std::string(kHandshake, '\0');
  if (::send(fd, hello.data(), hello.size(), 0) < 0 || !receive_all(fd, 1 + 2 * kHandshake)) return -1;
  const std::string rest = std::string(kHandshake, '\0') + asked;
  if (::send(fd, rest.data(), rest.size(), 0) < 0) return -1;
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: rtmp_load HOST PORT APP STREAM PLAYERS SECONDS\n");
    return 2;
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[2])));
  ::inet_pton(AF_INET, argv[1], &address.sin_addr);
  const std::string asked = requests(argv[1], argv[3], argv[4]);
  const int epoll = ::epoll_create1(0);
  const auto players = static_cast<std::size_t>(std::atoi(argv[5]));
  for (std::size_t i = 0; i < players; ++i) {
    const int fd = join(address, asked);
    if (fd < 0) {
      std::fprintf(stderr, "player %zu could not join\n", i);
      return 1;
    }
    epoll_event event{EPOLLIN, {}};
    event.data.fd = fd;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::seconds(std::atoi(argv[6]));
  auto tell = Clock::now();
  std::size_t left = players;
  unsigned long long bytes = 0;
  std::vector<epoll_event> events(1024);
  while (Clock::now() < end && left > 0) {
    // Gathers: a wake-up for every packet of every player would cost more than the server.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const int n = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 100);
    for (int i = 0; i < n; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      // MSG_TRUNC on TCP: thrown away in the kernel, not copied (tcp(7)).
      const ssize_t got = ::recv(fd, nullptr, 4 << 20, MSG_TRUNC | MSG_DONTWAIT);
      if (got > 0) bytes += static_cast<unsigned long long>(got);
      if (got == 0) {
        ::close(fd);
        --left;
      }
    }
    if (Clock::now() >= tell) {
      std::printf("%zu %llu\n", left, bytes);
      std::fflush(stdout);
      tell += std::chrono::seconds(1);
    }
  }
  return left == players ? 0 : 1;
}

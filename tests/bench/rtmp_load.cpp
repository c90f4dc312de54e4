// Many RTMP players in one process that cost as little as they can: each connects, plays and lets the kernel
// throw away what comes. Prints, once a second, how many receive and how many bytes came in all.
//   rtmp_load HOST PORT APP STREAM PLAYERS SECONDS
// They answer no pings: a run must be shorter than the server's patience (30 s in Headgate).
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/rtmp_play.h"

namespace {

namespace rtmp = headgate::test::rtmp;

int join(const sockaddr_in& address, const std::string& asked) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
  if (!rtmp::begin(fd, asked)) return -1;
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
  const std::string asked = rtmp::requests(argv[1], argv[3], argv[4]);
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

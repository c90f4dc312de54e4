// Sends one constant-rate transport stream file to many groups at once, paced, by kernel sockets: the load of
// scripts/bench.
//   multicast_generator FILE INTERFACE_ADDRESS FIRST_GROUP CHANNELS PORT BITS_PER_SECOND SECONDS [SPREAD]
// Channel i goes to FIRST_GROUP + i. Channels start at different places of the file, so that they don't peak
// together: all over it, or within its first SPREAD seconds, where the jump of its clock at its end is to
// come after SECONDS.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <vector>

namespace {

constexpr std::size_t kDatagram = 7 * 188;
constexpr std::size_t kBatch = 64;
constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;

std::int64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * kNanosecondsPerSecond + t.tv_nsec;
}

void sleep_until(std::int64_t at_ns) {
  const timespec t{at_ns / kNanosecondsPerSecond, at_ns % kNanosecondsPerSecond};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr);
}

struct Batch {
  std::vector<mmsghdr> messages{kBatch};
  std::vector<iovec> vectors{kBatch};
  std::size_t count = 0;

  void add(sockaddr_in& to, const std::uint8_t* data, int fd) {
    vectors[count] = {const_cast<std::uint8_t*>(data), kDatagram};
    messages[count] = {};
    messages[count].msg_hdr.msg_name = &to;
    messages[count].msg_hdr.msg_namelen = sizeof(to);
    messages[count].msg_hdr.msg_iov = &vectors[count];
    messages[count].msg_hdr.msg_iovlen = 1;
    if (++count == kBatch) flush(fd);
  }
  void flush(int fd) {
    std::size_t sent = 0;
    while (sent < count) {
      const int n = sendmmsg(fd, messages.data() + sent, static_cast<unsigned>(count - sent), 0);
      if (n <= 0) break;
      sent += static_cast<std::size_t>(n);
    }
    count = 0;
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8 && argc != 9) {
    std::fprintf(stderr,
                 "usage: %s FILE INTERFACE_ADDRESS FIRST_GROUP CHANNELS PORT BITS_PER_SECOND SECONDS "
                 "[SPREAD]\n",
                 argv[0]);
    return 2;
  }
  std::ifstream file(argv[1], std::ios::binary);
  const std::vector<std::uint8_t> data{std::istreambuf_iterator<char>(file), {}};
  const std::size_t datagrams = data.size() / kDatagram;
  if (datagrams == 0) {
    std::fprintf(stderr, "%s: too short or unreadable\n", argv[1]);
    return 1;
  }
  const auto channels = static_cast<std::size_t>(std::atoi(argv[4]));
  const std::int64_t spacing =
      static_cast<std::int64_t>(kDatagram * 8 * kNanosecondsPerSecond) / std::atoll(argv[6]);
  const std::int64_t end = now_ns() + std::atoll(argv[7]) * kNanosecondsPerSecond;

  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  in_addr interface {};
  inet_pton(AF_INET, argv[2], &interface);
  setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof(interface));
  const unsigned char ttl = 8;
  setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl));
  const unsigned char no_loop = 0;
  setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &no_loop, sizeof(no_loop));

  std::size_t places = datagrams;
  if (argc == 9)
    places =
        std::min(places, static_cast<std::size_t>(std::atoll(argv[8]) * kNanosecondsPerSecond / spacing));
  std::vector<sockaddr_in> to(channels);
  std::vector<std::size_t> position(channels);
  for (std::size_t i = 0; i < channels; ++i) {
    to[i].sin_family = AF_INET;
    to[i].sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[5])));
    inet_pton(AF_INET, argv[3], &to[i].sin_addr);
    to[i].sin_addr.s_addr = htonl(ntohl(to[i].sin_addr.s_addr) + static_cast<std::uint32_t>(i));
    position[i] = places * i / channels;
  }
  // One datagram of every channel a turn, the turn spread over 4 steps.
  Batch batch;
  std::uint64_t sent = 0;
  std::int64_t turn = now_ns();
  for (; turn < end; turn += spacing) {
    for (std::size_t step = 0; step < 4; ++step) {
      for (std::size_t i = step; i < channels; i += 4) {
        batch.add(to[i], data.data() + position[i] * kDatagram, fd);
        position[i] = (position[i] + 1) % datagrams;
        ++sent;
      }
      batch.flush(fd);
      sleep_until(turn + spacing * static_cast<std::int64_t>(step + 1) / 4);
    }
  }
  std::printf("%llu\n", static_cast<unsigned long long>(sent));
  return 0;
}

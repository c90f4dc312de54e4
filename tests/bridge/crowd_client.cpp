// Many players of one channel in one process, which compare what they get.
//   crowd_client rtmp|http-ts|srt PORT CHANNEL PLAYERS [--slow BYTES] [--small] [--out FILE]
// Prints "joined" when all play, and after a line on its input, or its end, a line of JSON (crowd_report.h).
// --slow: each takes so many bytes a second (0: none) and throws them away. --small: with small buffers for
// what comes. --out: the first player's media, as FLV or transport stream. The server is on this host.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <srt/srt.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <thread>
#include <utility>

#include "tests/bridge/crowd_report.h"
#include "tests/support/rtmp_play.h"

namespace headgate::test {
namespace {

struct Options {
  std::string mode;
  sockaddr_in address{};
  std::string channel;
  std::size_t players = 0;
  long slow = -1;  // bytes a second; negative: as they come
  bool small = false;
  std::string out;
};

std::uint32_t now_us() {
  static const auto began = std::chrono::steady_clock::now();
  return static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began)
          .count());
}

bool told_to_stop() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  return ::poll(&input, 1, 0) > 0;
}

// The players' connections: what differs between TCP and SRT.
class Connections {
 public:
  virtual ~Connections() = default;
  virtual bool join() = 0;  // one more
  // Waits a little for any of them; those that have something.
  virtual std::vector<std::size_t> ready() = 0;
  // Bytes that are there: -1: none; 0: it is over.
  virtual long read(std::size_t player, std::span<char> into) = 0;
  virtual void send(std::size_t player, const std::string& bytes) = 0;
  virtual bool alive(std::size_t player) = 0;
};

class TcpConnections final : public Connections {
 public:
  explicit TcpConnections(const Options& options) : options_(options) {}

  bool join() override {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const int small = 4096;
    if (options_.small) ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&options_.address), sizeof options_.address) != 0)
      return false;
    if (options_.mode == "rtmp") {
      if (!rtmp::begin(fd, rtmp::requests("127.0.0.1", "live", options_.channel))) return false;
    } else {
      const std::string request = "GET /" + options_.channel + "/stream.ts HTTP/1.0\r\n\r\n";
      if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) return false;
    }
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    epoll_event event{EPOLLIN, {}};
    event.data.u64 = fds_.size();
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    fds_.push_back(fd);
    return true;
  }
  std::vector<std::size_t> ready() override {
    std::array<epoll_event, 256> events;
    const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 20);
    std::vector<std::size_t> players;
    for (int i = 0; i < n; ++i) players.push_back(events[static_cast<std::size_t>(i)].data.u64);
    return players;
  }
  long read(std::size_t player, std::span<char> into) override {
    const ssize_t n = ::recv(fds_[player], into.data(), into.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return -1;
    if (n > 0) return n;
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fds_[player], nullptr);
    return 0;
  }
  void send(std::size_t player, const std::string& bytes) override {
    (void)::send(fds_[player], bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  bool alive(std::size_t) override { return true; }

 private:
  const Options& options_;
  const int epoll_ = ::epoll_create1(0);
  std::vector<int> fds_;
};

class SrtConnections final : public Connections {
 public:
  explicit SrtConnections(const Options& options) : options_(options) {
    ::srt_startup();
    ::srt_setloglevel(0);
    epoll_ = ::srt_epoll_create();
  }
  ~SrtConnections() override {
    for (const SRTSOCKET socket : sockets_) ::srt_close(socket);
    ::srt_cleanup();
  }
  bool join() override {
    const SRTSOCKET socket = ::srt_create_socket();
    ::srt_setsockflag(socket, SRTO_STREAMID, options_.channel.data(),
                      static_cast<int>(options_.channel.size()));
    const int packets = 64, bytes = packets * 1456, no = 0;
    if (options_.small) ::srt_setsockflag(socket, SRTO_FC, &packets, sizeof packets);
    if (options_.small) ::srt_setsockflag(socket, SRTO_RCVBUF, &bytes, sizeof bytes);
    if (::srt_connect(socket, reinterpret_cast<const sockaddr*>(&options_.address),
                      sizeof options_.address) == SRT_ERROR)
      return false;
    ::srt_setsockflag(socket, SRTO_RCVSYN, &no, sizeof no);
    const int events = SRT_EPOLL_IN | SRT_EPOLL_ERR;
    ::srt_epoll_add_usock(epoll_, socket, &events);
    sockets_.push_back(socket);
    return true;
  }
  std::vector<std::size_t> ready() override {
    std::vector<SRT_EPOLL_EVENT> events(sockets_.size() + 1);
    const int n = std::min(::srt_epoll_uwait(epoll_, events.data(), static_cast<int>(events.size()), 20),
                           static_cast<int>(events.size()));
    std::vector<std::size_t> players;
    for (int i = 0; i < n; ++i) {
      const auto found = std::find(sockets_.begin(), sockets_.end(), events[static_cast<std::size_t>(i)].fd);
      players.push_back(static_cast<std::size_t>(found - sockets_.begin()));
    }
    return players;
  }
  long read(std::size_t player, std::span<char> into) override {
    const int n = ::srt_recvmsg(sockets_[player], into.data(), static_cast<int>(into.size()));
    if (n > 0) return n;
    if (n == SRT_ERROR && ::srt_getlasterror(nullptr) == SRT_EASYNCRCV) return -1;
    ::srt_epoll_remove_usock(epoll_, sockets_[player]);
    return 0;
  }
  void send(std::size_t, const std::string&) override {}
  bool alive(std::size_t player) override { return ::srt_getsockstate(sockets_[player]) == SRTS_CONNECTED; }

 private:
  const Options& options_;
  int epoll_ = -1;
  std::vector<SRTSOCKET> sockets_;
};

std::unique_ptr<Reader> reader_for(const std::string& mode) {
  if (mode == "rtmp") return std::make_unique<RtmpReader>();
  if (mode == "http-ts") return std::make_unique<HttpReader>();
  return std::make_unique<TsReader>();
}

class Crowd {
 public:
  Crowd(const Options& options, Connections& connections) : options_(options), connections_(connections) {}

  bool join() {
    for (std::size_t i = 0; i < options_.players; ++i) {
      if (!connections_.join()) {
        std::fprintf(stderr, "player %zu could not join\n", i);
        return false;
      }
      readers_.push_back(reader_for(options_.mode));
      over_.push_back(false);
      if (i == 0 && !options_.out.empty()) readers_[0]->file = &media_;
      // Those that are there go on, and the first one is ahead of all others.
      while (i == 0 && !all_play() && !over_[0]) step();
      if (options_.slow < 0) step();
    }
    return true;
  }
  bool all_play() const {
    return options_.slow >= 0 || std::ranges::none_of(readers_, [](const auto& reader) {
             return reader->units.empty() && reader->problem.empty();
           });
  }
  // What is there is taken, or what the slow ones take in a twentieth of a second.
  void step() {
    if (options_.slow >= 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      for (std::size_t i = 0; i < over_.size() && options_.slow > 0; ++i)
        take(i, static_cast<std::size_t>(options_.slow / 20), true);
      return;
    }
    for (const std::size_t player : connections_.ready()) take(player, buffer_.size(), false);
  }
  void report() {
    // Who was closed meanwhile finds out behind what waits.
    for (std::size_t i = 0; i < over_.size() && options_.slow >= 0; ++i) take(i, buffer_.size(), false);
    CrowdReport report;
    report.players = options_.players;
    if (options_.slow < 0) report = compare(readers_, joined_us_ + 3'000'000);
    for (std::size_t i = 0; i < over_.size(); ++i) report.alive += !over_[i] && connections_.alive(i) ? 1 : 0;
    if (!options_.out.empty())
      std::ofstream(options_.out, std::ios::binary)
          .write(reinterpret_cast<const char*>(media_.data()), static_cast<std::streamsize>(media_.size()));
    report.print();
  }
  void joined() { joined_us_ = now_us(); }

 private:
  void take(std::size_t player, std::size_t size, bool once) {
    while (!over_[player]) {
      const long n = connections_.read(player, std::span(buffer_).first(size));
      if (n == 0) over_[player] = true;
      if (n <= 0) return;
      if (options_.slow < 0) {
        Reader& reader = *readers_[player];
        reader.take({reinterpret_cast<const std::uint8_t*>(buffer_.data()), static_cast<std::size_t>(n)},
                    now_us());
        if (!reader.answer.empty()) connections_.send(player, std::exchange(reader.answer, ""));
      }
      if (once) return;
    }
  }

  const Options& options_;
  Connections& connections_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::vector<bool> over_;
  std::vector<std::uint8_t> media_;
  std::vector<char> buffer_ = std::vector<char>(256 * 1024);
  std::uint32_t joined_us_ = 0;
};

int run(const Options& options) {
  std::unique_ptr<Connections> connections;
  if (options.mode == "srt") {
    connections = std::make_unique<SrtConnections>(options);
  } else {
    connections = std::make_unique<TcpConnections>(options);
  }
  Crowd crowd(options, *connections);
  if (!crowd.join()) return 1;
  while (!crowd.all_play() && !told_to_stop()) crowd.step();
  crowd.joined();
  std::printf("joined\n");
  std::fflush(stdout);
  while (!told_to_stop()) crowd.step();
  crowd.report();
  return 0;
}

}  // namespace
}  // namespace headgate::test

int main(int argc, char** argv) {
  headgate::test::Options options;
  if (argc < 5) {
    std::fprintf(
        stderr,
        "usage: crowd_client rtmp|http-ts|srt PORT CHANNEL PLAYERS [--slow BYTES] [--small] [--out FILE]\n");
    return 2;
  }
  options.mode = argv[1];
  options.address.sin_family = AF_INET;
  options.address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[2])));
  options.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  options.channel = argv[3];
  options.players = static_cast<std::size_t>(std::atoi(argv[4]));
  for (int i = 5; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--small") options.small = true;
    if (name == "--slow" && i + 1 < argc) options.slow = std::atol(argv[++i]);
    if (name == "--out" && i + 1 < argc) options.out = argv[++i];
  }
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  return headgate::test::run(options);
}

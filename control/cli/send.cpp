#include <fcntl.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "control/cli/commands.h"
#include "control/cli/udp_socket.h"
#include "mpegts/clock/pacer.h"
#include "mpegts/packet/packet_reader.h"

namespace headgate::control {
namespace {

constexpr std::size_t kPacketsPerDatagram = 7;
constexpr std::uint8_t kRtpPayloadTypeMp2t = 33;  // RFC 3551 table 5
constexpr std::size_t kRtpHeader = 12;            // RFC 3550 5.1
// A datagram waits no longer than this for its seventh packet.
constexpr std::chrono::milliseconds kLongestWait{20};

volatile std::sig_atomic_t stop_requested = 0;
void on_stop(int) { stop_requested = 1; }

// Datagrams of up to seven packets, each sent at the departure of its first packet.
class DatagramSender {
 public:
  DatagramSender(int fd, bool rtp) : fd_(fd), rtp_(rtp) {
    std::random_device random;
    ssrc_ = random();
    sequence_ = static_cast<std::uint16_t>(random());
    ::clock_gettime(CLOCK_MONOTONIC, &start_);
  }

  bool add(const mpegts::PacedPacket& packet) {
    if (count_ != 0 && packet.departure - departure_ > kLongestWait && !flush()) return false;
    if (count_ == 0) departure_ = packet.departure;
    std::memcpy(buffer_.data() + kRtpHeader + count_ * mpegts::kPacketSize, packet.bytes.data(),
                mpegts::kPacketSize);
    return ++count_ < kPacketsPerDatagram || flush();
  }

  bool flush() {
    if (count_ == 0) return true;
    sleep_until(departure_);
    if (stop_requested != 0) return false;
    const std::size_t size = count_ * mpegts::kPacketSize;
    count_ = 0;
    if (rtp_) write_rtp_header();
    const std::uint8_t* from = buffer_.data() + (rtp_ ? 0 : kRtpHeader);
    if (::send(fd_, from, size + (rtp_ ? kRtpHeader : 0), 0) >= 0) {
      ++datagrams;
      return true;
    }
    // A receiver that isn't there (ICMP) or a full queue is no reason to stop playing.
    ++failed;
    if (errno == ECONNREFUSED || errno == ENOBUFS || errno == EAGAIN || errno == EINTR) return true;
    error = std::strerror(errno);
    return false;
  }

  std::uint64_t datagrams = 0;
  std::uint64_t failed = 0;
  std::string error;

 private:
  void sleep_until(std::chrono::nanoseconds departure) const {
    timespec at = start_;
    at.tv_sec += departure.count() / 1'000'000'000;
    at.tv_nsec += departure.count() % 1'000'000'000;
    if (at.tv_nsec >= 1'000'000'000) {
      at.tv_nsec -= 1'000'000'000;
      ++at.tv_sec;
    }
    while (stop_requested == 0 && ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) == EINTR) {
    }
  }

  void write_rtp_header() {
    // RFC 2250 2: the timestamp is a 90 kHz clock at the departure of the datagram's first byte.
    const auto timestamp = static_cast<std::uint32_t>(departure_.count() * 9 / 100'000);
    buffer_[0] = 0x80;
    buffer_[1] = kRtpPayloadTypeMp2t;
    buffer_[2] = static_cast<std::uint8_t>(sequence_ >> 8);
    buffer_[3] = static_cast<std::uint8_t>(sequence_);
    for (unsigned i = 0; i < 4; ++i) {
      buffer_[4 + i] = static_cast<std::uint8_t>(timestamp >> (24 - 8 * i));
      buffer_[8 + i] = static_cast<std::uint8_t>(ssrc_ >> (24 - 8 * i));
    }
    ++sequence_;
  }

  int fd_;
  bool rtp_;
  std::uint32_t ssrc_ = 0;
  std::uint16_t sequence_ = 0;
  timespec start_{};
  std::chrono::nanoseconds departure_{0};
  std::size_t count_ = 0;
  std::array<std::uint8_t, kRtpHeader + kPacketsPerDatagram * mpegts::kPacketSize> buffer_{};
};

class Player {
 public:
  Player(DatagramSender& sender, bool raw) : sender_(sender), raw_(raw) {}

  // False: stopped or failed.
  bool play(int file, std::string& error) {
    if (::lseek(file, 0, SEEK_SET) < 0)
      return error = "can't read it again from its start (not a file?)", false;
    mpegts::PacketReader reader;
    std::vector<std::uint8_t> block(mpegts::kPacketSize * 348);
    std::uint64_t packets = 0;
    for (;;) {
      const ssize_t n = ::read(file, block.data(), block.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return error = std::strerror(errno), false;
      if (n == 0)
        reader.finish();
      else
        reader.push({block.data(), static_cast<std::size_t>(n)});
      while (const auto item = reader.next()) {
        ++packets;
        pacer_.push(item->packet);
        if (!send_due()) return false;
      }
      if (n == 0) break;
    }
    if (packets == 0) return error = "no transport packets in it", false;
    const std::uint64_t shift = pacer_.end_of_loop();
    if (!send_due()) return false;
    if (!pacer_.timed() && !warned_)
      fmt::print(stderr, "headgate: no PCR in the file, playing it at 5 Mb/s\n");
    warned_ = true;
    rewriter_->next_loop(shift);
    return true;
  }

 private:
  bool send_due() {
    mpegts::PacedPacket packet;
    while (pacer_.pop(packet)) {
      if (!raw_) rewriter_->rewrite(packet.bytes);
      if (!sender_.add(packet)) return false;
    }
    return true;
  }

  DatagramSender& sender_;
  bool raw_;
  bool warned_ = false;
  mpegts::Pacer pacer_;
  std::unique_ptr<mpegts::LoopRewriter> rewriter_ = std::make_unique<mpegts::LoopRewriter>();
};

// "20 s a loop at 4.02 Mb/s", from its first megabytes; "" without PCR there.
std::string length_of(int file) {
  constexpr std::size_t kLook = 8U << 20;
  struct stat about {};
  if (::fstat(file, &about) != 0 || about.st_size == 0) return "";
  std::vector<std::uint8_t> bytes(std::min<std::size_t>(kLook, static_cast<std::size_t>(about.st_size)));
  const ssize_t n = ::pread(file, bytes.data(), bytes.size(), 0);
  if (n <= 0) return "";
  mpegts::PacketReader reader;
  reader.push({bytes.data(), static_cast<std::size_t>(n)});
  reader.finish();
  mpegts::Pacer pacer;
  while (const auto item = reader.next()) pacer.push(item->packet);
  pacer.end_of_loop();
  mpegts::PacedPacket packet;
  while (pacer.pop(packet)) {
  }
  if (!pacer.timed()) return "";
  const double part = static_cast<double>(about.st_size) / static_cast<double>(n);
  return fmt::format(", about {:.0f} s a loop at {:.2f} Mb/s",
                     std::chrono::duration<double>(packet.departure).count() * part, pacer.bitrate() / 1e6);
}

void stop_on_signals() {
  struct sigaction action {};
  action.sa_handler = on_stop;
  for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

int usage(const std::string& message) {
  fmt::print(stderr, "headgate: {}\n", message);
  return 2;
}

}  // namespace

int send_command(const CommonOptions& common, const SendOptions& options) {
  const auto url = parse_stream_url(options.url);
  if (!url) return usage(url.error());
  const UniqueFd file(::open(options.file.c_str(), O_RDONLY | O_CLOEXEC));
  std::string error;
  if (!file) {
    fmt::print(stderr, "headgate: can't read {}: {}\n", options.file, std::strerror(errno));
    return 1;
  }
  const auto socket = open_sender(*url);
  if (!socket) {
    fmt::print(stderr, "headgate: {}\n", socket.error());
    return 1;
  }
  stop_on_signals();
  DatagramSender sender(socket->get(), url->rtp);
  Player player(sender, options.raw);
  if (!common.json)
    fmt::print(stderr, "headgate: sending {} to {}{}; Ctrl-C stops\n", options.file, options.url,
               length_of(file.get()));
  std::uint64_t loops = 0;
  while (player.play(file.get(), error)) {
    ++loops;
    if (options.once) break;
  }
  if (error.empty() && stop_requested == 0) sender.flush();
  if (error.empty()) error = sender.error;
  if (!error.empty()) fmt::print(stderr, "headgate: {}: {}\n", options.file, error);
  if (common.json)
    fmt::print("{}\n", nlohmann::json{{"ok", error.empty()},
                                      {"loops", loops},
                                      {"datagrams", sender.datagrams},
                                      {"failed", sender.failed}}
                           .dump(2));
  else
    fmt::print(stderr, "headgate: sent {} datagrams ({} failed), the whole file {} times\n", sender.datagrams,
               sender.failed, loops);
  return error.empty() ? 0 : 1;
}

}  // namespace headgate::control

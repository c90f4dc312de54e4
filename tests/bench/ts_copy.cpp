// From file to file by the library alone, for scripts/bench ts:
//
//   ts_copy cut PROGRAM BITRATE IN OUT      one service out of a multi-program stream
//   ts_copy constant BITRATE RATE IN OUT    the whole stream at a constant RATE, all PCRs made anew
//
// BITRATE is that of IN, which is constant: it tells the time of a packet. OUT "-": nothing is written, and
// the CPU time from the first packet to the last is told in seconds, IN being in memory by then.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "mpegts/mux/rate_schedule.h"
#include "mpegts/packet/ts_packet.h"
#include "mpegts/remux/service_filter.h"

namespace {

using namespace headgate::mpegts;

constexpr std::size_t kAhead = 12 * kPacketSize;
constexpr std::int64_t kStart = 1'700'000'000'000'000'000;

class Out {
 public:
  explicit Out(const char* path)
      : fd_(path[0] == '-' ? -1 : ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
    buffer_.reserve(kBlock + 65'536);
  }
  ~Out() {
    flush();
    if (fd_ >= 0) ::close(fd_);
  }
  Out(const Out&) = delete;
  Out& operator=(const Out&) = delete;
  void write(std::span<const std::uint8_t> bytes) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    if (buffer_.size() >= kBlock) flush();
  }

 private:
  static constexpr std::size_t kBlock = std::size_t{1} << 18;
  void flush() {
    for (std::span<const std::uint8_t> rest(buffer_); fd_ >= 0 && !rest.empty();) {
      const ssize_t n = ::write(fd_, rest.data(), rest.size());
      if (n <= 0) std::exit((std::perror("ts_copy: write"), 1));
      rest = rest.subspan(static_cast<std::size_t>(n));
    }
    buffer_.clear();
  }
  int fd_;
  std::vector<std::uint8_t> buffer_;
};

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// The file as it lies in memory: its packets follow one another from the first byte on.
template <typename F>
void each_packet(const char* path, F on_packet) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  struct stat about {};
  if (fd < 0 || ::fstat(fd, &about) != 0) std::exit((std::perror(path), 1));
  const auto size = static_cast<std::size_t>(about.st_size);
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
  ::close(fd);
  if (memory == MAP_FAILED) std::exit((std::perror(path), 1));
  const std::span<const std::uint8_t> bytes(static_cast<const std::uint8_t*>(memory), size);
  const double began = cpu_seconds();
  for (std::size_t at = 0; at + kPacketSize <= size; at += kPacketSize) {
    // As the fast path's worker does with the frames of a burst.
    for (std::size_t line = 0; line < kPacketSize; line += 64)
      __builtin_prefetch(bytes.data() + at + kAhead + line);
    const TsPacket packet(bytes.subspan(at).first<kPacketSize>());
    if (packet.has_sync()) on_packet(packet);
  }
  std::printf("%.6f\n", cpu_seconds() - began);
}

int cut(std::uint16_t program, double bitrate, const char* from, Out& out) {
  ServiceFilter filter(ServiceSelector{program});
  const double ns = kPacketSize * 8 * 1e9 / bitrate;
  std::int64_t number = 0;
  each_packet(from, [&](const TsPacket& packet) {
    const auto now = kStart + static_cast<std::int64_t>(static_cast<double>(number++) * ns);
    const auto verdict = filter.on_packet(packet, now);
    if (verdict == ServiceFilter::Verdict::pass) out.write(packet.bytes());
    if (verdict == ServiceFilter::Verdict::replace) out.write(filter.replacement());
  });
  return filter.state() == ServiceFilter::State::running ? 0 : 1;
}

int constant(double bitrate, std::uint64_t rate, const char* from, Out& out) {
  RateSchedule stage(rate, rate / 2 / (kPacketSize * 8));
  RateSchedule::Datagram datagram{};
  const double ns = kPacketSize * 8 * 1e9 / bitrate;
  std::int64_t number = 0;
  each_packet(from, [&](const TsPacket& packet) {
    const auto now = kStart + static_cast<std::int64_t>(static_cast<double>(number++) * ns);
    while (stage.pop(now - 1, datagram)) out.write(datagram.bytes);
    stage.push(packet.bytes(), now);
  });
  std::fprintf(stderr, "dropped %llu\n", static_cast<unsigned long long>(stage.counters().all_dropped()));
  return stage.counters().all_dropped() == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (argc != 6 || (what != "cut" && what != "constant")) {
    std::fprintf(stderr, "ts_copy cut PROGRAM BITRATE IN OUT | constant BITRATE RATE IN OUT\n");
    return 2;
  }
  Out out(argv[5]);
  if (what == "cut")
    return cut(static_cast<std::uint16_t>(std::atoi(argv[2])), std::atof(argv[3]), argv[4], out);
  return constant(std::atof(argv[2]), std::strtoull(argv[3], nullptr, 10), argv[4], out);
}

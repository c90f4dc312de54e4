// A file, played endlessly in real time.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "dataplane/bridge/net/back_off.h"
#include "dataplane/bridge/pull/paced_queue.h"
#include "dataplane/bridge/pull/playing.h"
#include "dataplane/bridge/pull/pull.h"
#include "dataplane/bridge/pull/ts_input.h"

namespace headgate::bridge::pull {
namespace {

using namespace std::chrono_literals;
using Clock = Ticker::Clock;

// Read ahead of what is due, in blocks; so many at most in one tick, which is 4 MiB.
constexpr auto kAhead = 200ms;
constexpr std::size_t kBlock = 64 * 1024;
constexpr unsigned kMaxBlocks = 64;
// What is asked of the disk where it has to be waited for, and how long it is waited for.
constexpr off_t kAskAhead = 1024 * 1024;
constexpr auto kDiskPatience = 1s;

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

// What tells one content of a path from another.
struct Identity {
  dev_t device = 0;
  ino_t node = 0;
  off_t size = 0;
  std::int64_t changed_ns = 0;
  bool operator==(const Identity&) const = default;
};

class FileSource final : public ingest::Source {
 public:
  FileSource(boost::asio::io_context& context, ingest::Entry& entry)
      : path_(entry.input().address),
        playing_(entry),
        ticker_(context,
                [this](Clock::time_point now, std::chrono::nanoseconds elapsed) { on_tick(now, elapsed); }) {}

 private:
  void on_tick(Clock::time_point now, std::chrono::nanoseconds elapsed) {
    if (!queue_) {
      if (now < next_try_) return;
      queue_.emplace(true);
      loops_ = 0;
      identity_.reset();
      open();
    }
    fill(now);
    queue_->advance(elapsed, [this](std::span<const std::uint8_t> packets, bool gap) {
      playing_.give(packets, gap, path_);
    });
    if (!ending_.empty() && queue_->dry()) {
      playing_.lost(std::exchange(ending_, ""));
      file_ = Descriptor();
      queue_.reset();
      next_try_ = now + back_off_.next();
    }
  }

  // Opened anew for each loop: a file that was replaced is taken up there.
  void open() {
    file_ = Descriptor(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat about {};
    if (file_.get() < 0 || ::fstat(file_.get(), &about) != 0) {
      const int error = errno;
      ending_ = fmt::format("can't read {}: {}", path_, std::strerror(error));
      if (error == EACCES)
        ending_ += " (the bridge must be able to: chmod o+r, or chgrp headgate and chmod g+r)";
      return;
    }
    if (!S_ISREG(about.st_mode)) {
      ending_ = fmt::format("can't play {}: it is no file", path_);
      return;
    }
    const Identity identity{about.st_dev, about.st_ino, about.st_size,
                            std::int64_t{about.st_mtim.tv_sec} * 1'000'000'000 + about.st_mtim.tv_nsec};
    if (identity_ && *identity_ != identity) queue_->mark(0ns, true);
    identity_ = identity;
    position_ = 0;
    waiting_since_.reset();
    input_ = TsInput();
    garbage_ = 0;
  }

  // What memory holds of the file: waiting for the disk would hold up every channel of this thread. What is
  // not there is asked for and comes at a later tick (EAGAIN). File systems that can't tell (tmpfs, network)
  // are read as usual, and so is a block that did not come for kDiskPatience.
  ssize_t read_block(Clock::time_point now, std::span<std::uint8_t> block) {
    const iovec piece{block.data(), block.size()};
    ssize_t size = ::preadv2(file_.get(), &piece, 1, position_, RWF_NOWAIT);
    if (size < 0 && errno == EAGAIN) {
      if (!waiting_since_) waiting_since_ = now;
      if (now - *waiting_since_ < kDiskPatience) {
        ::posix_fadvise(file_.get(), position_, kAskAhead, POSIX_FADV_WILLNEED);
        errno = EAGAIN;
        return -1;
      }
    }
    if (size < 0 && errno != EINTR) size = ::pread(file_.get(), block.data(), block.size(), position_);
    if (size >= 0) waiting_since_.reset();
    if (size > 0) position_ += size;
    return size;
  }

  void fill(Clock::time_point now) {
    std::array<std::uint8_t, kBlock> block;
    for (unsigned i = 0; i < kMaxBlocks && ending_.empty() && queue_->level() < kAhead; ++i) {
      const ssize_t size = read_block(now, block);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && errno == EAGAIN) return;
      std::string why;
      if (size < 0) {
        why = std::strerror(errno);
      } else if (size > 0) {
        why = input_.push(std::span(block).first(static_cast<std::size_t>(size)), *queue_);
      } else {
        why = input_.finish(*queue_);
      }
      playing_.drop("foreign_bytes", input_.garbage() - std::exchange(garbage_, input_.garbage()));
      if (!why.empty()) {
        queue_->flush();
        ending_ = fmt::format("can't play {}: {}", path_, why);
      } else if (size == 0) {
        on_loop();
      }
    }
  }

  void on_loop() {
    queue_->end_of_loop();
    ++loops_;
    back_off_.reset();
    auto& details = playing_.entry().status().details;
    details["loops"] = std::to_string(loops_);
    details["pacing"] = queue_->timed() ? fmt::format("PCR, {:.0f} b/s", queue_->bitrate())
                                        : "no PCR in the file: 5 Mb/s are assumed";
    open();
  }

  const std::string path_;
  Playing playing_;
  std::optional<PacedQueue> queue_;  // nothing between two tries
  Descriptor file_;
  off_t position_ = 0;
  std::optional<Clock::time_point> waiting_since_;  // for the disk
  std::optional<Identity> identity_;
  TsInput input_;
  std::uint64_t garbage_ = 0;  // of input_, already counted
  std::uint64_t loops_ = 0;
  std::string ending_;  // why it is over when all is played
  net::BackOff back_off_;
  Clock::time_point next_try_{};
  Ticker ticker_;
};

}  // namespace

std::unique_ptr<ingest::Source> make_file(boost::asio::io_context& context, ingest::Entry& entry) {
  return std::make_unique<FileSource>(context, entry);
}

}  // namespace headgate::bridge::pull

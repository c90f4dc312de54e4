#include "dataplane/bridge/app/ring_pump.h"

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>

#include "control/log/log.h"

namespace headgate::bridge::app {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

namespace {
constexpr milliseconds kTurn{10};
constexpr milliseconds kQuiet{200};      // silence before sleeping
constexpr milliseconds kReopen{100};     // while the ring is absent
constexpr milliseconds kLongSleep{500};  // a producer that vanished wakes nobody: look for a new file
constexpr std::size_t kBurst = 8192;     // slots a turn, so that HTTP is served in between
}  // namespace

struct RingPump::Impl : std::enable_shared_from_this<RingPump::Impl> {
  Impl(asio::io_context& c, std::string p, OnSlot s, OnGap g)
      : path(std::move(p)), on_slot(std::move(s)), on_gap(std::move(g)), timer(c), wake(c) {}

  void after(milliseconds time) {
    timer.expires_after(time);
    timer.async_wait([self = shared_from_this()](error_code error) {
      if (!error && !self->stopped) self->turn();
    });
  }

  void attach() {
    auto opened = ring::Consumer::open(path);
    if (!opened) return after(kReopen);
    consumer = std::move(*opened);
    if (attached_before) {
      ++restarts;
      on_gap();
    }
    attached_before = true;
    log::info("ring attached: {}", path);
    const int fd = ::dup(consumer->wake_fd());  // asio owns and closes its own descriptor
    error_code ignored;
    if (fd >= 0) wake.assign(fd, ignored);
    last_slot = Clock::now();
    turn();
  }

  void detach() {
    error_code ignored;
    wake.close(ignored);
    consumer.reset();
  }

  void turn() {
    if (consumer == nullptr) return attach();
    if (consumer->producer_restarted()) {
      ++restarts;
      on_gap();
    }
    const std::size_t count = consumer->poll(kBurst, [this](const ring::Slot& slot) { on_slot(slot); });
    const auto now = Clock::now();
    if (count > 0) last_slot = now;
    if (count == kBurst) return after(milliseconds(0));
    if (now - last_slot < kQuiet) return after(kTurn);
    if (consumer->stale()) {
      log::info("ring replaced: {}", path);
      detach();
      return attach();
    }
    sleep();
  }

  void sleep() {
    if (!wake.is_open() || !consumer->prepare_sleep()) return after(kTurn);
    wake.async_wait(asio::posix::stream_descriptor::wait_read, [self = shared_from_this()](error_code error) {
      if (error || self->stopped || self->consumer == nullptr) return;
      self->timer.cancel();
      self->consumer->awake();
      self->last_slot = Clock::now();
      self->turn();
    });
    timer.expires_after(kLongSleep);
    timer.async_wait([self = shared_from_this()](error_code error) {
      if (error || self->stopped) return;
      error_code ignored;
      self->wake.cancel(ignored);
      self->consumer->awake();
      self->turn();
    });
  }

  std::string path;
  OnSlot on_slot;
  OnGap on_gap;
  asio::steady_timer timer;
  asio::posix::stream_descriptor wake;
  std::unique_ptr<ring::Consumer> consumer;
  Clock::time_point last_slot;
  std::uint64_t restarts = 0;
  bool attached_before = false;
  bool stopped = false;
};

RingPump::RingPump(asio::io_context& context, std::string path, OnSlot on_slot, OnGap on_gap)
    : impl_(std::make_shared<Impl>(context, std::move(path), std::move(on_slot), std::move(on_gap))) {}
RingPump::~RingPump() { stop(); }
void RingPump::start() { impl_->after(milliseconds(0)); }
void RingPump::stop() {
  impl_->stopped = true;
  impl_->timer.cancel();
  impl_->detach();
}
bool RingPump::attached() const { return impl_->consumer != nullptr; }
std::uint64_t RingPump::restarts() const { return impl_->restarts; }

}  // namespace headgate::bridge::app

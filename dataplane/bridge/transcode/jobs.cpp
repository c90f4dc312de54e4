#include "dataplane/bridge/transcode/jobs.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <utility>
#include <vector>

#include "control/log/log.h"

namespace headgate::bridge::transcode {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using boost::system::error_code;
using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

namespace {

constexpr milliseconds kJobTurn{10};
constexpr milliseconds kJobQuiet{200};  // silence before a ring is left to its FIFO
constexpr milliseconds kJobRetry{1000};
constexpr std::size_t kJobBurst = 256;  // messages of one ring a turn

}  // namespace

struct Jobs::Impl : std::enable_shared_from_this<Jobs::Impl> {
  struct Ends {
    explicit Ends(asio::io_context& context) : wake(context) {}
    std::string name;
    job::Paths paths;
    job::Spec spec;
    RingSizes sizes;
    OnMessage on_message;
    std::unique_ptr<ring::MessageProducer> producer;
    std::unique_ptr<ring::MessageConsumer> consumer;
    asio::posix::stream_descriptor wake;
    SteadyClock::time_point last_message;
    bool asleep = false;
    bool closed = false;
    std::string problem;
    std::uint64_t sent = 0;
    std::uint64_t unsent = 0;  // there was no ring
    std::uint64_t received = 0;
  };

  Impl(asio::io_context& c, std::string d) : context(c), directory(std::move(d)), turns(c), retries(c) {}

  tl::expected<void, std::string> open(Ends& ends) {
    std::error_code error;
    fs::remove_all(ends.paths.folder, error);
    fs::create_directories(ends.paths.folder, error);
    if (error) return tl::unexpected<std::string>(ends.paths.folder + ": " + error.message());
    for (const auto& [path, bytes] : {std::pair{ends.paths.to_worker(), ends.sizes.to_worker},
                                      {ends.paths.from_worker(), ends.sizes.from_worker}}) {
      if (auto made = ring::make_message_ring(path, bytes); !made) return made;
    }
    auto producer = ring::MessageProducer::open(ends.paths.to_worker());
    if (!producer) return tl::unexpected<std::string>(producer.error());
    auto consumer = ring::MessageConsumer::open(ends.paths.from_worker());
    if (!consumer) return tl::unexpected<std::string>(consumer.error());
    if (auto written = job::write_spec(ends.paths, ends.spec); !written) return written;
    ends.producer = std::move(*producer);
    ends.consumer = std::move(*consumer);
    const int fd = ::dup(ends.consumer->wake_fd());  // asio owns and closes its own descriptor
    error_code ignored;
    if (fd >= 0) ends.wake.assign(fd, ignored);
    return {};
  }

  // What can't be made now is tried again: run_dir may be full for a while.
  void begin(const std::shared_ptr<Ends>& ends) {
    const auto opened = open(*ends);
    if (!opened) {
      if (ends->problem != opened.error())
        log::warning({"", "job_not_made"}, "job {}: {}", ends->name, opened.error());
      ends->problem = opened.error();
      std::error_code ignored;
      fs::remove_all(ends->paths.folder, ignored);
      retry_later();
      return;
    }
    ends->problem.clear();
    ends->last_message = SteadyClock::now();
    turn_later();
  }

  void retry_later() {
    if (std::exchange(retrying, true)) return;
    retries.expires_after(kJobRetry);
    retries.async_wait([self = shared_from_this()](error_code error) {
      self->retrying = false;
      if (error || self->stopped) return;
      const auto all = self->jobs;
      for (const auto& ends : all) {
        if (ends->producer == nullptr && !ends->closed) self->begin(ends);
      }
    });
  }

  void turn_later() {
    if (stopped || std::exchange(turning, true)) return;
    turns.expires_after(kJobTurn);
    turns.async_wait([self = shared_from_this()](error_code error) {
      self->turning = false;
      if (!error && !self->stopped) self->turn();
    });
  }

  void turn() {
    const auto now = SteadyClock::now();
    bool any_awake = false;
    const auto all = jobs;  // what a message causes may end a job
    for (const auto& ends : all) {
      if (ends->closed || ends->consumer == nullptr || ends->asleep) continue;
      drain(*ends, now);
      if (!ends->closed && now - ends->last_message >= kJobQuiet) sleep(ends);
      any_awake = any_awake || (!ends->closed && !ends->asleep);
    }
    if (any_awake) turn_later();
  }

  static void drain(Ends& ends, SteadyClock::time_point now) {
    const std::size_t count = ends.consumer->poll(
        kJobBurst, [&ends](const ring::MessageHeader& header, std::span<const std::uint8_t> payload) {
          if (ends.closed) return;
          ++ends.received;
          ends.on_message(header, payload);
        });
    if (count > 0) ends.last_message = now;
  }

  void sleep(const std::shared_ptr<Ends>& ends) {
    if (!ends->wake.is_open() || !ends->consumer->prepare_sleep()) return;
    ends->asleep = true;
    ends->wake.async_wait(asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this(), ends](error_code error) {
                            if (error || self->stopped || ends->closed) return;
                            ends->asleep = false;
                            ends->consumer->awake();
                            const auto now = SteadyClock::now();
                            ends->last_message = now;
                            drain(*ends, now);
                            self->turn_later();
                          });
  }

  void close(const std::shared_ptr<Ends>& ends) {
    ends->closed = true;
    std::erase(jobs, ends);
    error_code ignored;
    ends->wake.close(ignored);
    // A job of that name that was made meanwhile has made the folder anew.
    const bool succeeded = std::any_of(jobs.begin(), jobs.end(), [&](const auto& other) {
      return other->paths.folder == ends->paths.folder;
    });
    if (succeeded) return;
    std::error_code error;
    fs::remove_all(ends->paths.folder, error);
    if (error) log::warning("{}: {}", ends->paths.folder, error.message());
  }

  asio::io_context& context;
  std::string directory;
  asio::steady_timer turns;
  asio::steady_timer retries;
  std::vector<std::shared_ptr<Ends>> jobs;
  bool turning = false;
  bool retrying = false;
  bool stopped = false;
};

class Jobs::Link final : public Job {
 public:
  Link(std::shared_ptr<Impl> impl, std::shared_ptr<Impl::Ends> ends)
      : impl_(std::move(impl)), ends_(std::move(ends)) {}
  ~Link() override { impl_->close(ends_); }

  bool push(const ring::MessageHeader& header, std::span<const std::uint8_t> payload) override {
    if (ends_->producer == nullptr) {
      ++ends_->unsent;
      return false;
    }
    if (!ends_->producer->push(header, payload)) return false;
    ends_->producer->flush();
    ++ends_->sent;
    return true;
  }
  JobCounters counters() const override {
    JobCounters out;
    out.sent = ends_->sent;
    out.received = ends_->received;
    out.dropped = ends_->unsent;
    if (ends_->producer != nullptr) out.dropped += ends_->producer->dropped();
    if (ends_->consumer != nullptr) out.damaged = ends_->consumer->damaged();
    return out;
  }
  std::uint64_t unread() const override { return ends_->producer == nullptr ? 0 : ends_->producer->unread(); }
  const std::string& problem() const override { return ends_->problem; }

 private:
  std::shared_ptr<Impl> impl_;
  std::shared_ptr<Impl::Ends> ends_;
};

Jobs::Jobs(asio::io_context& context, std::string directory)
    : impl_(std::make_shared<Impl>(context, std::move(directory))) {}
Jobs::~Jobs() { stop(); }

void Jobs::remove_stale() {
  std::error_code error;
  fs::create_directories(impl_->directory, error);
  for (const auto& item : fs::directory_iterator(impl_->directory, error)) {
    std::error_code ignored;
    fs::remove_all(item.path(), ignored);
  }
}

std::unique_ptr<Job> Jobs::make(const std::string& name, const job::Spec& spec, const RingSizes& sizes,
                                OnMessage on_message) {
  auto ends = std::make_shared<Impl::Ends>(impl_->context);
  ends->name = name;
  ends->paths.folder = impl_->directory + "/" + name;
  ends->spec = spec;
  ends->sizes = sizes;
  ends->on_message = std::move(on_message);
  impl_->jobs.push_back(ends);
  impl_->begin(ends);
  return std::make_unique<Link>(impl_, std::move(ends));
}

void Jobs::stop() {
  impl_->stopped = true;
  impl_->turns.cancel();
  impl_->retries.cancel();
  for (const auto& ends : impl_->jobs) {
    error_code ignored;
    ends->wake.close(ignored);
  }
}

std::size_t Jobs::count() const { return impl_->jobs.size(); }

}  // namespace headgate::bridge::transcode

// A worker kept alive for a sound or ladder job: task.h.

#include <optional>
#include <utility>

#include "control/log/log.h"
#include "dataplane/ring/message_ring.h"
#include "dataplane/transcode/task.h"
#include "dataplane/transcode/worker_loop.h"

namespace headgate::transcode {
namespace {

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

// Away longer than this between two looks, the supervisor can't say since when a worker takes nothing.
constexpr std::chrono::seconds kAway{2};
constexpr std::uint32_t kOwn = 0;  // in the file of strikes: the job's only worker

class Job : public Task {
 public:
  Job(const Environment& environment, std::string name, const job::Paths& paths, const job::Spec& spec,
      StrikesPlace strikes, ring::MessageRingView to_worker, ring::MessageRingView from_worker)
      : environment_(environment),
        name_(std::move(name)),
        paths_(paths),
        spec_(spec),
        limits_(environment.rules.limits(spec.kind)),
        to_worker_(std::move(to_worker)),
        from_worker_(std::move(from_worker)),
        strikes_place_(std::move(strikes)),
        strikes_(environment.rules) {
    StrikesFile before = read_strikes(strikes_place_);
    strikes_.restore(before.of[kOwn], Clock::now());
    totals_.last_error = std::move(before.last_error);
    if (!strikes_.quarantined()) return;
    start_at_ = strikes_.quarantined_until();
    log::warning({spec_.channel, "worker_quarantined"}, "{}: in quarantine still: {}", name_,
                 totals_.last_error);
  }

  void on_turn(Clock::time_point now) override {
    if (child_) {
      if (const auto end = child_->reap()) on_end(*end, now);
    }
    if (child_) {
      watch(now);
    } else if (now >= start_at_) {
      start(now);
    }
  }

  Clock::time_point deadline() const override { return child_ ? Clock::time_point::max() : start_at_; }

  void add_descriptors(std::vector<pollfd>& entries) const override {
    if (child_) entries.push_back({child_->pidfd(), POLLIN, 0});
  }

  bool stale() const override { return to_worker_.stale() || from_worker_.stale(); }

  TaskStatus status() const override {
    TaskStatus status = totals_;
    status.state = child_                   ? TaskState::running
                   : strikes_.quarantined() ? TaskState::quarantined
                                            : TaskState::backing_off;
    if (child_) {
      status.pid = child_->pid();
      status.cpu_seconds += seconds(child_->cpu_time());
      status.memory = child_->private_memory();
    } else {
      status.cpu_ratio = 0;
    }
    return status;
  }

 private:
  void start(Clock::time_point now) {
    auto in = ring::MessageConsumer::open(paths_.to_worker());
    auto out = ring::MessageProducer::open(paths_.from_worker());
    if (!in || !out) return could_not_start(in ? out.error() : in.error(), now);
    WorkerLoop loop(**in, **out);
    const std::array keep{(*in)->wake_fd(), (*out)->wake_fd()};
    const Child::Plan plan{name_, limits_, keep};
    const Workers::Make make =
        spec_.kind == job::Kind::ladder ? environment_.workers.ladder : environment_.workers.sound;
    auto child = Child::start(
        plan, environment_.filter, [&] { loop.begin(make); }, [&] { loop.run(); });
    if (!child) return could_not_start(child.error(), now);
    child_.emplace(std::move(*child));
    strikes_.on_start(now);
    if (std::exchange(started_before_, true)) ++totals_.restarts;
    looked_at_ = waiting_since_ = window_began_ = now;
    window_cpu_ = {};
    killed_for_.reset();
    log::info({spec_.channel, "worker_started"}, "{}: worker started, pid {}", name_, child_->pid());
  }

  // No fault of the worker's.
  void could_not_start(const std::string& why, Clock::time_point now) {
    if (totals_.last_error != why)
      log::error({spec_.channel, "worker_not_started"}, "{}: can't start its worker: {}", name_, why);
    totals_.last_error = why;
    start_at_ = now + environment_.rules.scan_interval;
  }

  void on_end(const End& end, Clock::time_point now) {
    // By us: "killed", but not by somebody else.
    const Death death = killed_for_.value_or(end.death);
    const bool blame = killed_for_ || blamed(end, limits_);
    ++totals_.deaths[static_cast<std::size_t>(death)];
    totals_.cpu_seconds += seconds(end.cpu_time);
    totals_.last_error = why(death, end);
    child_.reset();
    start_at_ = strikes_.on_death(now, blame);
    write_strikes(strikes_place_, {totals_.last_error, {{kOwn, strikes_.record()}}});
    const auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(start_at_ - now);
    if (strikes_.quarantined()) {
      log::error({spec_.channel, "worker_quarantined"},
                 "{}: worker {}; it died too often, no other is started for {} s", name_, totals_.last_error,
                 pause.count() / 1000);
    } else {
      log::warning({spec_.channel, "worker_died"}, "{}: worker {}; starting it again in {} ms", name_,
                   totals_.last_error, pause.count());
    }
  }

  static std::string why(Death death, const End& end) {
    switch (death) {
      case Death::hung:
        return "took no message for too long";
      case Death::cpu:
        return "used more CPU time than it may";
      case Death::violated:
        return "made a system call that it may not (" + end.how + ")";
      default:
        return end.how;
    }
  }

  void watch(Clock::time_point now) {
    const bool was_away = now - std::exchange(looked_at_, now) > kAway;
    const std::uint64_t position = to_worker_.read_position();
    if (was_away || position != position_ || to_worker_.empty()) {
      position_ = position;
      waiting_since_ = now;
    }
    if (now - waiting_since_ >= environment_.rules.hang_bound) return kill(Death::hung);
    const auto window = now - window_began_;
    if (window < environment_.rules.cpu_window) return;
    const auto used = child_->cpu_time();
    totals_.cpu_ratio = seconds(used - window_cpu_) / seconds(window);
    window_began_ = now;
    window_cpu_ = used;
    if (limits_.cpu < 1 && totals_.cpu_ratio > limits_.cpu) kill(Death::cpu);
  }

  void kill(Death reason) {
    if (killed_for_) return;  // on its way
    killed_for_ = reason;
    child_->kill();
  }

  const Environment& environment_;
  const std::string name_;
  const job::Paths paths_;
  const job::Spec spec_;
  const Limits limits_;
  ring::MessageRingView to_worker_;
  ring::MessageRingView from_worker_;
  const StrikesPlace strikes_place_;
  Strikes strikes_;
  std::optional<Child> child_;
  TaskStatus totals_;  // of children that ended
  Clock::time_point start_at_{};
  bool started_before_ = false;
  std::optional<Death> killed_for_;
  // The watchdog.
  Clock::time_point looked_at_{};
  Clock::time_point waiting_since_{};  // nothing was taken since, though there is something
  std::uint64_t position_ = 0;
  Clock::time_point window_began_{};
  std::chrono::nanoseconds window_cpu_{};
};

}  // namespace

const char* to_string(TaskState state) noexcept {
  switch (state) {
    case TaskState::running:
      return "running";
    case TaskState::quarantined:
      return "quarantined";
    case TaskState::backing_off:
      break;
  }
  return "backing_off";
}

tl::expected<std::unique_ptr<Task>, std::string> make_job(const Environment& environment, std::string name,
                                                          const job::Paths& paths, const job::Spec& spec,
                                                          StrikesPlace strikes) {
  auto in = ring::MessageRingView::open(paths.to_worker());
  if (!in) return tl::unexpected<std::string>(in.error());
  auto out = ring::MessageRingView::open(paths.from_worker());
  if (!out) return tl::unexpected<std::string>(out.error());
  return std::make_unique<Job>(environment, std::move(name), paths, spec, std::move(strikes), std::move(*in),
                               std::move(*out));
}

}  // namespace headgate::transcode

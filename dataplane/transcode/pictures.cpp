// A process for each picture: task.h. The request is copied, unread but for its header, into memory that
// this one child gets; the child writes its result into another piece of that memory and exits.
//
// What one asker sent must not reach another's child: every piece is kept from children except from the one
// it is for, and holds nothing of the request before.
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "control/log/log.h"
#include "dataplane/ring/message_ring.h"
#include "dataplane/transcode/task.h"

namespace headgate::transcode {
namespace {

constexpr std::size_t kMaxResult = 1024 * 1024;
constexpr int kPatience = 5;              // bounds that a picture without a core gets
constexpr std::size_t kMaxAskers = 4096;  // that are remembered for their kills

// Anonymous memory, shared with the child it is given to.
class Piece {
 public:
  static std::optional<Piece> make(std::size_t size) {
    void* memory =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return std::nullopt;
    Piece piece;
    piece.memory_ = static_cast<std::uint8_t*>(memory);
    piece.size_ = size;
    piece.show(false);
    return piece;
  }
  Piece(Piece&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)), size_(other.size_), used_(other.used_) {}
  Piece& operator=(Piece&&) = delete;
  ~Piece() {
    if (memory_ != nullptr) ::munmap(memory_, size_);
  }
  // To the next child that is forked.
  void show(bool shown) noexcept { ::madvise(memory_, size_, shown ? MADV_DOFORK : MADV_DONTFORK); }
  // Nothing remains of what was there.
  void put(std::span<const std::uint8_t> bytes) noexcept {
    std::memcpy(memory_, bytes.data(), bytes.size());
    if (used_ > bytes.size()) std::memset(memory_ + bytes.size(), 0, used_ - bytes.size());
    used_ = bytes.size();
  }
  void wipe() noexcept { std::memset(memory_, 0, size_); }
  std::size_t size() const noexcept { return size_; }
  std::span<std::uint8_t> all() const noexcept { return {memory_, size_}; }

 private:
  Piece() = default;
  std::uint8_t* memory_ = nullptr;
  std::size_t size_ = 0;
  std::size_t used_ = 0;
};

double seconds_of(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

class Pictures : public Task {
 public:
  Pictures(const Environment& environment, StrikesPlace strikes, ring::MessageRingView to_worker,
           ring::MessageRingView from_worker, std::unique_ptr<ring::MessageConsumer> in,
           std::unique_ptr<ring::MessageProducer> out, Piece message)
      : environment_(environment),
        strikes_place_(std::move(strikes)),
        limits_(environment.rules.limits(job::Kind::pictures)),
        to_worker_(std::move(to_worker)),
        from_worker_(std::move(from_worker)),
        in_(std::move(in)),
        out_(std::move(out)),
        slots_(std::max<std::size_t>(environment.rules.pictures_at_once, 1)),
        message_(std::move(message)) {
    in_->keep_from_children();
    out_->keep_from_children();
    const auto now = Clock::now();
    for (const auto& [asker, record] : read_strikes(strikes_place_).of) {
      if (askers_.size() >= kMaxAskers) break;
      Asker& entry = askers_.try_emplace(asker, Asker{Strikes(environment.rules), now}).first->second;
      entry.strikes.restore(record, now);
    }
  }

  void on_turn(Clock::time_point now) override {
    for (Slot& slot : slots_) {
      if (!slot.child) continue;
      if (const auto end = slot.child->reap()) {
        on_end(slot, *end, now);
      } else if (now >= slot.until && !slot.killed) {
        overdue(slot, now);
      }
    }
    in_->awake();
    while (Slot* slot = free_slot()) {
      if (!take(*slot, now) && in_->prepare_sleep()) break;
    }
    out_->flush();
    count_cpu(now);
  }

  Clock::time_point deadline() const override {
    auto next = Clock::time_point::max();
    for (const Slot& slot : slots_) {
      if (slot.child && !slot.killed) next = std::min(next, slot.until);
    }
    return next;
  }

  // While no child can be had, requests wait.
  void add_descriptors(std::vector<pollfd>& entries) const override {
    bool free = false;
    for (const Slot& slot : slots_) {
      free = free || !slot.child;
      if (slot.child) entries.push_back({slot.child->pidfd(), POLLIN, 0});
    }
    if (free) entries.push_back({in_->wake_fd(), POLLIN, 0});
  }

  bool stale() const override { return to_worker_.stale() || from_worker_.stale(); }

  TaskStatus status() const override {
    TaskStatus status = totals_;
    status.state = TaskState::running;
    for (const Slot& slot : slots_) {
      if (!slot.child) continue;
      status.cpu_seconds += seconds_of(slot.child->cpu_time());
      status.memory += slot.child->private_memory();
    }
    return status;
  }

 private:
  struct Slot {
    std::optional<Piece> question;
    std::optional<Piece> answer;
    std::optional<Child> child;
    ring::MessageHeader header;  // of the request
    Clock::time_point began{};
    Clock::time_point until{};
    bool killed = false;
    bool starved = false;
  };
  // How much of `answer` the child wrote; first in it.
  using Size = std::uint64_t;

  // One that was ready and had no core for most of its time gets more of it, and is not to blame.
  void overdue(Slot& slot, Clock::time_point now) const {
    const auto bound = environment_.rules.picture_bound;
    slot.starved = slot.child->waited() > (now - slot.began) / 2;
    if (slot.starved && now - slot.began < kPatience * bound) {
      slot.until = now + bound;
      return;
    }
    slot.killed = true;
    slot.child->kill();
  }

  Slot* free_slot() noexcept {
    const auto slot = std::find_if(slots_.begin(), slots_.end(), [](const Slot& s) { return !s.child; });
    return slot == slots_.end() ? nullptr : &*slot;
  }

  // False: no request there.
  bool take(Slot& slot, Clock::time_point now) {
    return in_->poll(1, [&](const ring::MessageHeader& header, std::span<const std::uint8_t> payload) {
      if (header.kind != static_cast<std::uint16_t>(job::Message::picture)) return;
      slot.header = header;
      const auto request = job::read<job::PictureRequest>(payload);
      if (!request) return answer(header, job::PictureVerdict::undecodable);
      if (refused(header.id, now)) return answer(header, job::PictureVerdict::refused);
      look(slot, *request, payload.subspan(sizeof *request), now);
    }) == 1;
  }

  bool make_pieces(Slot& slot, std::size_t wanted) {
    if (!slot.question || slot.question->size() < wanted) {
      slot.question.reset();
      auto piece = Piece::make(std::max<std::size_t>(wanted * 2, 1024 * 1024));
      if (piece) slot.question.emplace(std::move(*piece));
    }
    if (!slot.answer) {
      auto piece = Piece::make(kMaxResult);
      if (piece) slot.answer.emplace(std::move(*piece));
    }
    return slot.question && slot.answer;
  }

  void look(Slot& slot, const job::PictureRequest& request, std::span<const std::uint8_t> access_units,
            Clock::time_point now) {
    if (!make_pieces(slot, access_units.size())) return give_up(slot, "no memory for a picture");
    slot.question->put(access_units);
    slot.answer->wipe();
    slot.question->show(true);
    slot.answer->show(true);
    const std::span<const std::uint8_t> units = slot.question->all().first(access_units.size());
    const std::span<std::uint8_t> out = slot.answer->all();
    const Workers::Look eyes = environment_.workers.look;
    auto child = Child::start(
        {"picture", limits_, {}}, environment_.filter, [] {},
        [&] {
          const Size size = eyes(request, units, out.subspan(sizeof(Size)));
          std::memcpy(out.data(), &size, sizeof size);
        });
    slot.question->show(false);
    slot.answer->show(false);
    if (!child) return give_up(slot, child.error());
    slot.child.emplace(std::move(*child));
    slot.began = now;
    slot.until = now + environment_.rules.picture_bound;
    slot.killed = slot.starved = false;
  }

  void give_up(const Slot& slot, const std::string& why) {
    if (totals_.last_error != why) log::error({"", "pictures"}, "pictures: {}", why);
    totals_.last_error = why;
    answer(slot.header, job::PictureVerdict::crashed);
  }

  void on_end(Slot& slot, const End& end, Clock::time_point now) {
    slot.child.reset();
    totals_.cpu_seconds += seconds_of(end.cpu_time);
    if (end.clean) return pass_on(slot, end.cpu_time);
    const bool late = slot.killed || end.death == Death::cpu;
    const Death death = slot.killed ? Death::hung : end.death;
    ++totals_.deaths[static_cast<std::size_t>(death)];
    totals_.last_error = slot.killed ? "took longer than it may" : end.how;
    const bool blame = slot.killed ? !slot.starved : blamed(end, limits_);
    const bool first = blame && strike(slot.header.id, now);
    if (first)
      log::warning({"", "worker_died"}, "pictures: the process of asker {}'s picture: {}", slot.header.id,
                   totals_.last_error);
    answer(slot.header, late ? job::PictureVerdict::timed_out : job::PictureVerdict::crashed, end.cpu_time);
  }

  // The child is not believed: what it says about sizes must fit, and what only we can say is ours. What it
  // made is a channel's picture: it goes nowhere but into memory that no child gets, not even by way of our
  // stack.
  void pass_on(Slot& slot, std::chrono::nanoseconds cpu_time) {
    const std::span<const std::uint8_t> said = slot.answer->all();
    Size size = 0;
    std::memcpy(&size, said.data(), sizeof size);
    if (size < sizeof(job::PictureResult) || size > said.size() - sizeof size)
      return answer(slot.header, job::PictureVerdict::undecodable, cpu_time);
    message_.put(said.subspan(sizeof size, size));
    job::PictureResult& result = begin_of_message();
    if (result.verdict != job::PictureVerdict::shown) result.verdict = job::PictureVerdict::undecodable;
    const auto left = static_cast<std::uint32_t>(size - sizeof result);
    result.jpeg_size = std::min(result.jpeg_size, left);
    send(slot.header, cpu_time);
  }

  void answer(const ring::MessageHeader& request, job::PictureVerdict verdict,
              std::chrono::nanoseconds cpu_time = {}) {
    static constexpr job::PictureResult kNothing;
    message_.put(job::bytes_of(kNothing));
    begin_of_message().verdict = verdict;
    send(request, cpu_time);
  }

  job::PictureResult& begin_of_message() noexcept {
    return *reinterpret_cast<job::PictureResult*>(message_.all().data());
  }

  void send(const ring::MessageHeader& request, std::chrono::nanoseconds cpu_time) {
    job::PictureResult& result = begin_of_message();
    ++totals_.verdicts[static_cast<std::size_t>(result.verdict)];
    result.decode_us =
        static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::microseconds>(cpu_time).count());
    ring::MessageHeader header = request;
    header.kind = static_cast<std::uint16_t>(job::Message::result);
    header.flags = 0;
    out_->push(header, message_.all().first(sizeof result + result.jpeg_size));
  }

  bool refused(std::uint32_t asker, Clock::time_point now) {
    const auto found = askers_.find(asker);
    if (found == askers_.end() || !found->second.strikes.quarantined()) return false;
    if (now < found->second.strikes.quarantined_until()) return true;
    found->second.strikes.on_start(now);
    return false;
  }

  // True: its first for a while.
  bool strike(std::uint32_t asker, Clock::time_point now) {
    if (askers_.size() >= kMaxAskers)
      std::erase_if(askers_, [&](const auto& entry) {
        return now - entry.second.last > environment_.rules.strike_window &&
               now >= entry.second.strikes.quarantined_until();
      });
    if (askers_.size() >= kMaxAskers && !askers_.contains(asker)) return false;
    Asker& entry = askers_.try_emplace(asker, Asker{Strikes(environment_.rules), {}}).first->second;
    const bool first =
        entry.last == Clock::time_point{} || now - entry.last > environment_.rules.strike_window;
    entry.last = now;
    const auto next = entry.strikes.on_death(now);
    remember();
    if (entry.strikes.quarantined()) {
      log::error({"", "worker_quarantined"},
                 "pictures: asker {}'s pictures killed their processes too often; none is looked at for {} s",
                 asker, std::chrono::duration_cast<std::chrono::seconds>(next - now).count());
    }
    return first;
  }

  void remember() const {
    StrikesFile file{totals_.last_error, {}};
    for (const auto& [asker, entry] : askers_) file.of[asker] = entry.strikes.record();
    write_strikes(strikes_place_, file);
  }

  void count_cpu(Clock::time_point now) {
    const auto window = now - window_began_;
    if (window < environment_.rules.cpu_window) return;
    if (window_began_ != Clock::time_point{})
      totals_.cpu_ratio = (totals_.cpu_seconds - window_cpu_) / seconds_of(window);
    window_began_ = now;
    window_cpu_ = totals_.cpu_seconds;
  }

  struct Asker {
    Strikes strikes;
    Clock::time_point last{};
  };

  const Environment& environment_;
  const StrikesPlace strikes_place_;
  const Limits limits_;
  ring::MessageRingView to_worker_;
  ring::MessageRingView from_worker_;
  std::unique_ptr<ring::MessageConsumer> in_;
  std::unique_ptr<ring::MessageProducer> out_;
  std::vector<Slot> slots_;
  Piece message_;                          // the result on its way
  std::map<std::uint32_t, Asker> askers_;  // whose pictures killed their process
  TaskStatus totals_;
  Clock::time_point window_began_{};
  double window_cpu_ = 0;
};

}  // namespace

tl::expected<std::unique_ptr<Task>, std::string> make_pictures(const Environment& environment,
                                                               const job::Paths& paths,
                                                               StrikesPlace strikes) {
  auto to_worker = ring::MessageRingView::open(paths.to_worker());
  if (!to_worker) return tl::unexpected<std::string>(to_worker.error());
  auto from_worker = ring::MessageRingView::open(paths.from_worker());
  if (!from_worker) return tl::unexpected<std::string>(from_worker.error());
  auto in = ring::MessageConsumer::open(paths.to_worker());
  if (!in) return tl::unexpected<std::string>(in.error());
  auto out = ring::MessageProducer::open(paths.from_worker());
  if (!out) return tl::unexpected<std::string>(out.error());
  auto message = Piece::make(kMaxResult);
  if (!message) return tl::unexpected<std::string>("no memory for pictures");
  return std::make_unique<Pictures>(environment, std::move(strikes), std::move(*to_worker),
                                    std::move(*from_worker), std::move(*in), std::move(*out),
                                    std::move(*message));
}

}  // namespace headgate::transcode

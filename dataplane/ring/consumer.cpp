#include <unistd.h>

#include <atomic>
#include <utility>

#include "dataplane/ring/layout.h"

namespace headgate::ring {

namespace {

// Times so far from any that readers can add and subtract them without looking: until the year 2116.
constexpr std::int64_t kLatestArrival = std::int64_t{1} << 62;
constexpr std::int64_t kFarthestTime = std::int64_t{1} << 59;

bool believable(const Slot& slot) noexcept {
  const auto near = [](std::int64_t time) { return time >= -kFarthestTime && time <= kFarthestTime; };
  return slot.packet_count >= 1 && slot.packet_count <= kMaxPacketsPerSlot && slot.arrival_ns >= 0 &&
         slot.arrival_ns <= kLatestArrival && near(slot.timeline) && near(slot.offset);
}

}  // namespace

struct Consumer::Impl {
  explicit Impl(Mapping mapped) : mapping(std::move(mapped)) {}

  // False when the producer's position can't be true; the ring is then given up.
  bool take_tail() noexcept {
    const std::uint64_t reported = mapping.header().tail.load(std::memory_order_acquire);
    if (reported - tail > mapping.slot_count() || !mapping.plausible(head, reported)) {
      corrupt.store(true, std::memory_order_relaxed);
      return false;
    }
    tail = reported;
    return true;
  }

  bool given_up() const noexcept { return corrupt.load(std::memory_order_relaxed); }

  Mapping mapping;
  Slot taken;  // a copy: the other end may still write where it was
  std::uint64_t head = 0;
  std::uint64_t released = 0;
  std::uint64_t tail = 0;  // the producer's, as last believed
  std::uint32_t producer_epoch = 0;
  std::atomic<bool> corrupt{false};  // once true, it stays so; stale() reads it from another thread
};

Consumer::Consumer() = default;
Consumer::~Consumer() = default;

tl::expected<std::unique_ptr<Consumer>, std::string> Consumer::open(const std::string& path) {
  auto mapping = Mapping::open(path, Role::consumer);
  if (!mapping) return tl::unexpected<std::string>(mapping.error());
  std::unique_ptr<Consumer> consumer(new Consumer());
  consumer->impl_ = std::make_unique<Impl>(std::move(*mapping));
  Impl& impl = *consumer->impl_;
  Header& header = impl.mapping.header();
  impl.producer_epoch = header.producer_epoch.load(std::memory_order_acquire);
  impl.tail = header.tail.load(std::memory_order_acquire);
  impl.head = impl.tail;
  impl.released = impl.tail;
  header.wake.store(0);
  header.head.store(impl.head, std::memory_order_release);
  header.consumer_epoch.fetch_add(1, std::memory_order_release);
  return consumer;
}

const Slot* Consumer::front() noexcept {
  Impl& impl = *impl_;
  for (;;) {
    if (impl.head == impl.tail && (impl.given_up() || !impl.take_tail() || impl.head == impl.tail))
      return nullptr;
    impl.taken = impl.mapping.slot(impl.head);
    if (believable(impl.taken)) return &impl.taken;
    ++impl.head;  // no producer of ours writes such a slot; its channel sees the gap in `sequence`
  }
}

void Consumer::pop() noexcept { ++impl_->head; }

void Consumer::release() noexcept {
  if (impl_->head == impl_->released) return;
  impl_->mapping.header().head.store(impl_->head, std::memory_order_release);
  impl_->released = impl_->head;
}

bool Consumer::producer_restarted() noexcept {
  const std::uint32_t epoch = impl_->mapping.header().producer_epoch.load(std::memory_order_acquire);
  return std::exchange(impl_->producer_epoch, epoch) != epoch;
}

bool Consumer::prepare_sleep() noexcept {
  Impl& impl = *impl_;
  Header& header = impl.mapping.header();
  header.wake.store(1, std::memory_order_relaxed);
  // Pairs with the fence in Producer::flush.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (impl.head == impl.tail && (impl.given_up() || header.tail.load(std::memory_order_acquire) == impl.head))
    return true;
  header.wake.store(0, std::memory_order_relaxed);
  return false;
}

void Consumer::awake() noexcept {
  impl_->mapping.header().wake.store(0, std::memory_order_relaxed);
  std::array<char, 64> bytes;
  while (::read(impl_->mapping.wake_fd(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size())) {
  }
}

int Consumer::wake_fd() const noexcept { return impl_->mapping.wake_fd(); }

bool Consumer::stale() const noexcept { return impl_->given_up() || impl_->mapping.stale(); }

}  // namespace headgate::ring

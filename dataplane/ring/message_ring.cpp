#include "dataplane/ring/message_ring.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdio>
#include <new>
#include <utility>

#include "dataplane/ring/files.h"
#include "dataplane/ring/message_layout.h"

namespace headgate::ring {
namespace {

std::span<const std::uint8_t> bytes_of(const MessageHeader& header) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(&header), sizeof header};
}

// Where messages are copied to before they are looked at. Kept from children: what one worker's messages hold
// is not for another's.
class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    if (memory_ != nullptr) ::munmap(memory_, size_);
  }
  // Empty where there is no memory.
  std::span<std::uint8_t> take(std::size_t wanted, std::size_t most) noexcept {
    if (memory_ == nullptr) {
      void* memory =
          ::mmap(nullptr, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (memory == MAP_FAILED) return {};
      ::madvise(memory, most, MADV_DONTFORK);
      memory_ = static_cast<std::uint8_t*>(memory);
      size_ = most;
    }
    return {memory_, std::min(wanted, size_)};
  }

 private:
  std::uint8_t* memory_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace

tl::expected<void, std::string> make_message_ring(const std::string& path, std::size_t bytes) {
  const std::uint64_t capacity =
      std::bit_ceil(std::clamp<std::uint64_t>(bytes, kMinMessageBytes, kMaxMessageBytes));
  if (auto made = make_fifo(path + ".wake"); !made) return made;
  const std::string temporary = path + ".new";
  const auto fd = make_file(temporary, kMessageHeaderPage + capacity);
  if (!fd) return tl::unexpected<std::string>(fd.error());
  MessagePage page{};
  page.magic = kMessageMagic;
  page.version = kMessageVersion;
  page.capacity = capacity;
  const bool written = ::pwrite(*fd, &page, sizeof page, 0) == static_cast<ssize_t>(sizeof page);
  ::close(*fd);
  if (!written) return failure("can't write", temporary);
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return failure("can't rename to", path);
  return {};
}

struct MessageProducer::Impl {
  explicit Impl(MessageMapping mapped) : mapping(std::move(mapped)) {}

  // A position that goes backward or past what was published is not believed: the ring then just stays as
  // full as it is.
  void take_released() noexcept {
    const std::uint64_t reported = mapping.page().head.load(std::memory_order_acquire);
    if (reported - head <= published - head && reported % 8 == 0) head = reported;
  }
  // All streams past the last one of their own share its place.
  bool& lost(std::uint16_t stream) noexcept { return losses[std::min<std::size_t>(stream, kMaxStreams)]; }

  MessageMapping mapping;
  std::array<bool, kMaxStreams + 1> losses{};
  std::uint64_t tail = 0;  // of pushed messages; published by flush()
  std::uint64_t published = 0;
  std::uint64_t head = 0;  // the consumer's, as last believed
  std::uint64_t dropped = 0;
};

MessageProducer::MessageProducer() = default;
MessageProducer::~MessageProducer() = default;

tl::expected<std::unique_ptr<MessageProducer>, std::string> MessageProducer::open(const std::string& path) {
  auto mapping = MessageMapping::open(path);
  if (!mapping) return tl::unexpected<std::string>(mapping.error());
  std::unique_ptr<MessageProducer> producer(new MessageProducer());
  producer->impl_ = std::make_unique<Impl>(std::move(*mapping));
  Impl& impl = *producer->impl_;
  MessagePage& page = impl.mapping.page();
  impl.tail = page.tail.load(std::memory_order_acquire) & ~std::uint64_t{7};
  impl.published = impl.tail;
  impl.head = page.head.load(std::memory_order_acquire);
  // Full, until the consumer says something that can be true.
  if (impl.tail - impl.head > impl.mapping.capacity() || impl.head % 8 != 0)
    impl.head = impl.tail - impl.mapping.capacity();
  // What a predecessor had in hand is lost.
  if (page.producer_epoch.fetch_add(1, std::memory_order_acq_rel) != 0) impl.losses.fill(true);
  return producer;
}

bool MessageProducer::push(const MessageHeader& header, std::span<const std::uint8_t> payload) noexcept {
  Impl& impl = *impl_;
  const std::uint64_t capacity = impl.mapping.capacity();
  const std::uint64_t wanted = padded(sizeof header + static_cast<std::uint64_t>(payload.size()));
  const auto fits = [&] { return wanted <= capacity - (impl.tail - impl.head); };
  if (!fits()) impl.take_released();
  bool& lost = impl.lost(header.stream);
  if (payload.size() > capacity || !fits()) {
    lost = true;
    ++impl.dropped;
    return false;
  }
  MessageHeader written = header;
  written.size = static_cast<std::uint32_t>(payload.size());
  written.flags = (header.flags & ~kMessageLoss) | (std::exchange(lost, false) ? kMessageLoss : 0);
  impl.mapping.write(impl.tail, bytes_of(written));
  impl.mapping.write(impl.tail + sizeof written, payload);
  impl.tail += wanted;
  return true;
}

void MessageProducer::flush() noexcept {
  Impl& impl = *impl_;
  MessagePage& page = impl.mapping.page();
  if (impl.tail != impl.published) {
    page.tail.store(impl.tail, std::memory_order_release);
    impl.published = impl.tail;
    // Pairs with the fence in MessageConsumer::prepare_sleep: either we see its flag or it sees our tail.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (page.wake.load(std::memory_order_relaxed) != 0 && page.wake.exchange(0) != 0) {
      const char byte = 1;
      // A full FIFO is readable already.
      [[maybe_unused]] const ssize_t n = ::write(impl.mapping.wake_fd(), &byte, 1);
    }
  }
  impl.take_released();
}

std::uint64_t MessageProducer::dropped() const noexcept { return impl_->dropped; }

std::uint64_t MessageProducer::unread() noexcept {
  impl_->take_released();
  return impl_->tail - impl_->head;
}

std::uint32_t MessageProducer::consumer_epoch() const noexcept {
  return impl_->mapping.page().consumer_epoch.load(std::memory_order_acquire);
}

void MessageProducer::keep_from_children() noexcept { impl_->mapping.keep_from_children(); }

int MessageProducer::wake_fd() const noexcept { return impl_->mapping.wake_fd(); }

struct MessageConsumer::Impl {
  explicit Impl(MessageMapping mapped) : mapping(std::move(mapped)) {}

  // Everything up to where the producer says it is, is given up.
  void give_up() noexcept {
    ++damaged;
    reported = mapping.page().tail.load(std::memory_order_acquire);
    head = tail = reported & ~std::uint64_t{7};
  }

  MessageMapping mapping;
  Scratch scratch;
  std::uint64_t head = 0;
  std::uint64_t released = 0;
  std::uint64_t tail = 0;      // the producer's, as last believed
  std::uint64_t reported = 0;  // and as it stood there
  std::uint64_t damaged = 0;
};

MessageConsumer::MessageConsumer() = default;
MessageConsumer::~MessageConsumer() = default;

tl::expected<std::unique_ptr<MessageConsumer>, std::string> MessageConsumer::open(const std::string& path) {
  auto mapping = MessageMapping::open(path);
  if (!mapping) return tl::unexpected<std::string>(mapping.error());
  std::unique_ptr<MessageConsumer> consumer(new MessageConsumer());
  consumer->impl_ = std::make_unique<Impl>(std::move(*mapping));
  Impl& impl = *consumer->impl_;
  MessagePage& page = impl.mapping.page();
  impl.reported = page.tail.load(std::memory_order_acquire);
  impl.head = impl.tail = impl.released = impl.reported & ~std::uint64_t{7};
  page.wake.store(0);
  page.head.store(impl.head, std::memory_order_release);
  page.consumer_epoch.fetch_add(1, std::memory_order_acq_rel);
  return consumer;
}

bool MessageConsumer::next(MessageHeader& header, std::span<const std::uint8_t>& payload) {
  Impl& impl = *impl_;
  const std::uint64_t capacity = impl.mapping.capacity();
  if (impl.head == impl.tail) {
    const std::uint64_t reported = impl.mapping.page().tail.load(std::memory_order_acquire);
    if (reported == impl.reported) return false;
    if (reported - impl.head > capacity || reported % 8 != 0) {
      impl.give_up();
      return false;
    }
    impl.reported = impl.tail = reported;
  }
  const std::uint64_t available = impl.tail - impl.head;
  MessageHeader taken;
  impl.mapping.read(impl.head, {reinterpret_cast<std::uint8_t*>(&taken), sizeof taken});
  if (available < sizeof taken || taken.size > available - sizeof taken) {
    impl.give_up();
    return false;
  }
  const std::span<std::uint8_t> copy = impl.scratch.take(taken.size, capacity);
  if (copy.size() != taken.size) {  // no memory: as if it had not fitted
    impl.give_up();
    return false;
  }
  impl.mapping.read(impl.head + sizeof taken, copy);
  impl.head += padded(sizeof taken + static_cast<std::uint64_t>(taken.size));
  header = taken;
  payload = copy;
  return true;
}

void MessageConsumer::release() noexcept {
  if (impl_->head == impl_->released) return;
  impl_->mapping.page().head.store(impl_->head, std::memory_order_release);
  impl_->released = impl_->head;
}

bool MessageConsumer::prepare_sleep() noexcept {
  Impl& impl = *impl_;
  MessagePage& page = impl.mapping.page();
  page.wake.store(1, std::memory_order_relaxed);
  // Pairs with the fence in MessageProducer::flush.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (impl.head == impl.tail && page.tail.load(std::memory_order_acquire) == impl.reported) return true;
  page.wake.store(0, std::memory_order_relaxed);
  return false;
}

void MessageConsumer::awake() noexcept {
  impl_->mapping.page().wake.store(0, std::memory_order_relaxed);
  // Once: whatever a hostile producer adds makes it readable again, and doesn't hold us here.
  std::array<char, 4096> bytes;
  [[maybe_unused]] const ssize_t n = ::read(impl_->mapping.wake_fd(), bytes.data(), bytes.size());
}

int MessageConsumer::wake_fd() const noexcept { return impl_->mapping.wake_fd(); }

std::uint64_t MessageConsumer::damaged() const noexcept { return impl_->damaged; }

std::uint32_t MessageConsumer::producer_epoch() const noexcept {
  return impl_->mapping.page().producer_epoch.load(std::memory_order_acquire);
}

void MessageConsumer::keep_from_children() noexcept { impl_->mapping.keep_from_children(); }

struct MessageRingView::Impl {
  explicit Impl(MessageMapping mapped) : mapping(std::move(mapped)) {}
  MessageMapping mapping;
};

tl::expected<MessageRingView, std::string> MessageRingView::open(const std::string& path) {
  auto mapping = MessageMapping::open_to_look(path);
  if (!mapping) return tl::unexpected<std::string>(mapping.error());
  MessageRingView view;
  view.impl_ = std::make_unique<Impl>(std::move(*mapping));
  return view;
}

MessageRingView::MessageRingView(MessageRingView&& other) noexcept = default;
MessageRingView& MessageRingView::operator=(MessageRingView&& other) noexcept = default;
MessageRingView::~MessageRingView() = default;

std::uint64_t MessageRingView::read_position() const noexcept {
  return impl_->mapping.page().head.load(std::memory_order_acquire);
}

bool MessageRingView::empty() const noexcept {
  const std::uint64_t head = impl_->mapping.page().head.load(std::memory_order_acquire);
  return impl_->mapping.page().tail.load(std::memory_order_acquire) == head;
}

bool MessageRingView::stale() const noexcept { return impl_->mapping.stale(); }

}  // namespace headgate::ring

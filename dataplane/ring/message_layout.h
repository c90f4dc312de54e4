// Byte layout of a message ring's file, private to this folder. Host byte order; one machine only.
//
//   offset  size  member
//        0     8  magic "HdgMsgR1"
//        8     4  version, 1
//       16     8  capacity, a power of two from 2^12 to 2^28
//       64     8  tail: bytes ever published            \ written by the producer
//       72     4  producer_epoch: +1 for each producer /
//      128     8  head: bytes ever taken                \ written by the consumer
//      136     4  consumer_epoch: +1 for each consumer /
//      192     4  wake: 1 while the consumer wants a byte in the FIFO (PATH.wake); consumer sets, either end
//      clears
//     4096        capacity bytes; position p lies at byte p mod capacity
//
// Positions are 64-bit multiples of 8 that only rise. At a message's position lies its MessageHeader, then
// its payload, then up to 7 bytes of padding. A message belongs to the consumer while head <= position <
// tail. A new producer goes on at `tail`; a new consumer begins there. No locks: who makes the file sees to
// it that each end has one owner, and a second one does no more harm than a hostile one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <tl/expected.hpp>

namespace headgate::ring {

inline constexpr std::uint64_t kMessageMagic = 0x3152'6773'4D67'6448;  // "HdgMsgR1"
inline constexpr std::uint32_t kMessageVersion = 1;
inline constexpr std::size_t kMessageHeaderPage = 4096;
inline constexpr std::uint64_t kMinMessageBytes = std::uint64_t{1} << 12;
inline constexpr std::uint64_t kMaxMessageBytes = std::uint64_t{1} << 28;

struct MessagePage {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t reserved;
  std::uint64_t capacity;
  alignas(64) std::atomic<std::uint64_t> tail;
  std::atomic<std::uint32_t> producer_epoch;
  alignas(64) std::atomic<std::uint64_t> head;
  std::atomic<std::uint32_t> consumer_epoch;
  alignas(64) std::atomic<std::uint32_t> wake;
};
static_assert(offsetof(MessagePage, capacity) == 16);
static_assert(offsetof(MessagePage, tail) == 64 && offsetof(MessagePage, producer_epoch) == 72);
static_assert(offsetof(MessagePage, head) == 128 && offsetof(MessagePage, consumer_epoch) == 136);
static_assert(offsetof(MessagePage, wake) == 192 && sizeof(MessagePage) <= kMessageHeaderPage);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

constexpr std::uint64_t padded(std::uint64_t bytes) noexcept { return (bytes + 7) & ~std::uint64_t{7}; }

// The whole of a ring, for an end of it; or only its first page, to look at. Unmapped on destruction.
class MessageMapping {
 public:
  static tl::expected<MessageMapping, std::string> open(const std::string& path);
  static tl::expected<MessageMapping, std::string> open_to_look(const std::string& path);
  MessageMapping(MessageMapping&& other) noexcept;
  MessageMapping& operator=(MessageMapping&& other) noexcept;
  ~MessageMapping();

  MessagePage& page() const noexcept { return *reinterpret_cast<MessagePage*>(memory_); }
  std::uint64_t capacity() const noexcept { return capacity_; }  // as checked when mapped
  int wake_fd() const noexcept { return wake_fd_; }
  bool stale() const noexcept;
  // Children of this process don't have it.
  void keep_from_children() noexcept;
  // In two parts where it goes over the end. bytes.size() <= capacity().
  void write(std::uint64_t position, std::span<const std::uint8_t> bytes) noexcept;
  void read(std::uint64_t position, std::span<std::uint8_t> bytes) const noexcept;

 private:
  MessageMapping() = default;
  tl::expected<void, std::string> map(int fd, const std::string& path, bool whole);

  std::string path_;
  int wake_fd_ = -1;
  std::uint8_t* memory_ = nullptr;
  std::size_t size_ = 0;
  std::uint64_t capacity_ = 0;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
};

}  // namespace headgate::ring

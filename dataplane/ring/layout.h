// Byte layout of a ring file, private to this folder. Host byte order; one machine only.
//
//   offset  size  member
//        0     8  magic "HdgRing1"
//        8     4  version, 1
//       12     4  slot_size, 1360
//       16     8  slot_count, a power of two from 64 to 2^20
//       64     8  tail: slots ever published          \ written by the producer
//       72     4  producer_epoch: +1 for each producer /
//      128     8  head: slots ever taken               \ written by the consumer
//      136     4  consumer_epoch: +1 for each consumer /
//      192     4  wake: 1 while the consumer wants a byte in the FIFO (PATH.wake); consumer sets, either end
//      clears
//     4096        slot_count slots of slot_size bytes; position p lies at slot p mod slot_count
//
// Positions are 64-bit and only rise. A slot belongs to the consumer while head <= position < tail. Whatever
// a killed producer wrote past `tail` was never published, so the boundary after a crash is `tail` itself:
// its successor goes on there and marks the first slot of each channel as a gap. A new consumer begins at
// `tail`: what its predecessor left is discarded, and as it knows no earlier slot, its first one needs no
// mark (a mark by the producer would come late, in the middle of what it already took). Each end keeps its
// own positions in private memory and believes the other's only when 0 <= tail - head <= slot_count. Locks:
// byte 0 of the file is locked (open file description) by the producer, byte 1 by the consumer; the kernel
// frees them with the process, so a second producer or consumer is refused and a restarted one is not.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include <tl/expected.hpp>

#include "dataplane/ring/ring.h"

namespace headgate::ring {

inline constexpr std::uint64_t kMagic = 0x31676E6952676448;  // "HdgRing1"
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::size_t kHeaderSize = 4096;
inline constexpr std::uint64_t kMinSlots = 64;
inline constexpr std::uint64_t kMaxSlots = std::uint64_t{1} << 20;

struct Header {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t slot_size;
  std::uint64_t slot_count;
  alignas(64) std::atomic<std::uint64_t> tail;
  std::atomic<std::uint32_t> producer_epoch;
  alignas(64) std::atomic<std::uint64_t> head;
  std::atomic<std::uint32_t> consumer_epoch;
  alignas(64) std::atomic<std::uint32_t> wake;
};
static_assert(offsetof(Header, tail) == 64 && offsetof(Header, producer_epoch) == 72);
static_assert(offsetof(Header, head) == 128 && offsetof(Header, consumer_epoch) == 136);
static_assert(offsetof(Header, wake) == 192 && sizeof(Header) <= kHeaderSize);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

enum class Role { producer = 0, consumer = 1 };

// A mapped ring file, locked for one role. Unmaps and unlocks on destruction.
class Mapping {
 public:
  // Opens and checks an existing file. Errors name the file and what is wrong with it.
  static tl::expected<Mapping, std::string> open(const std::string& path, Role role);
  // Makes a new file with its FIFO and renames it over an old one.
  static tl::expected<Mapping, std::string> create(const std::string& path, std::uint64_t slot_count);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  Header& header() const noexcept { return *reinterpret_cast<Header*>(memory_); }
  Slot& slot(std::uint64_t position) const noexcept {
    return *reinterpret_cast<Slot*>(memory_ + kHeaderSize + (position & mask_) * sizeof(Slot));
  }
  std::uint64_t slot_count() const noexcept { return mask_ + 1; }  // as checked when mapped
  int wake_fd() const noexcept { return wake_fd_; }
  bool stale() const noexcept;
  // Another process has the file in this role.
  bool held(Role role) const noexcept;
  // Positions of the two ends that can both be true.
  bool plausible(std::uint64_t head, std::uint64_t tail) const noexcept {
    return tail - head <= slot_count();
  }

 private:
  Mapping() = default;
  tl::expected<void, std::string> map(const std::string& path, Role role);
  tl::expected<void, std::string> open_wake(const std::string& path);

  std::string path_;
  int fd_ = -1;
  int wake_fd_ = -1;
  std::uint8_t* memory_ = nullptr;
  std::size_t size_ = 0;
  std::uint64_t mask_ = 0;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
};

}  // namespace headgate::ring

// Which channel input a datagram belongs to: an open-addressing table keyed by interface, VLAN, destination
// address, UDP port and source. Immutable once built; at most a quarter full, so that a lookup touches one
// cache line nearly always. Threading: a built table is immutable and shared by any number of threads; the
// builder belongs to one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace headgate::fastpath {

struct FlowKey {
  std::uint32_t destination = 0;  // host byte order, as all here
  std::uint16_t port = 0;
  std::uint16_t vlan = 0;      // 0: untagged; 12 bits
  std::uint8_t interface = 0;  // index, below 16
  bool operator==(const FlowKey&) const = default;
};

struct Flow {
  FlowKey key;
  std::uint32_t source = 0;  // 0: any
  std::uint32_t value = 0;   // what find() returns; below kWrongSource, 24 bits
};

class FlowTable {
 public:
  static constexpr std::uint32_t kWrongSource = 0x00FFFFFE;  // taken, but from other sources only
  static constexpr std::uint32_t kNoFlow = 0x00FFFFFF;

  FlowTable();
  // False (and `built` unchanged) where two flows have the same key and source, or a member is out of range.
  static bool build(std::span<const Flow> flows, FlowTable& built);

  // The flow of this very source, else that of any source, else kWrongSource or kNoFlow.
  std::uint32_t find(const FlowKey& key, std::uint32_t source) const noexcept;
  // Calls f with the value of every flow of the key, whatever its source: for who came from none of them.
  template <typename F>
  void each(const FlowKey& key, F&& f) const noexcept {
    const std::uint64_t packed = pack(key);
    for (std::uint32_t at = home(packed); slots_[at].value != kNoFlow; at = (at + 1) & mask_) {
      if (slots_[at].key == packed) f(slots_[at].value);
    }
  }
  // Brings the line of a later find() near.
  void prefetch(const FlowKey& key) const noexcept;
  std::size_t size() const noexcept { return size_; }
  std::size_t slots() const noexcept { return slots_.size(); }

 private:
  // All flows of a key lie in one probe run from the key's home: a lookup passes them all, whatever its
  // source.
  struct Slot {
    std::uint64_t key = 0;
    std::uint32_t source = 0;
    std::uint32_t value = kNoFlow;  // kNoFlow: empty
  };
  static_assert(sizeof(Slot) == 16);
  static constexpr std::uint64_t pack(const FlowKey& key) noexcept {
    return std::uint64_t{key.destination} << 32 | std::uint64_t{key.port} << 16 |
           std::uint64_t{key.vlan} << 4 | std::uint64_t{key.interface};
  }
  std::uint32_t home(std::uint64_t packed) const noexcept;

  std::vector<Slot> slots_;
  std::uint32_t mask_ = 0;
  std::size_t size_ = 0;
};

// CRC-32C (RFC 3720 B.4) of the eight bytes, by the CPU's instruction where it has one; both ways agree.
std::uint32_t crc32c(std::uint64_t value) noexcept;
std::uint32_t crc32c_portable(std::uint64_t value) noexcept;

}  // namespace headgate::fastpath

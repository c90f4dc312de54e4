#include "dataplane/fastpath/flow/flow_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

namespace headgate::fastpath {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82F63B78U : crc >> 1;
    table[i] = crc;
  }
  return table;
}
constexpr auto kTable = make_table();

}  // namespace

std::uint32_t crc32c_portable(std::uint64_t value) noexcept {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (int i = 0; i < 8; ++i)
    crc = crc >> 8 ^ kTable[(crc ^ static_cast<std::uint32_t>(value >> (8 * i))) & 0xFF];
  return ~crc;
}

std::uint32_t crc32c(std::uint64_t value) noexcept {
#if defined(__SSE4_2__)
  return ~static_cast<std::uint32_t>(_mm_crc32_u64(0xFFFFFFFFU, value));
#else
  return crc32c_portable(value);
#endif
}

FlowTable::FlowTable() : slots_(1) {}

std::uint32_t FlowTable::home(std::uint64_t packed) const noexcept { return crc32c(packed) & mask_; }

bool FlowTable::build(std::span<const Flow> flows, FlowTable& built) {
  FlowTable table;
  table.slots_.assign(std::bit_ceil(std::max<std::size_t>(4 * flows.size(), 1)), Slot{});
  table.mask_ = static_cast<std::uint32_t>(table.slots_.size() - 1);
  for (const Flow& flow : flows) {
    // The packed key has 12 bits of VLAN and 4 of interface.
    if (flow.value >= kWrongSource || flow.key.vlan > 0x0FFF || flow.key.interface > 0x0F) return false;
    const std::uint64_t key = pack(flow.key);
    std::uint32_t at = crc32c(key) & table.mask_;
    for (; table.slots_[at].value != kNoFlow; at = (at + 1) & table.mask_) {
      if (table.slots_[at].key == key && table.slots_[at].source == flow.source) return false;
    }
    table.slots_[at] = {key, flow.source, flow.value};
    ++table.size_;
  }
  built = std::move(table);
  return true;
}

std::uint32_t FlowTable::find(const FlowKey& key, std::uint32_t source) const noexcept {
  const std::uint64_t packed = pack(key);
  std::uint32_t found = kNoFlow;
  for (std::uint32_t at = crc32c(packed) & mask_; slots_[at].value != kNoFlow; at = (at + 1) & mask_) {
    const Slot& slot = slots_[at];
    if (slot.key != packed) continue;
    if (slot.source == source) return slot.value;
    if (slot.source == 0) {
      found = slot.value;
    } else if (found == kNoFlow) {
      found = kWrongSource;
    }
  }
  return found;
}

void FlowTable::prefetch(const FlowKey& key) const noexcept {
  __builtin_prefetch(&slots_[crc32c(pack(key)) & mask_]);
}

}  // namespace headgate::fastpath

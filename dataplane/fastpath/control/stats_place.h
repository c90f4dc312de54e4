// Places in the counter page: found free, zeroed, named, and in use from the last store on. Threading: main
// thread.
#pragma once

#include <array>
#include <atomic>
#include <cstring>
#include <string>

#include "dataplane/fastpath/worker/runtime.h"

namespace headgate::fastpath {

template <std::size_t N>
void copy_text(std::array<char, N>& to, const std::string& text) {
  to.fill(0);
  text.copy(to.data(), N - 1);
}

// A free place of the counter page, its counters 0 and its names set by `fill`; kNoIndex when all are taken
// (it then just isn't shown).
template <typename Entry, std::size_t N, typename Fill>
std::size_t take_place(std::array<Entry, N>& entries, Fill fill) {
  for (std::size_t i = 0; i < N; ++i) {
    if (entries[i].in_use.load(std::memory_order_acquire) != 0) continue;
    std::memset(static_cast<void*>(&entries[i]), 0, sizeof(Entry));
    fill(entries[i]);
    entries[i].in_use.store(1, std::memory_order_release);
    return i;
  }
  return kNoIndex;
}

template <typename Entry, std::size_t N>
void free_place(std::array<Entry, N>& entries, std::size_t index) {
  if (index != kNoIndex) entries[index].in_use.store(0, std::memory_order_release);
}

}  // namespace headgate::fastpath

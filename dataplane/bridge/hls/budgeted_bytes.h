// Bytes of segments that are not finished, and what those of all channels of a thread may hold in all: the
// budget counts what is reserved, not what is filled. Threading: owned by one thread. Ownership: the budget
// outlives the bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace headgate::bridge::hls {

struct MemoryBudget {
  std::size_t limit = 0;
  std::size_t used = 0;
};

class BudgetedBytes {
 public:
  explicit BudgetedBytes(MemoryBudget* budget) : budget_(budget) {}  // null: none
  BudgetedBytes(BudgetedBytes&& other) noexcept { swap(other); }
  BudgetedBytes& operator=(BudgetedBytes&& other) noexcept {
    swap(other);
    return *this;
  }
  BudgetedBytes(const BudgetedBytes&) = delete;
  BudgetedBytes& operator=(const BudgetedBytes&) = delete;
  ~BudgetedBytes() {
    if (budget_ != nullptr) budget_->used -= charged_;
  }

  std::span<const std::uint8_t> all() const { return data_; }
  std::size_t size() const { return data_.size(); }
  std::size_t capacity() const { return data_.capacity(); }
  void clear() { data_.clear(); }  // keeps the memory

  enum class Room : std::uint8_t { yes, full, over_budget };
  // Room for `size` bytes more, grown by doubling where the budget has it, else by what is needed; never more
  // than `most` in all.
  Room make_room(std::size_t size, std::size_t most) {
    const std::size_t need = data_.size() + size;
    if (need > most) return Room::full;
    const std::size_t have = data_.capacity();
    if (need <= have) return Room::yes;
    std::size_t wanted = std::min(std::max({need, 2 * have, kFirstReserve}), most);
    if (budget_ != nullptr) {
      const std::size_t spent = budget_->used - charged_;
      const std::size_t left = budget_->limit - std::min(budget_->limit, spent);
      if (need > left) return Room::over_budget;
      wanted = std::min(wanted, left);
    }
    data_.reserve(wanted);
    charge();
    return Room::yes;
  }
  void append(std::span<const std::uint8_t> more) {
    data_.insert(data_.end(), more.begin(), more.end());
    charge();
  }

 private:
  static constexpr std::size_t kFirstReserve = 64 * 1024;

  void charge() {
    if (budget_ != nullptr) budget_->used += data_.capacity() - charged_;
    charged_ = data_.capacity();
  }
  void swap(BudgetedBytes& other) {
    std::swap(budget_, other.budget_);
    std::swap(data_, other.data_);
    std::swap(charged_, other.charged_);
  }

  MemoryBudget* budget_ = nullptr;
  std::vector<std::uint8_t> data_;
  std::size_t charged_ = 0;
};

}  // namespace headgate::bridge::hls

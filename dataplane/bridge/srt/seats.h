// How many sessions each address has: one that opens all that a bridge takes would leave none to the others,
// and libsrt believes what each of them announces. Threading: thread-safe. Ownership: a seat is left when the
// last copy of it goes; it may outlive the Seats.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace headgate::bridge::srt {

using Seat = std::shared_ptr<const void>;

class Seats {
 public:
  explicit Seats(std::size_t most) : most_(most) {}

  // Null: the address has as many as it may. `who` as of net::client_of().
  Seat take(const std::string& who) {
    const std::lock_guard lock(taken_->mutex);
    std::size_t& count = taken_->by_address[who];
    if (count >= most_) return nullptr;
    ++count;
    return {taken_.get(), [taken = taken_, who](const void*) {
              const std::lock_guard leaving(taken->mutex);
              const auto place = taken->by_address.find(who);
              if (--place->second == 0) taken->by_address.erase(place);
            }};
  }
  std::size_t addresses() const {
    const std::lock_guard lock(taken_->mutex);
    return taken_->by_address.size();
  }

 private:
  struct Taken {
    mutable std::mutex mutex;
    std::map<std::string, std::size_t> by_address;
  };
  std::size_t most_;
  std::shared_ptr<Taken> taken_ = std::make_shared<Taken>();
};

}  // namespace headgate::bridge::srt

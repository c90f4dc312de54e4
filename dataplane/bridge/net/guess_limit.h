// Who guesses names or keys is let guess so often in a minute, then refused for the rest of it, right or not:
// or guessing would go on. Threading: owned by one thread or under its owner's lock; time is an argument, of
// any clock that does not go back. Memory: kMaxRecords; beyond them all that are new share one.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

namespace headgate::bridge::net {

class GuessLimit {
 public:
  using Time = std::chrono::microseconds;
  static constexpr std::chrono::minutes kWindow{1};
  static constexpr std::size_t kMaxRecords = 10'000;

  explicit GuessLimit(std::size_t most) : most_(most) {}

  bool blocked(const std::string& who, Time now) const;
  void wrong(const std::string& who, Time now);

 private:
  struct Record {
    Time since{0};
    std::size_t wrong = 0;
  };

  std::size_t most_;
  std::unordered_map<std::string, Record> records_;  // "": all that have no record of their own
};

// In a time that tells nothing of where they differ, nor of their lengths.
bool same_secret(std::string_view a, std::string_view b);

}  // namespace headgate::bridge::net

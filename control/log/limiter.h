// Keeps what others can cause as often as they like from filling the log: lines of one kind, that is written
// at one place about one channel for one reason, so many in a period; how many more there were is told when
// the period is over. Memory is bounded: kinds beyond kMostKinds share one. Time is an argument. Threading:
// owned by one thread, or under its owner's lock.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace headgate::log {

class Limiter {
 public:
  static constexpr unsigned kLines = 10;
  static constexpr std::int64_t kPeriodNs = 10'000'000'000;
  static constexpr std::size_t kMostKinds = 512;
  static constexpr std::size_t kLongestWord = 64;

  struct Suppressed {
    std::string channel, reason;
    std::uint64_t lines = 0;
  };

  // Whether a line of that kind may be written. A clock that was set back begins a period, too.
  bool may(std::string_view channel, std::string_view reason, std::string_view site, std::int64_t now_ns);
  // Of the periods that are over, each once.
  std::vector<Suppressed> take_suppressed(std::int64_t now_ns);
  std::size_t kinds() const noexcept { return kinds_.size(); }

 private:
  using Key = std::tuple<std::string, std::string, std::size_t>;  // channel, reason, a hash of the site
  struct Kind {
    std::int64_t began_ns = 0;
    unsigned lines = 0;
    std::uint64_t suppressed = 0;
  };
  static bool is_over(const Kind& kind, std::int64_t now_ns) {
    return now_ns - kind.began_ns >= kPeriodNs || now_ns < kind.began_ns;
  }
  Kind& find(Key key, std::int64_t now_ns);

  std::map<Key, Kind> kinds_;
  std::vector<Suppressed> due_;  // of kinds whose next period has begun, at most kMostKinds
  std::int64_t looked_ns_ = 0;   // for kinds whose period is over
};

}  // namespace headgate::log

// Who guesses keys is let guess ten in a minute, then refused for the rest of it, right key or not.
// Threading: owned by one thread or under its owner's lock; time is an argument. Memory: kMaxAddresses
// records; beyond them new addresses share one.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <unordered_map>

namespace headgate::bridge::srt {

class GuessLimit {
 public:
  static constexpr unsigned kMost = 10;
  static constexpr std::int64_t kWindow = 60'000'000;  // us
  static constexpr std::size_t kMaxAddresses = 4096;

  // By whom a guess counts: an IPv4 address, or an IPv6 network of 64 bits, which one person has.
  static std::string who(const sockaddr* address);

  bool blocked(const std::string& who, std::int64_t now_us) const;
  void wrong(const std::string& who, std::int64_t now_us);

 private:
  struct Record {
    std::int64_t since = 0;
    unsigned wrong = 0;
  };
  void forget_old(std::int64_t now_us);

  std::unordered_map<std::string, Record> records_;  // "": all that have no record of their own
};

// Takes as long whatever differs. Where nothing is wanted anything is right.
bool is_right_key(const std::string& wanted, const std::string& given);

}  // namespace headgate::bridge::srt

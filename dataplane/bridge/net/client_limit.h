// How many connections a server has, in all and of each client (net::client_of()). Threading: owned by one
// thread. Memory: a number for each client that has a connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace headgate::bridge::net {

class ClientLimit {
 public:
  ClientLimit(std::size_t most, std::size_t most_of_client) : most_(most), most_of_client_(most_of_client) {}

  // True: welcome, and counted until leave(). False: one refusal more, because there are too many in all or
  // of this client.
  bool enter(const std::string& client, std::uint64_t& too_many, std::uint64_t& too_many_of_client) {
    const auto known = of_client_.find(client);
    const bool many = known != of_client_.end() && known->second >= most_of_client_;
    if (count_ >= most_ || many) {
      ++(count_ >= most_ ? too_many : too_many_of_client);
      return false;
    }
    ++count_;
    ++of_client_[client];
    return true;
  }
  void leave(const std::string& client) {
    const auto known = of_client_.find(client);
    if (known == of_client_.end()) return;
    --count_;
    if (--known->second == 0) of_client_.erase(known);
  }

 private:
  std::size_t most_;
  std::size_t most_of_client_;
  std::size_t count_ = 0;
  std::unordered_map<std::string, std::size_t> of_client_;
};

}  // namespace headgate::bridge::net

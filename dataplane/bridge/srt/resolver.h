// Names to addresses, without waiting: getaddrinfo() may take many seconds. References: POSIX getaddrinfo.
// Threading: ask() from any thread; an answer is looked for, it does not call. The threads that wait are at
// most kThreads, begin when there is something to ask and end when there is nothing left; one that hangs in
// the C library outlives the Resolver and touches nothing of it.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "dataplane/bridge/srt/endpoint.h"

namespace headgate::bridge::srt {

class Resolver {
 public:
  static constexpr std::size_t kThreads = 8;
  using Answer = tl::expected<std::vector<Endpoint>, std::string>;

  class Question {
   public:
    Question(std::string host, std::uint16_t port) : host_(std::move(host)), port_(port) {}
    std::optional<Answer> answer() const;

   private:
    friend class Resolver;
    const std::string host_;
    const std::uint16_t port_;
    mutable std::mutex mutex_;
    std::optional<Answer> answer_;
  };

  Resolver();
  ~Resolver();
  std::shared_ptr<const Question> ask(const std::string& host, std::uint16_t port);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace headgate::bridge::srt

#include "dataplane/bridge/srt/resolver.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>

#include <cstring>
#include <deque>
#include <system_error>
#include <thread>

namespace headgate::bridge::srt {
namespace {

Resolver::Answer look_up(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0)
    return tl::unexpected(fmt::format("can't resolve {}: {}", host, ::gai_strerror(error)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  std::vector<Endpoint> out;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
    Endpoint endpoint;
    std::memcpy(&endpoint.storage, at->ai_addr, at->ai_addrlen);
    endpoint.length = static_cast<int>(at->ai_addrlen);
    // The port stands in the same place in both families.
    reinterpret_cast<sockaddr_in*>(&endpoint.storage)->sin_port = htons(port);
    out.push_back(endpoint);
  }
  if (out.empty()) return tl::unexpected(fmt::format("can't resolve {}: no IPv4 or IPv6 address", host));
  return out;
}

}  // namespace

struct Resolver::Shared {
  void work();

  std::mutex mutex;
  std::deque<std::shared_ptr<Question>> waiting;
  std::size_t threads = 0;
};

void Resolver::Shared::work() {
  while (true) {
    std::shared_ptr<Question> question;
    {
      const std::lock_guard lock(mutex);
      if (waiting.empty()) {
        --threads;
        return;
      }
      question = std::move(waiting.front());
      waiting.pop_front();
    }
    // Who asked may be gone: an answer for nobody is none.
    if (question.use_count() == 1) continue;
    Answer answer = look_up(question->host_, question->port_);
    const std::lock_guard lock(question->mutex_);
    question->answer_ = std::move(answer);
  }
}

Resolver::Resolver() : shared_(std::make_shared<Shared>()) {}

Resolver::~Resolver() {
  const std::lock_guard lock(shared_->mutex);
  shared_->waiting.clear();
}

std::shared_ptr<const Resolver::Question> Resolver::ask(const std::string& host, std::uint16_t port) {
  auto question = std::make_shared<Question>(host, port);
  const std::lock_guard lock(shared_->mutex);
  shared_->waiting.push_back(question);
  if (shared_->threads >= kThreads) return question;
  try {
    std::thread([shared = shared_] { shared->work(); }).detach();
    ++shared_->threads;
  } catch (const std::system_error& error) {
    if (shared_->threads > 0) return question;
    shared_->waiting.pop_back();
    const std::lock_guard answering(question->mutex_);
    question->answer_ = tl::unexpected(fmt::format("can't resolve {}: {}", host, error.what()));
  }
  return question;
}

std::optional<Resolver::Answer> Resolver::Question::answer() const {
  const std::lock_guard lock(mutex_);
  return answer_;
}

}  // namespace headgate::bridge::srt

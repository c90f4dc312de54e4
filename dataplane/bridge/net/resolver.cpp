#include "dataplane/bridge/net/resolver.h"

#include <netdb.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace headgate::bridge::net {

namespace asio = boost::asio;
using asio::ip::tcp;

// Shared with the thread that looks up.
struct Resolver::State {
  explicit State(asio::io_context& the_context) : context(&the_context) {}
  // Of the owner's thread alone.
  OnDone done;
  std::uint64_t question = 0;
  bool looking = false;
  // Of both.
  std::mutex mutex;
  asio::io_context* context;  // null: the owner is gone
};

namespace {

struct Answer {
  std::vector<tcp::endpoint> endpoints;
  std::string error;
};

Answer look_up(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  // Without it a machine that has no IPv6 would be given addresses of IPv6 first.
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int result = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  Answer answer;
  if (result != 0) {
    answer.error = result == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(result);
    return answer;
  }
  constexpr std::size_t kMost = 16;
  for (const addrinfo* one = found; one != nullptr && answer.endpoints.size() < kMost; one = one->ai_next) {
    tcp::endpoint endpoint;
    if (one->ai_addrlen > endpoint.capacity()) continue;
    endpoint.resize(one->ai_addrlen);
    std::memcpy(endpoint.data(), one->ai_addr, one->ai_addrlen);
    endpoint.port(port);
    answer.endpoints.push_back(endpoint);
  }
  ::freeaddrinfo(found);
  if (answer.endpoints.empty()) answer.error = "no address";
  return answer;
}

}  // namespace

Resolver::Resolver(asio::io_context& context) : state_(std::make_shared<State>(context)) {}

Resolver::~Resolver() {
  cancel();
  const std::lock_guard lock(state_->mutex);
  state_->context = nullptr;
}

void Resolver::cancel() {
  ++state_->question;
  state_->done = nullptr;
}

void Resolver::resolve(const std::string& host, std::uint16_t port, OnDone done) {
  cancel();
  state_->done = std::move(done);
  const std::uint64_t question = state_->question;
  const auto answer_later = [state = state_, question](Answer answer) {
    const std::lock_guard lock(state->mutex);
    if (state->context == nullptr) return;
    asio::post(*state->context, [state, question, answer = std::move(answer)] {
      // A later question, or none any more.
      if (state->question != question || !state->done) return;
      const OnDone call = std::exchange(state->done, nullptr);
      call(answer.endpoints, answer.error);
    });
  };
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host, error);
  if (!error) return answer_later({{tcp::endpoint(address, port)}, ""});
  if (state_->looking) return answer_later({{}, "the name server has not answered the last question yet"});
  state_->looking = true;
  try {
    std::thread([state = state_, host, port, answer_later] {
      Answer answer = look_up(host, port);
      {
        const std::lock_guard lock(state->mutex);
        if (state->context != nullptr) asio::post(*state->context, [state] { state->looking = false; });
      }
      answer_later(std::move(answer));
    }).detach();
  } catch (const std::system_error& failure) {
    state_->looking = false;
    answer_later({{}, std::string("no thread for it: ") + failure.what()});
  }
}

}  // namespace headgate::bridge::net

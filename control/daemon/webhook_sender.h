// Posts a body to a URL: the certificate is verified, no redirect is followed, each try takes at most 10 s.
// What is sent is signed where there is a secret:
//   X-Headgate-Signature: t=UNIX_SECONDS,v1=HEX    HEX = HMAC-SHA256(secret, "UNIX_SECONDS.BODY") (RFC 2104)
// Threading: send() from the io_context's thread, which gets the answer; a thread of its own waits for the
// network. One try at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

namespace headgate::control {

// Pure.
std::string webhook_signature(const std::string& secret, const std::string& body, std::int64_t unix_seconds);

class WebhookSender {
 public:
  using Done = std::function<void(std::string error)>;  // "": a status of 200 to 299

  explicit WebhookSender(boost::asio::io_context& io);
  ~WebhookSender();  // ends what is under way
  // `secret`: "" for none.
  void send(std::string url, std::string secret, std::string body, Done done);

 private:
  boost::asio::io_context& io_;
  std::atomic<bool> ends_{false};
  boost::asio::thread_pool thread_{1};
};

}  // namespace headgate::control

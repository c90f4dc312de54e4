// The admin server's HTTP: /healthz, /readyz, /metrics. HTTP/1.1 with keep-alive; a request's head is at most
// 8 KiB and must come within 10 s; at most kMaxConnections. Where tokens are set, /metrics needs
// "Authorization: Bearer TOKEN". Threading: the io_context's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <tl/expected.hpp>

namespace headgate::control {

struct AdminContent {
  std::function<bool()> ready;
  std::function<std::string()> metrics;
  std::function<std::vector<std::string>()> tokens;  // empty: open
};

class AdminHttp {
 public:
  static constexpr std::size_t kMaxConnections = 64;
  // "[::]:9470", "127.0.0.1:9470", ":9470"; port 0 takes a free one.
  static tl::expected<std::unique_ptr<AdminHttp>, std::string> listen(boost::asio::io_context& io,
                                                                      const std::string& address,
                                                                      AdminContent content);
  ~AdminHttp();
  std::uint16_t port() const;

 private:
  struct Impl;
  explicit AdminHttp(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

}  // namespace headgate::control

// The admin server's HTTP: /healthz, /readyz, /metrics and /api/v1/…. HTTP/1.1 with keep-alive; a request's
// head is at most 8 KiB and must come within 10 s; at most kMaxConnections. Where tokens are set, /metrics
// and the API need "Authorization: Bearer TOKEN". Threading: the io_context's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <tl/expected.hpp>

namespace headgate::control {

struct AdminPage {
  int status = 200;
  std::string content_type;
  std::string body;
};
using AdminReply = std::function<void(std::shared_ptr<const AdminPage>)>;

struct AdminContent {
  std::function<bool()> ready;
  std::function<std::string()> metrics;
  std::function<std::vector<std::string>()> tokens;  // empty: open
  // What stands behind /api/v1/, without that and the query. False where there is no such thing; else the
  // reply is called once, on the io_context's thread, now or later.
  std::function<bool(const std::string& path, const std::string& query, AdminReply reply)> api;
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

// The control socket: JSON lines as control/protocol/message.h says, for the CLI. A connection may send
// several requests; after `events` with {"follow":true} every further event comes as a line
// {"v":1,"id":ID,"event":{…}}.
// At most kMaxClients connections: one more closes the oldest that waits for nothing. One
// that doesn't read is closed.
// Threading: the io_context's thread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

#include "control/protocol/message.h"

namespace headgate::control {

using Reply = std::function<void(tl::expected<nlohmann::json, std::string>)>;
// `who`: "root (0)"
using RequestHandler =
    std::function<void(const protocol::Request& request, const std::string& who, Reply reply)>;

class ControlServer {
 public:
  static constexpr std::size_t kMaxClients = 64;
  static constexpr std::chrono::seconds kLook{1};  // for its socket, which somebody may remove
  static constexpr std::size_t kMaxRequest = 64 * 1024;
  static constexpr std::size_t kMaxUnsent = 4 * 1024 * 1024;

  static tl::expected<std::unique_ptr<ControlServer>, std::string> listen(boost::asio::io_context& io,
                                                                          const std::string& path,
                                                                          RequestHandler handler);
  ~ControlServer();
  void publish(const nlohmann::json& event);

 private:
  struct Impl;
  explicit ControlServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

}  // namespace headgate::control

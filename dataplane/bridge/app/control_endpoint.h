// The control socket: one JSON object a line, as control/protocol/message.h says. A few connections at a
// time, each line answered in turn, now or later. Threading: owned by the thread that runs the io_context.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "control/protocol/message.h"

namespace boost::asio {
class io_context;
}

namespace headgate::bridge::app {

class ControlEndpoint {
 public:
  // A line as protocol::format_result() makes it. On the io_context's thread.
  using Reply = std::function<void(std::string line)>;
  using Answer = std::function<void(const protocol::Request& request, Reply reply)>;
  ControlEndpoint(boost::asio::io_context& context, Answer answer);
  ~ControlEndpoint();
  // Replaces a socket file that a dead process left.
  tl::expected<void, std::string> listen(const std::string& path);
  // About once a second: listens anew where somebody took the socket's name away. True where it did. The
  // sandbox makes no Unix sockets: a few made before it lie ready, and when they are spent control has the
  // process restarted.
  bool keep_path();
  void stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace headgate::bridge::app

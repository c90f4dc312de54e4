// The control endpoint: a Unix stream socket that answers the control protocol (control/protocol/message.h).
// Threading: one owner; on_event() never blocks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "control/protocol/socket_path.h"

namespace headgate::protocol {

class Endpoint {
 public:
  // A whole request line without its newline; returns the answer's line.
  using Handler = std::function<std::string(const std::string& line)>;

  // Replaces a stale socket file. The caller adds the descriptors to its epoll set: EPOLLIN (and EPOLLOUT
  // where wants_write()) with the descriptor as data.
  static tl::expected<std::unique_ptr<Endpoint>, std::string> open(const std::string& path, int epoll_fd,
                                                                   Handler handler);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // About once a second: listens anew where somebody took the socket's name away. True where it did.
  bool keep_path();

  // True when the descriptor was one of ours and is dealt with.
  bool on_event(int fd, std::uint32_t events);

 private:
  struct Client {
    std::string in;
    std::size_t searched = 0;  // of `in`, for the end of its line
    std::string out;
  };
  Endpoint(int epoll_fd, const std::string& path, Handler handler)
      : epoll_fd_(epoll_fd), path_(path), handler_(std::move(handler)) {}
  tl::expected<void, std::string> listen();
  void accept_all();
  bool read_from(int fd, Client& client);
  bool answer_lines(Client& client);
  bool write_to(int fd, Client& client);
  void watch(int fd, bool write, bool add) const;

  static constexpr std::size_t kMaxClients = 32;
  // Requests are short; the protocol's bound is for answers.
  static constexpr std::size_t kMaxRequest = 64 * 1024;
  int listen_fd_ = -1;
  int epoll_fd_;
  protocol::SocketPath path_;
  Handler handler_;
  std::map<int, Client> clients_;
};

}  // namespace headgate::protocol

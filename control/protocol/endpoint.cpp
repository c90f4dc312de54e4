#include "control/protocol/endpoint.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "control/protocol/message.h"

namespace headgate::protocol {

tl::expected<std::unique_ptr<Endpoint>, std::string> Endpoint::open(const std::string& path, int epoll_fd,
                                                                    Handler handler) {
  std::unique_ptr<Endpoint> endpoint(new Endpoint(epoll_fd, path, std::move(handler)));
  if (auto listening = endpoint->listen(); !listening) return tl::unexpected<std::string>(listening.error());
  return endpoint;
}

tl::expected<void, std::string> Endpoint::listen() {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return tl::unexpected<std::string>(std::string("can't make a socket: ") + std::strerror(errno));
  auto bound = path_.bind(fd, 0660);
  if (bound && ::listen(fd, 16) != 0)
    bound = tl::unexpected<std::string>("can't listen on " + path_.text() + ": " + std::strerror(errno));
  if (!bound) {
    ::close(fd);
    return bound;
  }
  if (listen_fd_ >= 0) ::close(listen_fd_);
  listen_fd_ = fd;
  watch(fd, false, true);
  return {};
}

bool Endpoint::keep_path() { return path_.lost() && listen().has_value(); }

Endpoint::~Endpoint() {
  for (const auto& [fd, client] : clients_) ::close(fd);
  if (listen_fd_ >= 0) ::close(listen_fd_);
  path_.remove();
}

void Endpoint::watch(int fd, bool write, bool add) const {
  epoll_event event{};
  event.events = EPOLLIN;
  if (write) event.events |= EPOLLOUT;
  event.data.fd = fd;
  ::epoll_ctl(epoll_fd_, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
}

bool Endpoint::on_event(int fd, std::uint32_t events) {
  if (fd == listen_fd_) {
    accept_all();
    return true;
  }
  const auto found = clients_.find(fd);
  if (found == clients_.end()) return false;
  bool alive = true;
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) alive = read_from(fd, found->second);
  if (alive) alive = write_to(fd, found->second);
  if (!alive) {
    ::close(fd);
    clients_.erase(found);
  }
  return true;
}

void Endpoint::accept_all() {
  for (;;) {
    const int fd = ::accept4(listen_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (clients_.size() >= kMaxClients) {
      ::close(fd);
      continue;
    }
    clients_[fd];
    watch(fd, false, true);
  }
}

bool Endpoint::read_from(int fd, Client& client) {
  std::array<char, 65536> chunk;
  for (;;) {
    const ssize_t n = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (n == 0) return false;
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
      break;
    }
    client.in.append(chunk.data(), static_cast<std::size_t>(n));
    if (!answer_lines(client)) return false;
  }
  return true;
}

bool Endpoint::answer_lines(Client& client) {
  std::size_t begin = 0;
  for (std::size_t end = client.in.find('\n', client.searched); end != std::string::npos;
       end = client.in.find('\n', begin)) {
    std::string answer = handler_(client.in.substr(begin, end - begin));
    if (answer.empty() || answer.back() != '\n') answer += '\n';
    client.out += answer;
    begin = end + 1;
    // Who asks and never reads is cut off.
    if (client.out.size() > 4 * kMaxLine) return false;
  }
  client.in.erase(0, begin);
  client.searched = client.in.size();
  return client.in.size() <= kMaxRequest;
}

bool Endpoint::write_to(int fd, Client& client) {
  while (!client.out.empty()) {
    const ssize_t n = ::send(fd, client.out.data(), client.out.size(), MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
      break;
    }
    client.out.erase(0, static_cast<std::size_t>(n));
  }
  watch(fd, !client.out.empty(), false);
  return true;
}

}  // namespace headgate::protocol

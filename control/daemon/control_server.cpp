#include "control/daemon/control_server.h"

#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <deque>
#include <list>
#include <utility>

#include "control/log/log.h"
#include "control/protocol/socket_path.h"

namespace headgate::control {
namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;
using Error = boost::system::error_code;

namespace {

class Client;
using Clients = std::list<std::shared_ptr<Client>>;  // the oldest first

std::string peer_name(Socket& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return "unknown";
  const passwd* user = ::getpwuid(peer.uid);
  return (user != nullptr ? std::string(user->pw_name) : "uid") + " (" + std::to_string(peer.uid) + ")";
}

class Client : public std::enable_shared_from_this<Client> {
 public:
  // `owner` keeps the handler and the set of clients.
  Client(Socket socket, const RequestHandler& handler, Clients& clients, std::shared_ptr<void> owner)
      : socket_(std::move(socket)),
        handler_(handler),
        clients_(clients),
        owner_(std::move(owner)),
        who_(peer_name(socket_)) {}

  void read() {
    asio::async_read_until(socket_, asio::dynamic_buffer(input_, ControlServer::kMaxRequest), '\n',
                           [self = shared_from_this()](Error error, std::size_t size) {
                             if (error) return self->close();
                             self->on_line(self->input_.substr(0, size - 1));
                             self->input_.erase(0, size);
                             self->read();
                           });
  }

  void publish(const nlohmann::json& event) {
    if (!follows_) return;
    send(nlohmann::json{{"v", protocol::kProtocolVersion}, {"id", follow_id_}, {"event", event}}.dump(
        -1, ' ', false, nlohmann::json::error_handler_t::replace));
  }

  // Has no answer coming and follows nothing.
  bool idle() const { return !follows_ && pending_ == 0; }

  void close() {
    Error ignored;
    socket_.close(ignored);
    clients_.remove(shared_from_this());
  }

 private:
  void on_line(const std::string& line) {
    const auto request = protocol::parse_request(line);
    if (!request) return send(protocol::format_error(0, request.error()));
    const bool follows = request->method == "events" && request->params.contains("follow") &&
                         request->params["follow"].is_boolean() && request->params["follow"].get<bool>();
    const auto id = request->id;
    std::weak_ptr<Client> weak = weak_from_this();
    ++pending_;
    handler_(*request, who_, [weak, id, follows](tl::expected<nlohmann::json, std::string> result) {
      const auto self = weak.lock();
      if (!self) return;
      --self->pending_;
      self->send(result ? protocol::format_result(id, *result) : protocol::format_error(id, result.error()));
      if (follows && result) {
        self->follows_ = true;
        self->follow_id_ = id;
      }
    });
  }

  void send(std::string line) {
    unsent_size_ += line.size() + 1;
    unsent_.push_back(std::move(line) + "\n");
    if (unsent_size_ > ControlServer::kMaxUnsent && unsent_.size() > 1) return close();
    if (unsent_.size() == 1) write();
  }

  void write() {
    asio::async_write(socket_, asio::buffer(unsent_.front()),
                      [self = shared_from_this()](Error error, std::size_t) {
                        if (error) return self->close();
                        self->unsent_size_ -= self->unsent_.front().size();
                        self->unsent_.pop_front();
                        if (!self->unsent_.empty()) self->write();
                      });
  }

  Socket socket_;
  const RequestHandler& handler_;
  Clients& clients_;
  std::shared_ptr<void> owner_;
  std::string who_;
  std::string input_;
  std::deque<std::string> unsent_;
  std::size_t unsent_size_ = 0;
  std::size_t pending_ = 0;  // requests under way
  bool follows_ = false;
  std::uint64_t follow_id_ = 0;
};

}  // namespace

struct ControlServer::Impl {
  Impl(asio::io_context& io, std::string path_in, RequestHandler handler_in)
      : acceptor(io), retry(io), look(io), path(std::move(path_in)), handler(std::move(handler_in)) {}

  Error listen() {
    Error error;
    acceptor.close(error);
    acceptor.open(asio::local::stream_protocol(), error);
    if (error) return error;
    if (const auto bound = path.bind(acceptor.native_handle(), 0660); !bound) {
      why = bound.error();
      return asio::error::invalid_argument;
    }
    acceptor.listen(asio::socket_base::max_listen_connections, error);
    return error;
  }

  // The operator must reach control also after somebody tidied up run_dir.
  void keep_path(const std::shared_ptr<Impl>& self) {
    look.expires_after(ControlServer::kLook);
    look.async_wait([self](Error cancelled) {
      if (cancelled) return;
      if (self->path.lost() && !self->listen()) {
        log::warning("{} was gone: listening anew", self->path.text());
        self->accept(self);
      }
      self->keep_path(self);
    });
  }

  void accept(const std::shared_ptr<Impl>& self) {
    acceptor.async_accept([self](Error error, Socket socket) {
      if (error == asio::error::operation_aborted) return;
      // Whoever only holds connections must not keep the operator out.
      if (!error && self->clients.size() >= kMaxClients) self->drop_oldest_idle();
      if (!error && self->clients.size() < kMaxClients) {
        const auto client = std::make_shared<Client>(std::move(socket), self->handler, self->clients, self);
        self->clients.push_back(client);
        client->read();
      }
      if (!error) return self->accept(self);
      // Out of descriptors, most likely: trying again at once would spin.
      self->retry.expires_after(std::chrono::milliseconds(100));
      self->retry.async_wait([self](Error cancelled) {
        if (!cancelled && self->acceptor.is_open()) self->accept(self);
      });
    });
  }

  void drop_oldest_idle() {
    const auto oldest =
        std::find_if(clients.begin(), clients.end(), [](const auto& client) { return client->idle(); });
    if (oldest == clients.end()) return;
    const std::shared_ptr<Client> dropped = *oldest;
    dropped->close();
  }

  asio::local::stream_protocol::acceptor acceptor;
  asio::steady_timer retry;
  asio::steady_timer look;
  protocol::SocketPath path;
  std::string why;
  RequestHandler handler;
  Clients clients;
};

tl::expected<std::unique_ptr<ControlServer>, std::string> ControlServer::listen(asio::io_context& io,
                                                                                const std::string& path,
                                                                                RequestHandler handler) {
  auto impl = std::make_shared<Impl>(io, path, std::move(handler));
  if (const Error error = impl->listen())
    return tl::unexpected(!impl->why.empty() ? impl->why
                                             : "can't listen on " + path + ": " + error.message());
  impl->accept(impl);
  impl->keep_path(impl);
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(impl)));
}

ControlServer::~ControlServer() {
  Error ignored;
  impl_->acceptor.close(ignored);
  impl_->retry.cancel();
  impl_->look.cancel();
  const Clients clients = impl_->clients;
  for (const auto& client : clients) client->close();
  impl_->path.remove();
}

void ControlServer::publish(const nlohmann::json& event) {
  const Clients clients = impl_->clients;
  for (const auto& client : clients) client->publish(event);
}

}  // namespace headgate::control

#include "dataplane/bridge/app/control_endpoint.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <istream>
#include <vector>

#include "control/protocol/message.h"
#include "control/protocol/socket_path.h"

namespace headgate::bridge::app {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol;
using boost::system::error_code;

namespace {

// Requests are short; the protocol's 16 MiB are for answers.
constexpr std::size_t kMaxRequest = 64 * 1024;
constexpr std::size_t kMaxConnections = 16;
constexpr std::size_t kSpareSockets = 8;

class Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  Conversation(Socket::socket socket, std::shared_ptr<ControlEndpoint::Answer> answer,
               std::shared_ptr<std::size_t> count)
      : socket_(std::move(socket)),
        answer_(std::move(answer)),
        count_(std::move(count)),
        buffer_(kMaxRequest) {
    ++*count_;
  }
  ~Conversation() { --*count_; }
  void read() {
    asio::async_read_until(socket_, buffer_, '\n',
                           [self = shared_from_this()](error_code error, std::size_t) {
                             if (!error) self->reply();
                           });
  }

 private:
  void reply() {
    std::istream in(&buffer_);
    std::string line;
    std::getline(in, line);
    const auto request = protocol::parse_request(line);
    if (!request) return write(protocol::format_error(0, request.error()));
    (*answer_)(*request, [self = shared_from_this()](std::string answer) { self->write(std::move(answer)); });
  }

  void write(std::string answer) {
    out_ = std::move(answer);
    if (out_.empty() || out_.back() != '\n') out_ += '\n';
    asio::async_write(socket_, asio::buffer(out_),
                      [self = shared_from_this()](error_code error, std::size_t) {
                        if (!error) self->read();
                      });
  }

  Socket::socket socket_;
  std::shared_ptr<ControlEndpoint::Answer> answer_;
  std::shared_ptr<std::size_t> count_;
  asio::streambuf buffer_;
  std::string out_;
};

}  // namespace

struct ControlEndpoint::Impl : std::enable_shared_from_this<ControlEndpoint::Impl> {
  Impl(asio::io_context& c, Answer a)
      : acceptor(c), retry(c), answer(std::make_shared<Answer>(std::move(a))) {}
  ~Impl() {
    for (const int fd : spare) ::close(fd);
  }
  tl::expected<void, std::string> listen();
  void accept() {
    acceptor.async_accept([self = shared_from_this()](error_code error, Socket::socket socket) {
      if (!self->acceptor.is_open() || error == asio::error::operation_aborted) return;
      if (!error && *self->count < kMaxConnections) {
        std::make_shared<Conversation>(std::move(socket), self->answer, self->count)->read();
      }
      if (!error) return self->accept();
      // Out of descriptors, most likely: trying again at once would spin.
      self->retry.expires_after(std::chrono::milliseconds(100));
      self->retry.async_wait([self](error_code cancelled) {
        if (!cancelled && self->acceptor.is_open()) self->accept();
      });
    });
  }
  Socket::acceptor acceptor;
  asio::steady_timer retry;
  std::shared_ptr<Answer> answer;
  std::shared_ptr<std::size_t> count = std::make_shared<std::size_t>(0);
  protocol::SocketPath path;
  std::vector<int> spare;
};

ControlEndpoint::ControlEndpoint(asio::io_context& context, Answer answer)
    : impl_(std::make_shared<Impl>(context, std::move(answer))) {}
ControlEndpoint::~ControlEndpoint() { stop(); }

tl::expected<void, std::string> ControlEndpoint::Impl::listen() {
  if (spare.empty()) return tl::unexpected<std::string>(path.text() + ": no socket left to listen with");
  const int fd = spare.back();
  if (auto bound = path.bind(fd, 0660); !bound) return bound;
  spare.pop_back();
  error_code error;
  retry.cancel();
  acceptor.close(error);
  acceptor.assign(Socket(), fd, error);
  if (!error) acceptor.listen(16, error);
  if (error) return tl::unexpected<std::string>("control socket " + path.text() + ": " + error.message());
  accept();
  return {};
}

tl::expected<void, std::string> ControlEndpoint::listen(const std::string& path) {
  impl_->path = protocol::SocketPath(path);
  while (impl_->spare.size() < kSpareSockets + 1) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
      return tl::unexpected<std::string>(std::string("can't make a control socket: ") + std::strerror(errno));
    impl_->spare.push_back(fd);
  }
  return impl_->listen();
}

bool ControlEndpoint::keep_path() {
  return impl_->acceptor.is_open() && impl_->path.lost() && impl_->listen().has_value();
}

void ControlEndpoint::stop() {
  error_code ignored;
  impl_->acceptor.close(ignored);
  impl_->retry.cancel();
  impl_->path.remove();
}

}  // namespace headgate::bridge::app

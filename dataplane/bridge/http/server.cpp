#include "dataplane/bridge/http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <map>
#include <unordered_map>

#include "dataplane/bridge/http/connection.h"
#include "dataplane/bridge/http/stream_write.h"
#include "dataplane/bridge/net/address.h"
#include "dataplane/bridge/net/client_limit.h"
#include "dataplane/bridge/net/listeners.h"
#include "dataplane/bridge/net/round_trip.h"
#include "dataplane/bridge/net/text.h"

namespace headgate::bridge::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::beast::error_code;
using Clock = std::chrono::steady_clock;

namespace {
class Connection;
}

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
  Impl(asio::io_context& c, Handler& h, const ServerLimits& l)
      : context(c),
        handler(h),
        limits(l),
        listeners(
            c, [this](tcp::socket socket, const net::Listeners::Address&) { take(std::move(socket)); },
            [this] { ++counters.accept_errors; }),
        clients(l.connections, l.connections_per_address) {}

  void take(tcp::socket socket);
  void leave(const std::string& client, Connection* connection);

  asio::io_context& context;
  Handler& handler;
  ServerLimits limits;
  ServerCounters counters;
  net::Listeners listeners;
  net::ClientLimit clients;
  std::unordered_map<Connection*, std::weak_ptr<Connection>> open;
  std::map<std::uint64_t, Connection*> streams;  // by number: those that a stream goes to
  std::uint64_t last_number = 0;
};

namespace {

void count(ServerCounters& counters, unsigned status) {
  ++counters.responses[std::min<unsigned>(status / 100, 5)];
  switch (status) {
    case 400:
      ++counters.bad_requests;
      break;
    case 403:  // of a viewer that the operator ended
      ++counters.kicked;
      break;
    case 404:
      ++counters.not_found;
      break;
    case 405:
      ++counters.methods;
      break;
    case 408:
      ++counters.header_timeouts;
      break;
    case 413:
      ++counters.bodies;
      break;
    case 414:
      ++counters.long_addresses;
      break;
    case 416:
      ++counters.ranges;
      break;
    case 431:
      ++counters.long_headers;
      break;
    case 503:
      ++counters.not_ready;
      break;
    default:
      break;
  }
}

// One connection: reads a header, answers, writes, again. Its deadline is a point in time that moves; where
// it moves back the timer only looks at it when it fires, so that most steps cost no timer operation.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Server::Impl> server, tcp::socket socket, std::string address,
             std::string client)
      : server_(std::move(server)),
        socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        address_(std::move(address)),
        client_(std::move(client)),
        buffer_(server_->limits.header_bytes + 4096) {}
  ~Connection() {
    leave_list();
    server_->leave(client_, this);
  }

  void start() { begin_request(); }
  void close() {
    error_code ignored;
    closed_ = true;
    leave_list();
    stream_.reset();
    timer_.cancel();
    socket_.close(ignored);
  }

  hub::SessionInfo describe() {
    hub::SessionInfo out;
    stream_->describe(out);
    out.id = "http-" + std::to_string(number_);
    error_code error;
    const auto other = socket_.remote_endpoint(error);
    out.address = error ? address_ : net::address_text(other.data());
    out.user_agent = user_agent_;
    out.rtt_ns = net::round_trip_ns(socket_.native_handle());
    return out;
  }
  // The body ends as it should, where the client takes the rest of what is under way in time.
  void kick() {
    ++server_->counters.kicked;
    leave_list();
    stream_->stop();
    if (phase_ == Phase::waiting) return write_stream();
    set_deadline(kGoodbye);
  }

 private:
  static constexpr std::chrono::seconds kGoodbye{2};
  enum class Phase : std::uint8_t { idle, header, writing, waiting, draining };

  void begin_request() {
    parser_.emplace();
    prepare(*parser_, server_->limits);
    phase_ = Phase::idle;
    set_deadline(server_->limits.idle_time);
    parse();
  }

  void parse() {
    if (buffer_.size() > 0) {
      if (phase_ == Phase::idle) {
        phase_ = Phase::header;
        set_deadline(server_->limits.header_time);
      }
      error_code error;
      const std::size_t used = parser_->put(buffer_.data(), error);
      buffer_.consume(used);
      if (error && error != boost::beast::http::error::need_more) return on_parse_error(error);
      if (parser_->is_header_done()) return on_request();
    }
    read();
  }

  void read() {
    constexpr std::size_t kRead = 4096;
    if (buffer_.size() + kRead > buffer_.max_size()) return refuse(431, "The header is too long.");
    socket_.async_read_some(buffer_.prepare(kRead),
                            [self = shared_from_this()](error_code error, std::size_t n) {
                              if (self->closed_) return;
                              if (error) return self->on_read_error();
                              self->timed_out_ = false;
                              self->buffer_.commit(n);
                              self->parse();
                            });
  }

  void on_read_error() {
    if (!timed_out_) return close();
    timed_out_ = false;
    refuse(408, "The request's header took too long.");
  }

  void on_parse_error(const error_code& error) {
    const unsigned status = status_of(error);
    if (status == 0) return close();
    refuse(status, status == 431 ? "The header is too long." : "The request is malformed.");
  }

  void refuse(unsigned status, const char* text) {
    ++server_->counters.requests;
    send(answer_error(status, text));
  }

  void on_request() {
    if (has_body(*parser_)) return refuse(413, "Requests with a body are not taken.");
    ++server_->counters.requests;
    Answer answer = answer_request(*parser_, address_, server_->handler);
    if (++requests_ >= server_->limits.requests_per_connection) answer.keep_alive = false;
    if (answer.response.stream != nullptr)
      user_agent_ = net::printable({parser_->get()[boost::beast::http::field::user_agent].data(),
                                    parser_->get()[boost::beast::http::field::user_agent].size()},
                                   hub::kLongestUserAgent);
    send(std::move(answer));
  }

  void leave_list() {
    if (number_ != 0) server_->streams.erase(number_);
  }

  void send(Answer answer) {
    answer_ = std::move(answer);
    count(server_->counters, answer_.response.status);
    body_ = answer_.with_body ? answer_.response.body : std::span<const std::byte>{};
    head_left_ = answer_.head.size();
    phase_ = Phase::writing;
    write();
  }

  void write() {
    if (head_left_ == 0 && body_.empty()) {
      if (answer_.with_body && answer_.response.stream != nullptr) return begin_stream();
      return on_sent();
    }
    set_deadline(server_->limits.write_time);
    const std::array<asio::const_buffer, 2> buffers{
        asio::const_buffer(answer_.head.data() + (answer_.head.size() - head_left_), head_left_),
        asio::const_buffer(body_.data(), std::min(body_.size(), server_->limits.write_slice))};
    asio::async_write(socket_, buffers, [self = shared_from_this()](error_code error, std::size_t n) {
      if (self->closed_) return;
      self->server_->counters.bytes += n;
      if (error) return self->close();
      self->body_ = self->body_.subspan(n - self->head_left_);
      self->head_left_ = 0;
      self->write();
    });
  }

  // A body without an end: what there is goes out together, then the stream says when there is more. What the
  // client sends meanwhile is thrown away; that it left shows in the same way.
  void begin_stream() {
    stream_ = std::move(answer_.response.stream);
    number_ = ++server_->last_number;
    server_->streams[number_] = this;
    // What a slow client has not taken waits in the stream's own queue, which can jump ahead, not in the
    // kernel's.
    const int unsent = static_cast<int>(server_->limits.stream_unsent);
    ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    stream_->on_ready([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self == nullptr || self->closed_ || self->phase_ != Phase::waiting || self->posted_) return;
      self->posted_ = true;  // behind the call that brings more: it may bring yet more
      asio::post(self->socket_.get_executor(), [self] {
        self->posted_ = false;
        if (!self->closed_ && self->phase_ == Phase::waiting) self->write_stream();
      });
    });
    drain();
    write_stream();
  }

  void write_stream() {
    if (!stream_write_.take(*stream_, server_->limits.stream_write, answer_.chunked)) {
      phase_ = Phase::waiting;
      return;
    }
    phase_ = Phase::writing;
    set_deadline(server_->limits.write_time);
    write_pending();
  }

  // Each bit that the client takes moves the deadline.
  void write_pending() {
    if (stream_write_.done()) return on_stream_written();
    socket_.async_write_some(stream_write_.next(),
                             [self = shared_from_this()](error_code error, std::size_t n) {
                               if (self->closed_) return;
                               self->server_->counters.bytes += n;
                               if (error) return self->close();
                               self->set_deadline(self->server_->limits.write_time);
                               self->stream_write_.advance(n);
                               self->write_pending();
                             });
  }

  void on_stream_written() {
    stream_->on_sent(stream_write_.media_bytes());
    const bool last = stream_write_.last();
    stream_write_.clear();
    if (!last) return write_stream();
    leave_list();
    stream_.reset();
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    phase_ = Phase::draining;
    set_deadline(std::min<std::chrono::milliseconds>(server_->limits.write_time, kGoodbye));
  }

  void on_sent() {
    const bool keep = answer_.keep_alive;
    answer_ = Answer{};
    if (keep) return begin_request();
    // What the peer still sends is read and thrown away for a moment: closing over unread bytes would reset
    // the connection and may take the answer with it.
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    phase_ = Phase::draining;
    set_deadline(std::min<std::chrono::milliseconds>(server_->limits.write_time, kGoodbye));
    drain();
  }

  void drain() {
    buffer_.clear();
    socket_.async_read_some(buffer_.prepare(4096),
                            [self = shared_from_this()](error_code error, std::size_t) {
                              if (self->closed_) return;
                              if (error) return self->close();
                              self->drain();
                            });
  }

  void set_deadline(std::chrono::milliseconds time) {
    deadline_ = Clock::now() + time;
    if (!watching_ || deadline_ < timer_.expiry()) watch();
  }

  void watch() {
    watching_ = true;
    timer_.expires_at(deadline_);
    timer_.async_wait([weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (self == nullptr || self->closed_ || error) return;
      if (Clock::now() >= self->deadline_) self->on_deadline();
      if (!self->closed_) self->watch();
    });
  }

  void on_deadline() {
    switch (phase_) {
      case Phase::header: {
        timed_out_ = true;
        set_deadline(server_->limits.write_time);
        error_code ignored;
        socket_.cancel(ignored);
        return;
      }
      case Phase::idle:
        ++server_->counters.idle_timeouts;
        return close();
      case Phase::writing:
        if (stream_ != nullptr && stream_->ended()) return close();  // it was to leave
        ++server_->counters.slow_clients;
        if (answer_.response.cut_off != nullptr) ++*answer_.response.cut_off;
        return close();
      case Phase::waiting:  // for the input, not for the client
        return set_deadline(server_->limits.write_time);
      case Phase::draining:
        return close();
    }
  }

  std::shared_ptr<Server::Impl> server_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  std::string address_;
  std::string client_;  // as limits count it
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  Phase phase_ = Phase::idle;
  Clock::time_point deadline_;
  Answer answer_;
  std::size_t head_left_ = 0;
  std::span<const std::byte> body_;
  std::shared_ptr<BodyStream> stream_;
  StreamWrite stream_write_;
  bool posted_ = false;
  std::size_t requests_ = 0;
  std::uint64_t number_ = 0;  // of the stream; 0: there was none
  std::string user_agent_;    // likewise
  bool timed_out_ = false;
  bool watching_ = false;
  bool closed_ = false;
};

}  // namespace

void Server::Impl::take(tcp::socket socket) {
  ++counters.accepted;
  error_code gone, ignored;
  const auto endpoint = socket.remote_endpoint(gone);
  std::string client = gone ? "" : net::client_of(endpoint.data());
  if (!clients.enter(client, counters.refused_connections, counters.refused_per_address)) {
    // Best effort, without waiting: a flood must not hold memory here.
    static const std::string kBusy =
        "HTTP/1.1 503 Service Unavailable\r\nServer: headgate\r\nRetry-After: 5\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n";
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(kBusy), ignored);
    return;
  }
  std::string address = gone ? "" : net::host_text(endpoint.data());
  socket.set_option(tcp::no_delay(true), ignored);
  auto connection = std::make_shared<Connection>(shared_from_this(), std::move(socket), std::move(address),
                                                 std::move(client));
  open.emplace(connection.get(), connection);
  connection->start();
}

void Server::Impl::leave(const std::string& client, Connection* connection) {
  open.erase(connection);
  clients.leave(client);
}

Server::Server(asio::io_context& context, Handler& handler, const ServerLimits& limits)
    : impl_(std::make_shared<Impl>(context, handler, limits)) {}
Server::~Server() { stop(); }

tl::expected<void, std::string> Server::listen(const std::vector<std::string>& addresses) {
  std::vector<net::Listeners::Address> all;
  for (const std::string& address : addresses) all.push_back({address});
  return impl_->listeners.listen(all);
}

std::vector<std::uint16_t> Server::ports() const { return impl_->listeners.ports(); }

std::uint64_t Server::list(std::uint64_t after, std::size_t most, std::vector<hub::SessionInfo>& out) const {
  auto at = impl_->streams.upper_bound(after);
  for (; at != impl_->streams.end() && most > 0; ++at, --most) out.push_back(at->second->describe());
  return at == impl_->streams.end() ? 0 : std::prev(at)->first;
}

std::optional<hub::SessionInfo> Server::kick(std::uint64_t number) {
  const auto found = impl_->streams.find(number);
  if (found == impl_->streams.end()) return {};
  Connection& connection = *found->second;
  hub::SessionInfo info = connection.describe();
  connection.kick();
  return info;
}

std::size_t Server::connections() const { return impl_->open.size(); }
const ServerCounters& Server::counters() const { return impl_->counters; }

void Server::stop() {
  impl_->listeners.close();
  std::vector<std::shared_ptr<Connection>> open;
  for (const auto& [connection, weak] : impl_->open) {
    if (auto held = weak.lock()) open.push_back(std::move(held));
  }
  for (const auto& connection : open) connection->close();
}

}  // namespace headgate::bridge::http

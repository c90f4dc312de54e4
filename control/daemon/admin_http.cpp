#include "control/daemon/admin_http.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <chrono>
#include <optional>

namespace headgate::control {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using Error = boost::system::error_code;
using Response = http::response<http::string_body>;

namespace {

constexpr std::chrono::seconds kTimeout{10};
constexpr std::uint32_t kMaxHead = 8192;

// In a time that doesn't tell how much of it was right.
bool same_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool authorised(std::string_view header, const std::vector<std::string>& tokens) {
  if (tokens.empty()) return true;
  constexpr std::string_view kScheme = "Bearer ";
  if (header.size() < kScheme.size() || !beast::iequals(header.substr(0, kScheme.size()), kScheme))
    return false;
  bool found = false;
  for (const std::string& token : tokens) found = same_secret(header.substr(kScheme.size()), token) || found;
  return found;
}

constexpr std::string_view kApi = "/api/v1/";

std::string_view target_of(const http::request<http::empty_body>& request) {
  return {request.target().data(), request.target().size()};
}

// Nothing where the API answers, now or later.
std::optional<Response> respond(const http::request<http::empty_body>& request, const AdminContent& content,
                                const AdminReply& reply) {
  Response response{http::status::ok, request.version()};
  response.set(http::field::content_type, "text/plain; charset=utf-8");
  response.set(http::field::cache_control, "no-store");
  const std::string_view target = target_of(request);
  const std::string_view path = target.substr(0, target.find('?'));
  const std::string_view query = target.substr(std::min(path.size() + 1, target.size()));
  const bool api = path.starts_with(kApi) && content.api;
  const auto header = request[http::field::authorization];
  const auto not_found = [&response] {
    response.result(http::status::not_found);
    response.body() =
        "not found: /healthz, /readyz, /metrics, /api/v1/mosaic.jpg and /api/v1/mosaic.json are here\n";
  };
  if (path != "/healthz" && path != "/readyz" && path != "/metrics" && !api) {
    not_found();
  } else if (request.method() != http::verb::get && request.method() != http::verb::head) {
    response.result(http::status::method_not_allowed);
    response.set(http::field::allow, "GET, HEAD");
    response.body() = "only GET and HEAD\n";
  } else if (path == "/healthz") {
    response.body() = "ok\n";
  } else if (path == "/readyz") {
    const bool ready = content.ready();
    if (!ready) response.result(http::status::service_unavailable);
    response.body() = ready ? "ready\n" : "not ready: not every process runs the applied map\n";
  } else if (!authorised({header.data(), header.size()}, content.tokens())) {
    response.result(http::status::unauthorized);
    response.set(http::field::www_authenticate, "Bearer");
    response.body() = "a token of tokens_file is needed\n";
  } else if (api) {
    if (content.api(std::string(path.substr(kApi.size())), std::string(query), reply)) return std::nullopt;
    not_found();
  } else {
    response.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
    response.body() = content.metrics();
  }
  return response;
}

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, const std::shared_ptr<const AdminContent>& content,
             const std::shared_ptr<std::size_t>& count)
      : stream_(std::move(socket)), content_(content), count_(count) {
    ++*count_;
  }
  ~Connection() { --*count_; }

  void read() {
    parser_.emplace();
    parser_->header_limit(kMaxHead);
    parser_->body_limit(0);
    stream_.expires_after(kTimeout);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](Error error, std::size_t) {
      if (error == http::error::end_of_stream || error == beast::error::timeout) return self->close();
      self->answer(error);
    });
  }

 private:
  void answer(Error error) {
    if (error && error.category() != make_error_code(http::error::bad_method).category()) return;
    const auto& request = parser_->get();
    if (error) {
      response_ = Response{http::status::bad_request, 11};
      response_.body() = "bad request: " + error.message() + "\n";
      response_.keep_alive(false);
    } else {
      const auto reply = [self = shared_from_this()](const std::shared_ptr<const AdminPage>& page) {
        self->answer_page(*page);
      };
      auto response = respond(request, *content_, reply);
      if (!response) return;
      response_ = std::move(*response);
      response_.keep_alive(request.keep_alive());
    }
    send(!error && request.method() == http::verb::head);
  }

  void answer_page(const AdminPage& page) {
    const auto& request = parser_->get();
    response_ = Response{static_cast<http::status>(page.status), request.version()};
    response_.set(http::field::content_type, page.content_type);
    response_.set(http::field::cache_control, "no-store");
    response_.body() = page.body;
    response_.keep_alive(request.keep_alive());
    send(request.method() == http::verb::head);
  }

  void send(bool head) {
    // What took long to make has its time from here.
    stream_.expires_after(kTimeout);
    response_.set(http::field::server, "headgate");
    response_.prepare_payload();
    if (head) {
      serializer_.emplace(response_);
      http::async_write_header(stream_, *serializer_, finish(response_.keep_alive()));
    } else {
      http::async_write(stream_, response_, finish(response_.keep_alive()));
    }
  }

  std::function<void(Error, std::size_t)> finish(bool keep) {
    return [self = shared_from_this(), keep](Error error, std::size_t) {
      if (error || !keep) return self->close();
      self->read();
    };
  }

  void close() {
    Error ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_{16 * 1024};
  std::optional<http::request_parser<http::empty_body>> parser_;
  Response response_;
  std::optional<http::response_serializer<http::string_body>> serializer_;  // of an answer to HEAD
  std::shared_ptr<const AdminContent> content_;
  std::shared_ptr<std::size_t> count_;
};

std::optional<tcp::endpoint> parse_address(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  if (const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, port);
      error != std::errc() || rest != end)
    return std::nullopt;
  std::string host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host.empty()) host = "::";
  Error error;
  const auto address = asio::ip::make_address(host, error);
  if (error) return std::nullopt;
  return tcp::endpoint(address, port);
}

}  // namespace

struct AdminHttp::Impl {
  explicit Impl(asio::io_context& io) : acceptor(io), retry(io) {}

  void accept(const std::shared_ptr<Impl>& self) {
    acceptor.async_accept([self](Error error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (!error && *self->count < kMaxConnections)
        std::make_shared<Connection>(std::move(socket), self->content, self->count)->read();
      if (!error) return self->accept(self);
      // Out of descriptors, most likely: trying again at once would spin.
      self->retry.expires_after(std::chrono::milliseconds(100));
      self->retry.async_wait([self](Error cancelled) {
        if (!cancelled && self->acceptor.is_open()) self->accept(self);
      });
    });
  }

  tcp::acceptor acceptor;
  asio::steady_timer retry;
  std::shared_ptr<const AdminContent> content;
  std::shared_ptr<std::size_t> count = std::make_shared<std::size_t>(0);
};

tl::expected<std::unique_ptr<AdminHttp>, std::string> AdminHttp::listen(asio::io_context& io,
                                                                        const std::string& address,
                                                                        AdminContent content) {
  const auto endpoint = parse_address(address);
  if (!endpoint) return tl::unexpected("servers.admin.listen: not ADDRESS:PORT: " + address);
  auto impl = std::make_shared<Impl>(io);
  impl->content = std::make_shared<const AdminContent>(std::move(content));
  Error error;
  impl->acceptor.open(endpoint->protocol(), error);
  if (!error) impl->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && endpoint->address().is_v6()) impl->acceptor.set_option(asio::ip::v6_only(false), error);
  if (!error) impl->acceptor.bind(*endpoint, error);
  if (!error) impl->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return tl::unexpected("servers.admin: can't listen on " + address + ": " + error.message());
  impl->accept(impl);
  return std::unique_ptr<AdminHttp>(new AdminHttp(std::move(impl)));
}

AdminHttp::~AdminHttp() {
  Error ignored;
  impl_->acceptor.close(ignored);
  impl_->retry.cancel();
}

std::uint16_t AdminHttp::port() const { return impl_->acceptor.local_endpoint().port(); }

}  // namespace headgate::control

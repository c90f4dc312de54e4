#include "dataplane/bridge/http/connection.h"

#include <fmt/format.h>

#include <ctime>
#include <iterator>

#include "dataplane/bridge/http/target.h"

namespace headgate::bridge::http {

namespace beast = boost::beast;

namespace {

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

// Made anew once a second.
const std::string& date() {
  static thread_local std::time_t made = 0;
  static thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != made || text.empty()) {
    text = http_date(now);
    made = now;
  }
  return text;
}

Answer finish(Response&& response, bool with_body, bool keep_alive, bool old_version) {
  Answer answer;
  answer.with_body = with_body;
  // A stream ends when the channel does: nothing else is to come on that connection.
  if (response.stream != nullptr) keep_alive = false;
  answer.keep_alive = keep_alive;
  answer.chunked = response.endless && !old_version;
  auto out = std::back_inserter(answer.head);
  fmt::format_to(out, "HTTP/1.1 {} {}\r\nServer: headgate\r\nDate: {}\r\n", response.status,
                 reason_phrase(response.status), date());
  const bool bodiless = response.status == 204 || response.status == 304;
  if (answer.chunked) {
    fmt::format_to(out, "Transfer-Encoding: chunked\r\n");
  } else if (!bodiless && !response.endless) {
    fmt::format_to(out, "Content-Length: {}\r\n", response.body.size());
  }
  if (!keep_alive) {
    fmt::format_to(out, "Connection: close\r\n");
  } else if (old_version) {
    fmt::format_to(out, "Connection: keep-alive\r\n");
  }
  answer.head += response.headers;
  answer.head += "\r\n";
  answer.response = std::move(response);
  if (bodiless) answer.with_body = false;
  return answer;
}

}  // namespace

void prepare(Parser& parser, const ServerLimits& limits) {
  parser.header_limit(static_cast<std::uint32_t>(limits.header_bytes));
  parser.body_limit(std::uint64_t{0});
}

bool has_body(const Parser& parser) {
  if (parser.chunked()) return true;
  const auto length = parser.content_length();
  return length && *length > 0;
}

Answer answer_request(const Parser& parser, std::string_view client, Handler& handler) {
  namespace http = beast::http;
  const auto& message = parser.get();
  Request request;
  switch (message.method()) {
    case http::verb::get:
      request.method = Method::get;
      break;
    case http::verb::head:
      request.method = Method::head;
      break;
    case http::verb::options:
      request.method = Method::options;
      break;
    default:
      request.method = Method::other;
      break;
  }
  const bool old_version = message.version() < 11;
  // RFC 9112 3.2: a request of 1.1 without Host is malformed.
  if (!old_version && message.count(http::field::host) != 1)
    return answer_error(400, "Exactly one Host is needed.");
  request.target = view(message.target());
  request.range = view(message[http::field::range]);
  request.if_none_match = view(message[http::field::if_none_match]);
  request.user_agent = view(message[http::field::user_agent]);
  request.client = client;
  const bool asterisk = request.target == "*" && request.method == Method::options;
  if (!asterisk && request.target.size() <= kMaxTarget && !request.target.starts_with('/')) {
    return answer_error(400, "The address must begin with a slash.");
  }
  Response response = handler.handle(request);
  return finish(std::move(response), request.method != Method::head, parser.keep_alive(), old_version);
}

Answer answer_error(unsigned status, std::string text) {
  return finish(plain(status, std::move(text)), true, false, false);
}

unsigned status_of(const beast::error_code& error) {
  namespace http = beast::http;
  if (error == http::error::header_limit || error == http::error::buffer_overflow) return 431;
  if (error == http::error::end_of_stream || error == http::error::partial_message) return 0;
  if (error == http::error::body_limit) return 413;
  return 400;
}

std::size_t answer_bytes(std::span<const std::uint8_t> bytes, Handler& handler, const ServerLimits& limits,
                         std::string& out) {
  std::size_t answered = 0;
  std::size_t at = 0;
  while (at < bytes.size()) {
    Parser parser;
    prepare(parser, limits);
    beast::error_code error;
    while (at < bytes.size() && !parser.is_header_done()) {
      const std::size_t used = parser.put(boost::asio::buffer(bytes.data() + at, bytes.size() - at), error);
      at += used;
      if (error || used == 0) break;
    }
    if (error == beast::http::error::need_more || (!error && !parser.is_header_done())) break;
    Answer answer;
    if (error) {
      const unsigned status = status_of(error);
      if (status == 0) break;
      answer = answer_error(status, "The request is malformed.");
    } else if (has_body(parser)) {
      answer = answer_error(413, "Requests with a body are not taken.");
    } else {
      answer = answer_request(parser, "192.0.2.1", handler);
    }
    ++answered;
    out += answer.head;
    if (answer.with_body) {
      out.append(reinterpret_cast<const char*>(answer.response.body.data()), answer.response.body.size());
    }
    if (!answer.keep_alive) break;
  }
  return answered;
}

}  // namespace headgate::bridge::http

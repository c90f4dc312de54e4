// Parts of the server that share Beast: included by the server's .cpp files only.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <optional>
#include <string>

#include "dataplane/bridge/http/server.h"

namespace headgate::bridge::http {

using Parser = boost::beast::http::request_parser<boost::beast::http::empty_body>;

// A parsed request's answer, ready to send.
struct Answer {
  std::string head;  // status line and header
  Response response;
  bool with_body = true;
  bool keep_alive = true;
  bool chunked = false;  // a stream to HTTP/1.1: RFC 9112 7.1
};

void prepare(Parser& parser, const ServerLimits& limits);
// Whether the request carries a body: refused, because nothing here takes one.
bool has_body(const Parser& parser);
Answer answer_request(const Parser& parser, std::string_view client, Handler& handler);
// For what could not be parsed; the connection closes after it.
Answer answer_error(unsigned status, std::string text);
// The status for a parser's error, 0 where the peer simply closed.
unsigned status_of(const boost::beast::error_code& error);

}  // namespace headgate::bridge::http

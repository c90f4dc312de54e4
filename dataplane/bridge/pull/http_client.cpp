#include "dataplane/bridge/pull/http_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace headgate::bridge::pull {

namespace asio = boost::asio;

namespace {

std::string seconds(std::chrono::nanoseconds time) {
  return fmt::format("{:g} s", std::chrono::duration<double>(time).count());
}

bool is_redirect(unsigned status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

HttpClient::HttpClient(asio::io_context& context, HttpLimits limits)
    : context_(context), limits_(limits), resolver_(context), timer_(context) {}

HttpClient::~HttpClient() { cancel(); }

void HttpClient::drop_link() {
  if (link_) link_->close();
  link_.reset();
  reading_ = false;
}

void HttpClient::cancel() {
  ++round_;
  busy_ = connecting_ = paused_ = false;
  timer_.cancel();
  resolver_.cancel();
  drop_link();
  response_.reset();
  receiver_ = {};
}

void HttpClient::get(Request request, Receiver receiver) {
  request_ = std::move(request);
  receiver_ = std::move(receiver);
  busy_ = true;
  paused_ = false;
  redirects_ = 0;
  refusal_.clear();
  location_.clear();
  began_ = heard_ = Clock::now();
  asio::post(context_, [this, alive = std::weak_ptr(alive_), round = ++round_] {
    if (alive.lock() && round == round_ && busy_) send();
  });
}

void HttpClient::send() {
  response_ = std::make_unique<ResponseReader>([this](const ResponseHead& head) { return on_head(head); },
                                               [this](std::span<const std::uint8_t> bytes) {
                                                 refusal_ = receiver_.on_body(bytes);
                                                 return refusal_.empty();
                                               });
  reused_ = link_ && link_url_.same_server(request_.url);
  if (!reused_) return connect();
  write();
}

void HttpClient::connect() {
  drop_link();
  link_ = make_link(context_);
  link_url_ = request_.url;
  connecting_ = true;
  ++connections_;
  link_->connect(resolver_, request_.url, limits_.connect, [this](const std::string& error) {
    connecting_ = false;
    if (!error.empty()) return end(error);
    peer_ = link_->peer();
    write();
  });
}

void HttpClient::write() {
  const Url& url = request_.url;
  std::string text = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: headgate\r\nAccept: */*\r\nAccept-Encoding: identity\r\n",
      url.target, url.authority());
  if (url.has_credentials) text += "Authorization: " + url.authorization() + "\r\n";
  if (request_.range) {
    text += fmt::format("Range: bytes={}-{}\r\n", request_.range->first,
                        request_.range->first + request_.range->length - 1);
  }
  text += "\r\n";
  asked_ = heard_ = Clock::now();
  watch();
  link_->write(std::move(text), [this](const std::string& error) {
    if (!error.empty()) return on_lost(error);
    read();
  });
}

void HttpClient::read() {
  if (reading_ || paused_ || !link_) return;
  reading_ = true;
  link_->read([this](const Link::Read& got) {
    reading_ = false;
    on_read(got);
  });
}

// A kept connection that the server closed meanwhile is no failure: once more on a new one (RFC 9112 9.3.1).
void HttpClient::on_lost(const std::string& why) {
  if (reused_ && response_ && !response_->any()) return connect();
  end(why);
}

void HttpClient::on_read(const Link::Read& got) {
  heard_ = Clock::now();
  ResponseReader::State state = response_->push(got.bytes);
  if (state == ResponseReader::State::reading) {
    if (!got.error.empty()) return on_lost(got.error);
    if (!got.end) return read();
    if (reused_ && !response_->any()) return connect();
    state = response_->finish();
  }
  if (state == ResponseReader::State::failed) return end(response_->error());
  if (state == ResponseReader::State::stopped) {
    drop_link();
    if (!location_.empty()) return redirect();
    return end(refusal_.empty() ? "stopped" : refusal_);
  }
  if (got.end || !response_->reusable()) drop_link();
  end("");
}

bool HttpClient::on_head(const ResponseHead& head) {
  if (is_redirect(head.status) && !head.location.empty()) {
    location_ = head.location;
    return false;
  }
  refusal_ = receiver_.on_head(head, request_.url);
  return refusal_.empty();
}

void HttpClient::redirect() {
  const std::string location = std::exchange(location_, "");
  if (++redirects_ > limits_.redirects) return end(fmt::format("more than {} redirects", limits_.redirects));
  const auto to = resolve(request_.url, location);
  if (!to) return end("the server redirects to nowhere: " + to.error());
  if (request_.url.tls && !to->tls && request_.url.has_credentials) {
    return end("the server redirects from https to http, and a password must not go there");
  }
  request_.url = *to;
  send();
}

void HttpClient::end(std::string error) {
  if (!error.empty()) drop_link();
  timer_.cancel();
  busy_ = connecting_ = paused_ = false;
  // The next request may be made from on_end.
  const Receiver receiver = std::exchange(receiver_, {});
  response_.reset();
  receiver.on_end(std::move(error));
}

void HttpClient::pause(bool paused) {
  if (!busy_ || paused == paused_) return;
  paused_ = paused;
  const auto now = Clock::now();
  if (paused_) paused_at_ = now;
  if (!paused_ && response_ && !connecting_) {
    heard_ = now;
    began_ += now - paused_at_;
    read();
    watch();
  }
}

HttpClient::Clock::time_point HttpClient::deadline() const {
  if (paused_) return Clock::time_point::max();
  Clock::time_point at = heard_ + limits_.silence;
  if (response_ && !response_->head_done()) at = std::min(at, asked_ + limits_.head);
  if (request_.total.count() > 0) {
    at = std::min(at, began_ + std::chrono::duration_cast<Clock::duration>(request_.total));
  }
  return at;
}

// While a request is under way.
void HttpClient::watch() {
  const auto at = deadline();
  if (at == Clock::time_point::max()) return;
  timer_.expires_at(at);
  timer_.async_wait([this, alive = std::weak_ptr(alive_), round = round_](boost::system::error_code error) {
    if (!error && alive.lock() && round == round_ && busy_ && !connecting_) check();
  });
}

void HttpClient::check() {
  const auto now = Clock::now();
  if (now < deadline()) return watch();
  if (now >= heard_ + limits_.silence) {
    end((response_->any() ? "nothing came for " : "no answer within ") + seconds(limits_.silence));
  } else if (!response_->head_done() && now >= asked_ + limits_.head) {
    end("the answer's head took more than " + seconds(limits_.head));
  } else {
    end("the answer took more than " + seconds(request_.total));
  }
}

}  // namespace headgate::bridge::pull

#include "dataplane/bridge/pull/response_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <string_view>
#include <utility>

namespace headgate::bridge::pull {

namespace beast = boost::beast;
namespace http = beast::http;

namespace {

// A body that is handed on as it is parsed. The value says where; false from there stops the parser.
struct HandedOn {
  struct value_type {
    ResponseReader::OnBody* to = nullptr;
  };
  class reader {
   public:
    template <bool IsRequest, class Fields>
    reader(http::header<IsRequest, Fields>&, value_type& value) : value_(value) {}
    void init(const boost::optional<std::uint64_t>&, beast::error_code& error) { error = {}; }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, beast::error_code& error) {
      std::size_t taken = 0;
      error = {};
      for (const auto buffer : beast::buffers_range_ref(buffers)) {
        taken += buffer.size();
        if (buffer.size() == 0) continue;
        if (!(*value_.to)({static_cast<const std::uint8_t*>(buffer.data()), buffer.size()})) {
          error = boost::system::errc::make_error_code(boost::system::errc::operation_canceled);
          return taken;
        }
      }
      return taken;
    }
    void finish(beast::error_code& error) { error = {}; }

   private:
    value_type& value_;  // set after the parser is made
  };
};

using ResponseParser = http::response_parser<HandedOn>;

constexpr unsigned kMaxInterim = 8;
// What may wait for the rest of a head, or of a chunk's head or trailer.
constexpr std::size_t kMaxPending = ResponseReader::kMaxHead + 1024;

std::string text_of(beast::string_view text) { return {text.data(), text.size()}; }

std::string lowered(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

ResponseHead make_head(const ResponseParser& parser) {
  const auto& message = parser.get();
  ResponseHead head;
  head.status = message.result_int();
  head.location = text_of(message[http::field::location]);
  head.content_type = lowered(text_of(message[http::field::content_type]));
  head.content_type.erase(std::min(head.content_type.find(';'), head.content_type.size()));
  while (head.content_type.ends_with(' ')) head.content_type.pop_back();
  head.content_encoding = lowered(text_of(message[http::field::content_encoding]));
  head.content_range = text_of(message[http::field::content_range]);
  if (const auto length = parser.content_length()) head.length = *length;
  head.keep_alive = parser.keep_alive();
  return head;
}

}  // namespace

struct ResponseReader::Impl {
  void begin() {
    begun = false;
    parser.emplace();
    parser->eager(true);
    parser->header_limit(kMaxHead);
    parser->body_limit(boost::none);
    parser->get().body().to = &hand_on;
  }

  State fail(std::string why) {
    error = std::move(why);
    return state = State::failed;
  }

  State fail(const beast::error_code& code) {
    if (stopped) return state = State::stopped;
    if (code == http::error::header_limit || code == http::error::buffer_overflow) {
      return fail(fmt::format("the answer's head is longer than {} KiB", kMaxHead / 1024));
    }
    if (code == http::error::partial_message) return fail("the answer broke off");
    return fail("the answer is no HTTP: " + code.message());
  }

  bool take(std::span<const std::uint8_t> bytes) {
    // The head first: what it says decides about the body.
    if (!told && !tell()) {
      stopped = true;
      return false;
    }
    if (on_body(bytes)) return true;
    stopped = true;
    return false;
  }

  bool tell() {
    told = true;
    head = make_head(*parser);
    return on_head(head);
  }

  State parse();

  OnHead on_head;
  OnBody on_body;
  OnBody hand_on = [this](std::span<const std::uint8_t> bytes) { return take(bytes); };
  std::optional<ResponseParser> parser;
  std::vector<std::uint8_t> pending;
  ResponseHead head;
  State state = State::reading;
  std::string error;
  unsigned interim = 0;
  bool any = false;
  bool begun = false;
  bool told = false;
  bool stopped = false;
};

ResponseReader::ResponseReader(OnHead on_head, OnBody on_body) : impl_(std::make_unique<Impl>()) {
  impl_->on_head = std::move(on_head);
  impl_->on_body = std::move(on_body);
  impl_->begin();
}

ResponseReader::~ResponseReader() = default;

ResponseReader::State ResponseReader::Impl::parse() {
  std::size_t at = 0;
  while (at < pending.size() && state == State::reading) {
    // The parser would wait for a line's end.
    if (!begun) {
      static constexpr std::string_view kBegin = "HTTP/";
      const std::size_t known = std::min(kBegin.size(), pending.size() - at);
      if (!std::equal(kBegin.begin(), kBegin.begin() + known,
                      pending.begin() + static_cast<std::ptrdiff_t>(at))) {
        return fail("the answer is no HTTP");
      }
      if (known < kBegin.size()) break;
      begun = true;
    }
    beast::error_code code;
    const std::size_t used = parser->put(boost::asio::buffer(pending.data() + at, pending.size() - at), code);
    at += used;
    if (code == http::error::need_more) code = {};
    if (code) return fail(code);
    const bool is_interim = parser->is_header_done() && parser->get().result_int() / 100 == 1;
    if (is_interim) {
      // 101 would be another protocol, which nobody asked for.
      if (parser->get().result_int() == 101 || ++interim > kMaxInterim)
        return fail("the answer is no HTTP: 1xx");
      begin();
      continue;
    }
    if (parser->is_header_done() && !told && !tell()) return state = State::stopped;
    if (parser->is_done()) {
      state = State::done;
      break;
    }
    if (used == 0) break;
  }
  pending.erase(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(at));
  if (state == State::reading && pending.size() > kMaxPending) {
    return fail(told ? "the answer is no HTTP: an endless chunk header"
                     : fmt::format("the answer's head is longer than {} KiB", kMaxHead / 1024));
  }
  return state;
}

ResponseReader::State ResponseReader::push(std::span<const std::uint8_t> bytes) {
  if (impl_->state != State::reading || bytes.empty()) return impl_->state;
  impl_->any = true;
  impl_->pending.insert(impl_->pending.end(), bytes.begin(), bytes.end());
  return impl_->parse();
}

ResponseReader::State ResponseReader::finish() {
  if (impl_->state != State::reading) return impl_->state;
  if (!impl_->any) return impl_->fail("the server closed the connection without an answer");
  // Only an interim answer came, or less than a word.
  if (!impl_->parser->got_some()) return impl_->fail("the answer broke off");
  beast::error_code code;
  impl_->parser->put_eof(code);
  if (code) return impl_->fail(code);
  if (impl_->parser->is_header_done() && !impl_->told && !impl_->tell()) return impl_->state = State::stopped;
  impl_->head.keep_alive = false;
  return impl_->state = State::done;
}

ResponseReader::State ResponseReader::state() const { return impl_->state; }
const std::string& ResponseReader::error() const { return impl_->error; }
bool ResponseReader::any() const { return impl_->any; }
bool ResponseReader::head_done() const { return impl_->told; }
bool ResponseReader::reusable() const {
  return impl_->state == State::done && impl_->head.keep_alive && impl_->pending.empty();
}

std::string status_line(unsigned status) {
  const http::status known = http::int_to_status(status);
  if (known == http::status::unknown) return std::to_string(status);
  return fmt::format("{} {}", status, text_of(http::obsolete_reason(known)));
}

}  // namespace headgate::bridge::pull

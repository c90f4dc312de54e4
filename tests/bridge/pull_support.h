// For tests of pulls: an Entry that keeps what it gets, a made transport stream whose packets are numbered,
// and a web server that answers as it is told.
#pragma once

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mpegts/packet/ts_packet.h"
#include "tests/bridge/fake_entry.h"
#include "tests/bridge/loopback.h"

namespace headgate::bridge::pull::test {

using Bytes = std::vector<std::uint8_t>;
using Clock = std::chrono::steady_clock;

// Keeps the media, and when they came.
class FakeEntry : public bridge::test::FakeEntry {
 public:
  explicit FakeEntry(std::string address = "")
      : bridge::test::FakeEntry("c", "", protocol::SourceKind::http_ts) {
    input().address = std::move(address);
  }
  void on_ts(std::span<const std::uint8_t> bytes) override {
    media.insert(media.end(), bytes.begin(), bytes.end());
    marks.emplace_back(pull::test::Clock::now(), media.size());
    bridge::test::FakeEntry::on_ts(bytes);
  }
  std::uint64_t times_attached() { return status().connections; }

  Bytes media;
  std::vector<std::pair<pull::test::Clock::time_point, std::size_t>> marks;  // when so many bytes had come
};

// One PID with a PCR each 20 ms or so, constant rate; each packet bears its number. Counters go on from
// `first`.
inline Bytes make_ts(double seconds, double bitrate = 1'504'000, std::uint32_t first = 0,
                     double pcr_start = 10) {
  const double per_second = bitrate / (8 * 188);
  const auto count = static_cast<std::uint32_t>(seconds * per_second);
  const auto spacing = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(per_second / 50));
  Bytes out;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::array<std::uint8_t, 188> p{};
    p[0] = 0x47;
    p[1] = 0x01;
    p[3] = static_cast<std::uint8_t>(0x10 | ((first + i) & 15));
    std::size_t at = 4;
    if (i % spacing == 0) {
      p[3] |= 0x20;
      p[4] = 7;
      p[5] = 0x10;
      const auto ticks =
          static_cast<std::uint64_t>((pcr_start + i / per_second) * 27e6) % mpegts::kPcrModulus;
      const std::uint64_t base = ticks / 300;
      p[6] = static_cast<std::uint8_t>(base >> 25);
      p[7] = static_cast<std::uint8_t>(base >> 17);
      p[8] = static_cast<std::uint8_t>(base >> 9);
      p[9] = static_cast<std::uint8_t>(base >> 1);
      p[10] = static_cast<std::uint8_t>((base & 1) << 7 | 0x7E | (ticks % 300) >> 8);
      p[11] = static_cast<std::uint8_t>(ticks % 300);
      at = 12;
    }
    const std::uint32_t number = first + i;
    for (unsigned k = 0; k < 4; ++k) p[at + k] = static_cast<std::uint8_t>(number >> (24 - 8 * k));
    out.insert(out.end(), p.begin(), p.end());
  }
  return out;
}

// The numbers of make_ts's packets.
inline std::vector<std::uint32_t> numbers(const Bytes& media) {
  std::vector<std::uint32_t> out;
  for (std::size_t at = 0; at + 188 <= media.size(); at += 188) {
    const std::size_t from = at + ((media[at + 3] & 0x20) != 0 ? 5U + media[at + 4] : 4U);
    std::uint32_t number = 0;
    for (unsigned k = 0; k < 4; ++k) number = number << 8 | media[from + k];
    out.push_back(number);
  }
  return out;
}

// A web server on 127.0.0.1. What `answer` gives is sent as it stands, byte for byte; then, as told, the
// connection is kept, closed or left open in silence.
class Web {
 public:
  enum class Then { keep, close, hang };
  struct Answer {
    std::string bytes;
    Then then = Then::keep;
    std::size_t piece = 0;  // sent in pieces of that size, 0: at once
    std::chrono::milliseconds every{0};
  };
  struct Request {
    std::string target;
    std::string head;
    std::size_t connection = 0;
  };

  explicit Web(boost::asio::io_context& context)
      : acceptor_(context, {boost::asio::ip::make_address("127.0.0.1"), 0}) {
    accept();
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  std::string url(const std::string& target, const std::string& credentials = "") const {
    return "http://" + credentials + "127.0.0.1:" + std::to_string(port()) + target;
  }
  static std::string ok(const std::string& body, const std::string& type = "video/mp2t",
                        const std::string& more = "") {
    return "HTTP/1.1 200 OK\r\nContent-Type: " + type + "\r\n" + more +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  static std::string ok(const Bytes& body) { return ok(std::string(body.begin(), body.end())); }
  static std::string status(const std::string& line, const std::string& more = "") {
    return "HTTP/1.1 " + line + "\r\n" + more + "Content-Length: 0\r\n\r\n";
  }

  std::function<Answer(const Request&)> answer = [](const Request&) {
    return Answer{status("404 Not Found")};
  };
  std::vector<Request> requests;
  std::size_t connections = 0;
  std::size_t sent = 0;  // bytes, heads too, to all

 private:
  struct Connection : std::enable_shared_from_this<Connection> {
    Connection(boost::asio::ip::tcp::socket socket, Web& the_web, std::size_t the_number)
        : stream(std::move(socket)), timer(stream.get_executor()), web(the_web), number(the_number) {}
    void read() {
      const std::size_t end = in.find("\r\n\r\n");
      if (end != std::string::npos) {
        Request request;
        request.head = in.substr(0, end + 2);
        in.erase(0, end + 4);
        request.target = request.head.substr(4, request.head.find(' ', 4) - 4);
        request.connection = number;
        web.requests.push_back(request);
        now = web.answer(request);
        return write(0);
      }
      stream.async_read_some(boost::asio::buffer(block),
                             [self = shared_from_this()](auto error, std::size_t size) {
                               if (error) return;
                               self->in.append(self->block.data(), size);
                               self->read();
                             });
    }
    void write(std::size_t at) {
      const std::size_t size =
          now.piece == 0 ? now.bytes.size() - at : std::min(now.piece, now.bytes.size() - at);
      boost::asio::async_write(stream, boost::asio::buffer(now.bytes.data() + at, size),
                               [self = shared_from_this(), at](auto error, std::size_t sent) {
                                 if (error) return;
                                 if (at + sent < self->now.bytes.size()) return self->later(at + sent);
                                 if (self->now.then == Then::keep) self->read();
                                 if (self->now.then == Then::hang) self->hang();
                               });
    }
    void later(std::size_t at) {
      timer.expires_after(now.every);
      timer.async_wait([self = shared_from_this(), at](auto error) {
        if (!error) self->write(at);
      });
    }
    void hang() {
      stream.async_read_some(boost::asio::buffer(block),
                             [self = shared_from_this()](auto error, std::size_t) {
                               if (!error) self->hang();
                             });
    }
    boost::asio::ip::tcp::socket stream;
    boost::asio::steady_timer timer;
    Web& web;
    std::size_t number;
    std::string in;
    std::array<char, 4096> block{};
    Answer now;
  };
  void accept() {
    acceptor_.async_accept([this](auto error, boost::asio::ip::tcp::socket socket) {
      if (error) return;
      std::make_shared<Connection>(std::move(socket), *this, ++connections)->read();
      accept();
    });
  }
  boost::asio::ip::tcp::acceptor acceptor_;
};

using bridge::test::run_until;

}  // namespace headgate::bridge::pull::test

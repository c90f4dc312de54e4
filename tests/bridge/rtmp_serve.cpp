// rtmp_serve FILE.flv [SECONDS-BEFORE-START]: the RTMP server alone, with the frames of an FLV file as
// channel "a", in real time and over again. Prints the port, then on each line of its input the counters.
// Ends with its input.
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>

#include "dataplane/bridge/rtmp/server.h"

namespace {

using namespace headgate;
using namespace headgate::bridge;

constexpr std::int64_t kTicksPerMs = 27'000;

struct Movie {
  std::shared_ptr<hub::FrameFormat> format = std::make_shared<hub::FrameFormat>();
  std::vector<hub::Frame> frames;
  std::int64_t length = 0;
};

std::uint32_t read24(const std::uint8_t* b) { return unsigned{b[0]} << 16 | unsigned{b[1]} << 8 | b[2]; }

void add_tag(Movie& movie, unsigned type, std::int64_t time, const std::uint8_t* body, std::size_t size) {
  const bool video = type == 9;
  if (size < 2 || (type != 8 && !video)) return;
  const std::size_t head = video ? 5 : 2;
  if (size < head) return;
  if (body[1] == 0) {
    movie.format->tracks[video ? 0 : 1].configuration.assign(body + head, body + size);
    return;
  }
  if (body[1] != 1) return;
  hub::Frame frame;
  frame.track = video ? 0 : 1;
  frame.random_access = !video || body[0] >> 4 == 1;
  frame.dts = time * kTicksPerMs;
  std::int64_t composition = video ? read24(body + 2) : 0;
  if (composition >= 0x80'0000) composition -= 0x100'0000;
  frame.pts = frame.dts + composition * kTicksPerMs;
  frame.data.assign(body + head, body + size);
  movie.length = std::max(movie.length, frame.dts + 40 * kTicksPerMs);
  movie.frames.push_back(std::move(frame));
}

Movie load(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  Movie movie;
  movie.format->tracks.resize(2);
  movie.format->tracks[0] = {
      mpegts::Pid{256}, mpegts::StreamKind::h264, "", {}, mpegts::es::VideoFormat{}, {}};
  movie.format->tracks[1] = {
      mpegts::Pid{257},
      mpegts::StreamKind::aac_adts,
      "",
      {},
      {},
      mpegts::es::AudioFormat{mpegts::StreamKind::aac_adts, 48000, 2, 1024, "mp4a.40.2"}};
  movie.format->tracks[0].video->width = 320;
  movie.format->tracks[0].video->height = 180;
  for (std::size_t at = 13; at + 15 <= bytes.size();) {
    const std::size_t size = read24(&bytes[at + 1]);
    if (at + 11 + size > bytes.size()) break;
    const std::int64_t time = std::int64_t{bytes[at + 7]} << 24 | read24(&bytes[at + 4]);
    add_tag(movie, bytes[at] & 0x1F, time, &bytes[at + 11], size);
    at += 15 + size;
  }
  return movie;
}

class Player {
 public:
  Player(boost::asio::io_context& context, Movie movie, hub::FrameSink& sink, std::int64_t ahead)
      : timer_(context), movie_(std::move(movie)), sink_(sink), started_(std::chrono::steady_clock::now()) {
    sink_.on_format(movie_.format);
    started_ -= std::chrono::seconds(ahead);
    step();
  }

 private:
  void step() {
    const std::int64_t now =
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - started_)
            .count() *
        27;
    while (offset_ + movie_.frames[next_].dts <= now) {
      auto frame = std::make_shared<hub::Frame>(movie_.frames[next_]);
      frame->dts += offset_;
      frame->pts += offset_;
      sink_.on_frame(std::move(frame));
      if (++next_ == movie_.frames.size()) {
        next_ = 0;
        offset_ += movie_.length;
      }
    }
    timer_.expires_after(std::chrono::milliseconds(5));
    timer_.async_wait([this](boost::system::error_code error) {
      if (!error) step();
    });
  }

  boost::asio::steady_timer timer_;
  Movie movie_;
  hub::FrameSink& sink_;
  std::chrono::steady_clock::time_point started_;
  std::int64_t offset_ = 0;
  std::size_t next_ = 0;
};

void report(rtmp::Server& server) {
  const rtmp::StreamCounters c =
      server.channel("a") != nullptr ? server.channel("a")->counters() : rtmp::StreamCounters{};
  std::cout << "{\"connections\": " << server.connections() << ", \"players\": " << server.players("a")
            << ", \"log_bytes\": " << (server.channel("a") != nullptr ? server.channel("a")->bytes() : 0)
            << ", \"bytes\": " << server.counters().bytes << ", \"skipped\": " << c.skipped_frames
            << ", \"cuts\": " << c.cuts << ", \"slow\": " << c.slow_clients << ", \"refused\": [";
  const auto& refused = server.counters().refused;
  for (std::size_t i = 0; i < refused.size(); ++i) std::cout << (i == 0 ? "" : ", ") << refused[i];
  std::cout << "]}" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  boost::asio::io_context context(1);
  rtmp::ServerLimits limits;
  limits.session.handshake_time = std::chrono::seconds(5);
  rtmp::Server server(context, limits);
  if (!server.listen({"127.0.0.1:0"})) return 1;
  Movie movie = load(argv[1]);
  if (movie.frames.empty()) return 1;
  Player player(context, std::move(movie), server.open("a"), argc > 2 ? std::atoi(argv[2]) : 0);
  std::cout << server.ports().at(0) << std::endl;
  boost::asio::posix::stream_descriptor input(context, ::dup(0));
  boost::asio::streambuf line;
  std::function<void()> listen = [&] {
    boost::asio::async_read_until(input, line, '\n', [&](boost::system::error_code error, std::size_t n) {
      if (error) return context.stop();
      std::istream words(&line);
      std::string word;
      std::getline(words, word);
      static_cast<void>(n);
      if (word == "close") server.close("a");
      report(server);
      listen();
    });
  };
  listen();
  context.run();
  return 0;
}

// srt_serve --file TS --bitrate BITS [--listen ADDRESS] [--latency MS] [--passphrase P] [--channels N]
// Plays a file once, at a constant rate, as channel "c0" (c1, ... the same) by the SRT listener alone,
// without fast path and ring, for tests that talk SRT. Prints "port N" first; afterwards takes lines on
// standard input:
//   go            begins the file
//   stats         prints the figures, one line of JSON
//   secret C P    sets channel C's passphrase ("-": none) and applies
//   remove C      takes channel C out and applies
//   quit
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <CLI/CLI.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "dataplane/bridge/app/sandbox.h"
#include "dataplane/bridge/hub/ts_feed.h"
#include "dataplane/bridge/srt/server.h"

namespace {

using namespace headgate;
using namespace headgate::bridge;
using Clock = std::chrono::steady_clock;

class Program {
 public:
  Program(std::vector<char> file, std::int64_t bitrate, protocol::SrtServerState listener, unsigned channels)
      : file_(std::move(file)), bitrate_(bitrate), listener_(std::move(listener)) {
    for (unsigned i = 0; i < channels; ++i) {
      protocol::BridgeChannel channel;
      channel.id = "c" + std::to_string(i);
      channel.srt.emplace();
      channels_.push_back(channel);
      feeds_.emplace(channel.id, std::make_unique<hub::TsFeed>());
    }
  }

  int run(bool sandboxed) {
    if (sandboxed && !app::enter_sandbox()) return 1;
    if (!apply()) return 1;
    std::cout << "port " << server_.ports().at(0) << std::endl;
    read();
    context_.run();
    server_.stop();
    return 0;
  }

 private:
  bool apply() {
    const auto applied = server_.apply({listener_}, channels_);
    if (!applied) std::cerr << applied.error() << std::endl;
    return applied.has_value();
  }

  void read() {
    boost::asio::async_read_until(input_, lines_, '\n', [this](boost::system::error_code error, std::size_t) {
      if (error) {
        context_.stop();
        return;
      }
      std::istream in(&lines_);
      std::string line;
      std::getline(in, line);
      command(line);
      read();
    });
  }

  void command(const std::string& line) {
    std::istringstream words(line);
    std::string verb, channel, secret;
    words >> verb >> channel >> secret;
    if (verb == "go") {
      began_ = Clock::now();
      beat();
    } else if (verb == "stats") {
      print();
    } else if (verb == "secret" || verb == "remove") {
      for (auto& c : channels_) {
        if (c.id == channel) c.srt->passphrase = secret == "-" ? "" : secret;
      }
      server_.release_feeds();
      if (verb == "remove") {
        std::erase_if(channels_, [&](const auto& c) { return c.id == channel; });
        feeds_.erase(channel);
      }
      std::cout << (apply() ? "applied" : "refused") << std::endl;
    } else if (verb == "quit") {
      context_.stop();
    }
  }

  void print() {
    const srt::Stats stats = server_.stats();
    nlohmann::json out = {{"accepted", stats.accepted},
                          {"stalled", stats.stalled},
                          {"revoked", stats.revoked},
                          {"lost_chunks", stats.lost_chunks}};
    for (std::size_t i = 0; i < srt::kRefusals; ++i)
      out["refused"][srt::name_of(static_cast<srt::Refusal>(i))] = stats.refused[i];
    out["sessions"] = nlohmann::json::array();
    for (const auto& s : stats.sessions) {
      out["sessions"].push_back({{"channel", s.channel},
                                 {"address", s.address},
                                 {"stream_id", s.stream_id},
                                 {"encrypted", s.encrypted},
                                 {"latency_ms", s.latency_ms},
                                 {"bytes", s.bytes},
                                 {"messages", s.messages},
                                 {"dropped_messages", s.dropped_messages},
                                 {"jumps", s.jumps},
                                 {"rtt_ms", s.rtt_ms},
                                 {"lost", s.lost_packets},
                                 {"retransmitted", s.retransmitted_packets},
                                 {"dropped", s.dropped_packets},
                                 {"buffer_bytes", s.buffer_bytes},
                                 {"buffer_limit", s.buffer_limit}});
    }
    std::cout << out.dump() << std::endl;
  }

  // Every 2 ms what is due by then, a slot of 7 packets at a time.
  void beat() {
    constexpr std::size_t kSlotBytes = 7 * 188;
    const auto due = static_cast<std::size_t>(std::chrono::duration<double>(Clock::now() - began_).count() *
                                              static_cast<double>(bitrate_) / 8);
    while (at_ + kSlotBytes <= std::min(due, file_.size())) {
      ring::Slot slot{};
      slot.packet_count = 7;
      slot.sequence = sequence_++;
      slot.arrival_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                            std::chrono::system_clock::now().time_since_epoch())
                            .count();
      std::memcpy(slot.packets.data(), file_.data() + at_, kSlotBytes);
      for (auto& [id, feed] : feeds_) feed->on_slot(slot);
      at_ += kSlotBytes;
    }
    timer_.expires_after(std::chrono::milliseconds(2));
    timer_.async_wait([this](boost::system::error_code error) {
      if (!error) beat();
    });
  }

  std::vector<char> file_;
  std::int64_t bitrate_;
  protocol::SrtServerState listener_;
  std::vector<protocol::BridgeChannel> channels_;
  std::map<std::string, std::unique_ptr<hub::TsFeed>, std::less<>> feeds_;
  boost::asio::io_context context_{1};
  boost::asio::steady_timer timer_{context_};
  boost::asio::posix::stream_descriptor input_{context_, ::dup(0)};
  boost::asio::streambuf lines_;
  srt::Server server_{[this](std::string_view id) -> hub::TsFeed* {
                        const auto feed = feeds_.find(id);
                        return feed == feeds_.end() ? nullptr : feed->second.get();
                      },
                      [this](std::function<void()> f) { boost::asio::post(context_, std::move(f)); }};
  Clock::time_point began_;
  std::size_t at_ = 0;
  std::uint32_t sequence_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App cli("Plays a file by the SRT listener, for tests.");
  std::string file;
  std::int64_t bitrate = 4'000'000;
  protocol::SrtServerState listener{.listen = "127.0.0.1:0", .latency_ms = 120, .passphrase = ""};
  unsigned channels = 1;
  bool sandboxed = false;
  cli.add_option("--file", file)->required();
  cli.add_option("--bitrate", bitrate);
  cli.add_option("--listen", listener.listen);
  cli.add_option("--latency", listener.latency_ms);
  cli.add_option("--passphrase", listener.passphrase);
  cli.add_option("--channels", channels);
  cli.add_flag("--sandbox", sandboxed);
  CLI11_PARSE(cli, argc, argv);
  spdlog::set_default_logger(spdlog::stderr_logger_st("srt_serve"));
  std::ifstream in(file, std::ios::binary);
  std::vector<char> bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  Program program(std::move(bytes), bitrate, listener, channels);
  return program.run(sandboxed);
}

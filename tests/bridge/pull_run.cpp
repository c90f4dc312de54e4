// pull_run file|http-ts|hls ADDRESS OUT [--sandbox]
// One pull alone, without fast path and ring, for tests with real servers: what it hands on goes to the file
// OUT. On standard output a line of JSON for each event, {"at": seconds since the start, "event": "attach",
// "about": …}; on each line of standard input one with its status. Ends with its input.
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "dataplane/bridge/app/sandbox.h"
#include "dataplane/bridge/pull/pull.h"
#include "tests/bridge/pull_support.h"

namespace {

using namespace headgate::bridge;

class Program {
 public:
  Program(const std::string& address, const std::string& out) : entry_(address), out_(out, std::ios::binary) {
    entry_.on_change = [this](const std::string& what, const std::string& about) { say(what, about); };
    entry_.on_bytes = [this](std::span<const std::uint8_t> bytes) {
      out_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
      written_ += bytes.size();
      entry_.media.clear();
      const auto now = pull::test::Clock::now();
      if (last_ != pull::test::Clock::time_point{}) longest_ = std::max(longest_, now - last_);
      last_ = now;
    };
  }

  int run(const std::string& kind) {
    auto source = kind == "file"      ? pull::make_file(context_, entry_)
                  : kind == "http-ts" ? pull::make_http_ts(context_, entry_)
                                      : pull::make_hls(context_, entry_);
    read();
    context_.run();
    source.reset();
    return out_.flush() ? 0 : 1;
  }

 private:
  double seconds() const { return std::chrono::duration<double>(pull::test::Clock::now() - began_).count(); }

  void say(const std::string& what, const std::string& about) {
    std::cout
        << nlohmann::json{{"at", seconds()}, {"event", what}, {"about", about}, {"bytes", written_}}.dump()
        << std::endl;
  }

  void read() {
    boost::asio::async_read_until(
        input_, lines_, '\n', [this](boost::system::error_code error, std::size_t size) {
          if (error) return context_.stop();
          lines_.consume(size);
          out_.flush();
          const auto& status = entry_.status();
          std::cout << nlohmann::json{{"at", seconds()},
                                      {"event", "status"},
                                      {"error", status.error},
                                      {"receiving", status.state == ingest::SourceState::receiving},
                                      {"bytes", written_},
                                      {"drops", status.drops},
                                      {"details", status.details},
                                      {"left_out", status.left_out.size()},
                                      {"longest_silence", std::chrono::duration<double>(longest_).count()}}
                           .dump()
                    << std::endl;
          longest_ = {};
          read();
        });
  }

  boost::asio::io_context context_;
  pull::test::FakeEntry entry_;
  std::ofstream out_;
  std::uint64_t written_ = 0;
  pull::test::Clock::time_point began_ = pull::test::Clock::now();
  pull::test::Clock::time_point last_{};
  pull::test::Clock::duration longest_{};
  boost::asio::posix::stream_descriptor input_{context_, 0};
  boost::asio::streambuf lines_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "usage: pull_run file|http-ts|hls ADDRESS OUT [--sandbox]\n";
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);
  if (argc > 4 && std::strcmp(argv[4], "--sandbox") == 0) {
    app::set_limits();
    if (const auto entered = app::enter_sandbox(); !entered) {
      std::cerr << entered.error() << "\n";
      return 1;
    }
  }
  Program program(argv[2], argv[3]);
  return program.run(argv[1]);
}

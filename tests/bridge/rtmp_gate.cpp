// rtmp_gate: RTMP in and out without the rest of the gateway, for tests with encoders and servers that are
// not ours. A server with inputs whose frames go to FLV files, pulls likewise, and pushes of a transport
// stream in real time, over and over. Prints {"ports": […]} first; afterwards on each line of standard input
// one line of JSON with what goes on. The line "certificate CERT KEY" puts new files in force first. Ends
// with its input.
#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>
#include <csignal>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "control/protocol/bridge_drops.h"
#include "dataplane/bridge/hub/channel_hub.h"
#include "dataplane/bridge/rtmp/pull.h"
#include "dataplane/bridge/rtmp/push.h"
#include "dataplane/bridge/rtmp/server.h"
#include "tests/bridge/fake_entry.h"
#include "tests/bridge/slots.h"

namespace {

using namespace headgate;
using namespace headgate::bridge;
using nlohmann::json;
using Octets = std::vector<std::uint8_t>;
using Clock = std::chrono::steady_clock;

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// FLV with the frames' own times.
class FlvFile : public hub::FrameSink {
 public:
  explicit FlvFile(const std::string& path) : out_(path, std::ios::binary) {
    put({'F', 'L', 'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0});
  }
  void on_format(std::shared_ptr<const hub::FrameFormat> format) override {
    carriage_ = rtmp::choose(*format);
    tag(18, 0, carriage_->metadata, {});
    if (!carriage_->video_header.empty()) tag(9, 0, carriage_->video_header, {});
    if (!carriage_->audio_header.empty()) tag(8, 0, carriage_->audio_header, {});
  }
  void on_frame(std::shared_ptr<const hub::Frame> frame) override {
    ++frames;
    const auto ms = static_cast<std::uint32_t>(rtmp::to_ms(frame->dts));
    if (carriage_->video_track == frame->track) {
      const auto head = rtmp::video_head(carriage_->video, frame->random_access,
                                         rtmp::to_ms(frame->pts) - rtmp::to_ms(frame->dts));
      tag(9, ms, head.span(), frame->data);
    } else if (carriage_->audio_track == frame->track) {
      tag(8, ms, rtmp::audio_head(carriage_->audio, carriage_->audio_format).span(), frame->data);
    }
  }
  void on_discontinuity() override {}
  std::uint64_t frames = 0;

 private:
  void put(const Octets& bytes) {
    out_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  void tag(std::uint8_t type, std::uint32_t ms, std::span<const std::uint8_t> head, const Octets& data) {
    const std::size_t size = head.size() + data.size();
    const auto byte = [](std::size_t value) { return static_cast<std::uint8_t>(value); };
    put({type, byte(size >> 16), byte(size >> 8), byte(size), byte(ms >> 16), byte(ms >> 8), byte(ms),
         byte(ms >> 24), 0, 0, 0});
    put({head.begin(), head.end()});
    put(data);
    const std::size_t all = size + 11;
    put({byte(all >> 24), byte(all >> 16), byte(all >> 8), byte(all)});
    out_.flush();
  }
  std::ofstream out_;
  std::shared_ptr<const rtmp::Carriage> carriage_;
};

// An input whose frames go to a file; a source counts as silent after a second, as in the gateway.
struct Input {
  Input(const std::string& channel, const std::string& key, protocol::SourceKind kind,
        const std::string& path)
      : entry(channel, key, kind), file(path) {
    entry.log.next = &file;
    entry.by_clock = true;
  }
  json report() {
    const ingest::SourceStatus& s = entry.status();
    return {{"channel", entry.channel()},
            {"attached", entry.attached},
            {"peer", s.peer},
            {"error", s.error},
            {"frames", file.frames},
            {"connections", s.connections},
            {"drops", s.drops},
            {"details", s.details},
            {"formats", entry.log.formats.size()},
            {"discontinuities", entry.log.discontinuities},
            {"left_out", left_out()}};
  }
  json left_out() const {
    json out = json::array();
    for (const auto& each : entry.status().left_out_by_source) out.push_back(each.reason);
    return out;
  }
  test::FakeEntry entry;
  FlvFile file;
};

// The channel that is pushed.
class Air {
 public:
  Air(boost::asio::io_context& context, const std::string& path) : timer_(context) {
    const std::string bytes = read_text(path);
    test::Slots cut([this](const ring::Slot& slot) { slots_.push_back(slot); });
    cut.packets({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    cut.flush();
    if (!slots_.empty()) step();
  }
  hub::FrameFeed feed;
  // Of this round.
  double seconds_played() const {
    return at_ == 0 ? 0 : static_cast<double>(slots_[at_ - 1].arrival_ns - slots_[0].arrival_ns) / 1e9;
  }

 private:
  void step() {
    const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - started_).count();
    while (at_ < slots_.size() && slots_[at_].arrival_ns - slots_[0].arrival_ns <= now)
      hub_.on_slot(slots_[at_++]);
    if (at_ == slots_.size()) {
      started_ = Clock::now();
      at_ = 0;
    }
    timer_.expires_after(std::chrono::milliseconds(5));
    timer_.async_wait([this](boost::system::error_code error) {
      if (!error) step();
    });
  }
  hub::ChannelHub hub_{feed};
  boost::asio::steady_timer timer_;
  std::vector<ring::Slot> slots_;
  std::size_t at_ = 0;
  Clock::time_point started_ = Clock::now();
};

class Gate {
 public:
  Gate() : server_(context_), input_(context_, ::dup(0)) {}

  void publish(const std::string& channel, const std::string& key, const std::string& path) {
    inputs_.push_back(std::make_unique<Input>(channel, key, protocol::SourceKind::publish, path));
  }
  void pull(const std::string& url, const std::string& path) {
    inputs_.push_back(std::make_unique<Input>("pull", "", protocol::SourceKind::rtmp, path));
    inputs_.back()->entry.input().address = url;
    sources_.push_back(rtmp::make_pull(context_, inputs_.back()->entry));
  }
  void air(const std::string& path) { air_ = std::make_unique<Air>(context_, path); }
  void push(const std::string& address, const std::string& stream) {
    protocol::BridgePush target;
    target.address = target.url = address;
    target.stream = stream;
    pushes_.push_back(rtmp::make_push(context_, air_->feed, target));
  }
  void serve() { air_->feed.add(&server_.open("air")); }
  bool listen(const std::string& certificate, const std::string& key) {
    std::vector<protocol::RtmpsServerState> tls;
    if (!certificate.empty()) tls.push_back({"127.0.0.1:0", read_text(certificate), read_text(key)});
    const auto listening = server_.listen({"127.0.0.1:0"}, tls);
    if (!listening) std::cerr << listening.error() << std::endl;
    return listening.has_value();
  }
  int run() {
    server_.set_inputs([this](std::string_view id) -> ingest::Entry* {
      for (const auto& input : inputs_) {
        if (input->entry.channel() == id) return &input->entry;
      }
      return nullptr;
    });
    std::cout << json{{"ports", server_.ports()}} << std::endl;
    hear();
    context_.run();
    pushes_.clear();
    sources_.clear();
    air_.reset();  // its feed knows sinks of the server
    server_.stop();
    return 0;
  }

 private:
  void hear() {
    boost::asio::async_read_until(input_, lines_, '\n', [this](boost::system::error_code error, std::size_t) {
      if (error) return context_.stop();
      std::istream stream(&lines_);
      std::string line, word, certificate, key;
      std::getline(stream, line);
      std::istringstream words(line);
      words >> word >> certificate >> key;
      if (word == "certificate") listen(certificate, key);
      std::cout << report() << std::endl;
      hear();
    });
  }
  json report() {
    const rtmp::ServerCounters& c = server_.counters();
    json refused = json::object();
    for (std::size_t i = 0; i < rtmp::kRefusals; ++i) {
      if (c.refused[i] != 0) refused[std::string(protocol::kRtmpRefusals[i].name)] = c.refused[i];
    }
    json inputs = json::array(), pushes = json::array();
    for (const auto& input : inputs_) inputs.push_back(input->report());
    constexpr const char* kStates[] = {"connecting", "sending", "waiting"};
    for (const auto& push : pushes_) {
      const push::PushStatus& s = push->status();
      json left_out = json::array();
      for (const auto& each : s.left_out) left_out.push_back(each.reason);
      pushes.push_back({{"state", kStates[static_cast<std::size_t>(s.state)]},
                        {"error", s.error},
                        {"connections", s.connections},
                        {"failures", s.failures},
                        {"bytes", s.bytes},
                        {"skipped", s.skipped},
                        {"left_out", left_out}});
    }
    return {{"connections", server_.connections()},
            {"refused", refused},
            {"inputs", inputs},
            {"pushes", pushes},
            {"played", air_ ? air_->seconds_played() : 0}};
  }

  boost::asio::io_context context_{1};
  std::vector<std::unique_ptr<Input>> inputs_;
  rtmp::Server server_;
  std::unique_ptr<Air> air_;
  std::vector<std::unique_ptr<ingest::Source>> sources_;
  std::vector<std::unique_ptr<push::Push>> pushes_;
  boost::asio::posix::stream_descriptor input_;
  boost::asio::streambuf lines_;
};

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  CLI::App cli("RTMP in and out, for tests.");
  std::vector<std::string> publishes, pulls, pushes;
  std::string ts, certificate, key;
  cli.add_option("--publish", publishes, "CHANNEL KEY FILE (\"-\": no key)")->type_size(3)->expected(1, 100);
  cli.add_option("--pull", pulls, "URL FILE")->type_size(2)->expected(1, 100);
  cli.add_option("--push", pushes, "ADDRESS STREAM")->type_size(2)->expected(1, 100);
  cli.add_option("--ts", ts, "what is pushed");
  bool serve = false;
  cli.add_flag("--serve", serve, "it is played as channel \"air\" too");
  cli.add_option("--certificate", certificate);
  cli.add_option("--key", key);
  CLI11_PARSE(cli, argc, argv);
  Gate gate;
  if (!gate.listen(certificate, key)) return 1;
  for (std::size_t i = 0; i + 2 < publishes.size(); i += 3)
    gate.publish(publishes[i], publishes[i + 1] == "-" ? "" : publishes[i + 1], publishes[i + 2]);
  for (std::size_t i = 0; i + 1 < pulls.size(); i += 2) gate.pull(pulls[i], pulls[i + 1]);
  if (!ts.empty()) gate.air(ts);
  if (serve) gate.serve();
  for (std::size_t i = 0; i + 1 < pushes.size(); i += 2) gate.push(pushes[i], pushes[i + 1]);
  return gate.run();
}

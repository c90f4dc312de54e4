// srt_serve --file TS --bitrate BITS [--listen ADDRESS] [--latency MS] [--passphrase P] [--channels N]
// Plays a file once, at a constant rate, as channel "c0" (c1, ... the same) by the SRT listener alone,
// without fast path and ring, and takes what publishers and inputs bring into files, for tests that talk SRT.
// Prints "port N" first; afterwards takes lines on standard input ("-": none):
//   go                               begins the file
//   stats                            prints the figures, one line of JSON
//   secret C P                       sets channel C's passphrase and applies
//   remove C                         takes channel C out and applies
//   publish C KEY FILE               channel C takes a publisher, whose stream goes to FILE; applies
//   unpublish C                      takes that away and applies
//   rtmp C MS                        for MS it is as if C had a publisher of another protocol
//   call ADDRESS FILE MS P ID        an input that calls, with latency, passphrase and stream id
//   listen ADDRESS FILE MS P         an input with a port of its own
//   drop N                           ends the input of that number (counted from 0)
//   push ADDRESS MS P ID             pushes "c0"
//   unpush N                         ends the push of that number
//   quit
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
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "control/log/log.h"
#include "dataplane/bridge/app/sandbox.h"
#include "dataplane/bridge/hub/ts_feed.h"
#include "dataplane/bridge/ingest/source.h"
#include "dataplane/bridge/push/push.h"
#include "dataplane/bridge/srt/server.h"
#include "tests/bridge/fake_entry.h"

namespace {

using namespace headgate;
using namespace headgate::bridge;
using Clock = std::chrono::steady_clock;

// An entry, the file that it fills and, where it is fetched, what fetches it.
struct Sink {
  Sink(const std::string& channel, const protocol::BridgeInput& input, const std::string& path)
      : file(path, std::ios::binary), entry(channel, input) {
    entry.by_clock = true;
    entry.on_bytes = [this](std::span<const std::uint8_t> bytes) {
      file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
      file.flush();
    };
  }
  std::ofstream file;
  test::FakeEntry entry;
  std::unique_ptr<ingest::Source> source;
};

std::string none(const std::string& word) { return word == "-" ? "" : word; }

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
    look();
    context_.run();
    inputs_.clear();
    pushes_.clear();
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
    std::istringstream in(line);
    const std::vector<std::string> words{std::istream_iterator<std::string>(in), {}};
    if (words.empty()) return;
    const std::string& verb = words[0];
    const auto word = [&](std::size_t i) { return i < words.size() ? none(words[i]) : std::string(); };
    if (verb == "go") {
      began_ = Clock::now();
      beat();
    } else if (verb == "stats") {
      print();
    } else if (verb == "secret" || verb == "remove") {
      for (auto& c : channels_) {
        if (c.id == word(1)) c.srt->passphrase = word(2);
      }
      if (verb == "remove") {
        std::erase_if(channels_, [&](const auto& c) { return c.id == word(1); });
        feeds_.erase(word(1));
      }
      std::cout << (apply() ? "applied" : "refused") << std::endl;
    } else if (verb == "publish" || verb == "unpublish") {
      if (const auto before = publishers_.find(word(1)); before != publishers_.end()) {
        server_.release(before->second->entry);
        publishers_.erase(before);
      }
      std::erase_if(channels_, [&](const auto& c) { return c.id == word(1); });
      if (verb == "publish") add_publisher(word(1), word(2), word(3));
      std::cout << (apply() ? "applied" : "refused") << std::endl;
    } else if (verb == "rtmp") {
      test::FakeEntry& entry = publishers_.at(word(1))->entry;
      std::cout << (entry.attach("rtmp", {}) ? "attached" : "refused") << std::endl;
      rtmp_until_ = Clock::now() + std::chrono::milliseconds(std::stoi(word(2)));
      rtmp_ = word(1);
    } else if (verb == "call" || verb == "listen") {
      protocol::BridgeInput input;
      input.kind = verb == "call" ? protocol::SourceKind::srt_caller : protocol::SourceKind::srt_listener;
      input.address = word(1);
      input.latency_ms = static_cast<std::uint32_t>(std::stoul(word(3)));
      input.passphrase = word(4);
      input.stream_id = word(5);
      inputs_.push_back(std::make_unique<Sink>("in", input, word(2)));
      inputs_.back()->source = server_.make_input(inputs_.back()->entry);
    } else if (verb == "drop") {
      inputs_.at(std::stoul(word(1)))->source.reset();
    } else if (verb == "push") {
      protocol::BridgePush push;
      push.kind = protocol::PushKind::srt;
      push.address = word(1);
      push.latency_ms = static_cast<std::uint32_t>(std::stoul(word(2)));
      push.passphrase = word(3);
      push.stream_id = word(4);
      pushes_.push_back(server_.make_push(*feeds_.at("c0"), push));
    } else if (verb == "unpush") {
      pushes_.at(std::stoul(word(1))).reset();
    } else if (verb == "quit") {
      context_.stop();
    }
  }

  void add_publisher(const std::string& id, const std::string& key, const std::string& path) {
    protocol::BridgeChannel channel;
    channel.id = id;
    protocol::BridgeInput input;
    input.key = key;
    channel.inputs.push_back(input);
    channels_.push_back(channel);
    publishers_[id] = std::make_unique<Sink>(id, input, path);
  }

  // What the bridge's main does a few times a second.
  void look() {
    if (!rtmp_.empty() && Clock::now() < rtmp_until_) publishers_.at(rtmp_)->entry.on_ts({});
    if (!rtmp_.empty() && Clock::now() < rtmp_until_) ++publishers_.at(rtmp_)->entry.status().bytes;
    server_.on_tick();
    look_timer_.expires_after(std::chrono::milliseconds(100));
    look_timer_.async_wait([this](boost::system::error_code error) {
      if (!error) look();
    });
  }

  static nlohmann::json about(const test::FakeEntry& entry) {
    static constexpr const char* kStates[] = {"waiting", "connecting", "receiving"};
    const ingest::SourceStatus& status = entry.status();
    return {{"state", kStates[static_cast<int>(status.state)]},
            {"peer", status.peer},
            {"error", status.error},
            {"connections", status.connections},
            {"bytes", status.bytes},
            {"drops", status.drops},
            {"details", status.details},
            {"attached", entry.attached},
            {"gaps", entry.gaps.size()},
            {"errors", entry.ended}};
  }

  nlohmann::json pushes() {
    static constexpr const char* kStates[] = {"connecting", "sending", "waiting"};
    nlohmann::json out = nlohmann::json::array();
    for (const auto& push : pushes_) {
      if (!push) continue;
      const push::PushStatus& status = push->status();
      out.push_back({{"state", kStates[static_cast<int>(status.state)]},
                     {"error", status.error},
                     {"connections", status.connections},
                     {"failures", status.failures},
                     {"bytes", status.bytes},
                     {"skipped", status.skipped},
                     {"details", status.details}});
    }
    return out;
  }

  void print() {
    const srt::Stats stats = server_.stats();
    nlohmann::json out = {{"accepted", stats.accepted},
                          {"stalled", stats.stalled},
                          {"revoked", stats.revoked},
                          {"lost_chunks", stats.lost_chunks},
                          {"played", at_},
                          {"publishers", nlohmann::json::object()},
                          {"inputs", nlohmann::json::array()},
                          {"pushes", pushes()}};
    for (const auto& [id, sink] : publishers_) out["publishers"][id] = about(sink->entry);
    for (const auto& sink : inputs_) out["inputs"].push_back(about(sink->entry));
    for (std::size_t i = 0; i < srt::kRefusals; ++i)
      out["refused"][srt::name_of(static_cast<srt::Refusal>(i))] = stats.refused[i];
    out["sessions"] = nlohmann::json::array();
    for (const auto& s : stats.sessions) {
      out["sessions"].push_back({{"channel", s.channel},
                                 {"address", s.address},
                                 {"stream_id", s.stream_id},
                                 {"publishing", s.publishing},
                                 {"missing", s.missing_packets},
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
  boost::asio::steady_timer look_timer_{context_};
  std::map<std::string, std::unique_ptr<Sink>> publishers_;
  srt::Server server_{[this](std::string_view id) -> hub::TsFeed* {
                        const auto feed = feeds_.find(id);
                        return feed == feeds_.end() ? nullptr : feed->second.get();
                      },
                      [this](std::function<void()> f) { boost::asio::post(context_, std::move(f)); },
                      [this](std::string_view id) -> ingest::Entry* {
                        const auto sink = publishers_.find(std::string(id));
                        return sink == publishers_.end() ? nullptr : &sink->second->entry;
                      }};
  std::vector<std::unique_ptr<Sink>> inputs_;
  std::vector<std::unique_ptr<push::Push>> pushes_;
  std::string rtmp_;
  Clock::time_point rtmp_until_;
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
  log::set_up("srt_serve", {});
  std::ifstream in(file, std::ios::binary);
  std::vector<char> bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  Program program(std::move(bytes), bitrate, listener, channels);
  return program.run(sandboxed);
}

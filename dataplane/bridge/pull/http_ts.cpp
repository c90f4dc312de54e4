// A transport stream over HTTP, endless or a file.
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "dataplane/bridge/net/back_off.h"
#include "dataplane/bridge/pull/http_client.h"
#include "dataplane/bridge/pull/paced_queue.h"
#include "dataplane/bridge/pull/playing.h"
#include "dataplane/bridge/pull/pull.h"
#include "dataplane/bridge/pull/speed.h"
#include "dataplane/bridge/pull/ts_input.h"

namespace headgate::bridge::pull {
namespace {

using namespace std::chrono_literals;
using Clock = Ticker::Clock;

// Servers begin with what they kept, and files come as fast as the line gives: above this the server waits.
constexpr auto kMostAhead = 20s;
constexpr auto kEnoughAhead = 16s;
// Packets that wait so long for a PCR go on without one.
constexpr auto kPcrWait = 2s;
// A connection that held so long was a good one: after it the next try comes soon.
constexpr auto kGood = 10s;

class HttpTsSource final : public ingest::Source {
 public:
  HttpTsSource(boost::asio::io_context& context, ingest::Entry& entry)
      : url_(parse_url(entry.input().address)),
        playing_(entry),
        client_(context),
        ticker_(context,
                [this](Clock::time_point now, std::chrono::nanoseconds elapsed) { on_tick(now, elapsed); }) {}

 private:
  void on_tick(Clock::time_point now, std::chrono::nanoseconds elapsed) {
    if (!queue_) {
      if (now < next_try_) return;
      return begin(now);
    }
    play(now, elapsed);
    if (client_.paused() && queue_->level() < kEnoughAhead && queue_->bytes() < kEnoughBytes)
      client_.pause(false);
    if (!ended_.empty() && queue_->dry()) {
      playing_.lost(std::exchange(ended_, ""));
      queue_.reset();
      if (good_) back_off_.reset();
      next_try_ = now + back_off_.next();
    }
  }

  void begin(Clock::time_point now) {
    queue_.emplace();
    input_ = TsInput();
    garbage_ = 0;
    unpaced_ = good_ = false;
    moved_ = now;
    speed_.reset();
    if (!url_) {
      ended_ = url_.error();
      return;
    }
    client_.get({*url_, std::nullopt, 0ns},
                {[this](const ResponseHead& head, const Url&) { return on_head(head); },
                 [this](std::span<const std::uint8_t> bytes) { return on_body(bytes); },
                 [this](const std::string& error) { on_end(error); }});
  }

  std::string on_head(const ResponseHead& head) {
    if (head.status == 401) return "401 Unauthorized: user or password are missing or wrong";
    if (head.status != 200) return "the server answers " + status_line(head.status);
    if (!head.content_encoding.empty() && head.content_encoding != "identity") {
      return "the server compresses (" + head.content_encoding.substr(0, 32) + "), which was not asked for";
    }
    if (head.content_type == "application/vnd.apple.mpegurl" ||
        head.content_type == "application/x-mpegurl") {
      return "no transport stream, but an HLS playlist: its address must end in .m3u8";
    }
    peer_ = client_.peer();
    return "";
  }

  std::string on_body(std::span<const std::uint8_t> bytes) {
    std::string why = input_.push(bytes, *queue_);
    playing_.drop("foreign_bytes", input_.garbage() - std::exchange(garbage_, input_.garbage()));
    if (why.empty() && (queue_->level() > kMostAhead || queue_->bytes() > kMostBytes)) client_.pause(true);
    return why;
  }

  void on_end(const std::string& error) {
    ended_ = error;
    if (ended_.empty()) ended_ = input_.finish(*queue_);
    if (ended_.empty()) ended_ = "the server ended the stream";
    queue_->flush();
  }

  void play(Clock::time_point now, std::chrono::nanoseconds elapsed) {
    const auto give = [&](std::span<const std::uint8_t> packets, bool gap) {
      playing_.give(packets, gap, peer_);
      moved_ = now;
    };
    if (queue_->empty()) {
      moved_ = std::max(moved_, now - kPcrWait / 2);
    } else if (queue_->dry() && now - moved_ > kPcrWait) {
      unpaced_ = true;
    }
    if (unpaced_) {
      playing_.entry().status().details["pacing"] = "no PCR: as it comes";
      queue_->flush();
      queue_->advance(queue_->level(), give);
      return;
    }
    queue_->advance(std::chrono::nanoseconds(
                        static_cast<std::int64_t>(static_cast<double>(elapsed.count()) * speed_.factor())),
                    give);
    if (queue_->dry()) {
      speed_.reset();  // what waits was too little: from now on it is kept at what is left of the next
    } else {
      speed_.on_level(queue_->level(), elapsed);
    }
    note_good(now);
  }

  void note_good(Clock::time_point now) {
    if (!playing_.attached()) {
      since_ = now;
    } else if (!good_ && now - since_ > kGood) {
      good_ = true;
      playing_.entry().status().details["pacing"] = fmt::format("PCR, {:.0f} b/s", queue_->bitrate());
    }
  }

  const tl::expected<Url, std::string> url_;
  Playing playing_;
  std::optional<PacedQueue> queue_;  // nothing between two tries
  TsInput input_;
  Speed speed_{10s};
  net::BackOff back_off_;
  std::string peer_;
  std::string ended_;  // why it is over when all is played
  std::uint64_t garbage_ = 0;
  bool unpaced_ = false;  // there is no PCR to go by
  bool good_ = false;
  Clock::time_point since_{};  // attached
  Clock::time_point moved_{};  // when packets were last handed on
  Clock::time_point next_try_{};
  HttpClient client_;
  Ticker ticker_;
};

}  // namespace

std::unique_ptr<ingest::Source> make_http_ts(boost::asio::io_context& context, ingest::Entry& entry) {
  return std::make_unique<HttpTsSource>(context, entry);
}

}  // namespace headgate::bridge::pull

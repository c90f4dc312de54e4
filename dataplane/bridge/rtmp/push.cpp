#include "dataplane/bridge/rtmp/push.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <random>

#include "dataplane/bridge/hub/rate_meter.h"
#include "dataplane/bridge/hub/unix_time.h"
#include "dataplane/bridge/net/back_off.h"
#include "dataplane/bridge/rtmp/client_connection.h"

namespace headgate::bridge::rtmp {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using push::PushState;
using Clock = Client::Clock;

class Sender : public std::enable_shared_from_this<Sender>, public hub::FrameSink, public ClientHost {
 public:
  Sender(asio::io_context& context, hub::FrameFeed& feed, protocol::BridgePush target,
         const PushLimits& limits)
      : context_(context),
        feed_(&feed),
        target_(std::move(target)),
        limits_(limits),
        pauses_(limits.first_pause, limits.longest_pause),
        merge_(context),
        retry_(context),
        resolver_(context) {}

  void start() {
    feed_->add(this);
    if (!feed_->group().empty()) last_frame_ = Clock::now();
    enter(PushState::connecting);
    auto url = parse_push_url(target_.address, target_.stream);
    if (!url) {
      status_.error = url.error();
      enter(PushState::waiting);
      return;
    }
    url_ = std::move(*url);
    attempt();
  }

  void stop() {
    if (stopped_) return;
    stopped_ = true;
    if (feed_ != nullptr) feed_->remove(this);
    feed_ = nullptr;
    merge_.cancel();
    retry_.cancel();
    if (connection_ != nullptr) {
      count();
      connection_->close();
      connection_ = nullptr;
    }
    stream_.reset();
  }

  const protocol::BridgePush& target() const { return target_; }
  const push::PushStatus& status() {
    count();
    status_.peer = connection_ == nullptr ? "" : connection_->peer();
    status_.bitrate_bps =
        stream_ == nullptr
            ? 0
            : rate_.bits_per_second(Clock::now().time_since_epoch() / std::chrono::nanoseconds(1));
    status_.left_out.clear();
    if (feed_ != nullptr) status_.left_out = feed_->left_out();
    if (stream_ != nullptr && stream_->carriage() != nullptr) {
      const auto& left_out = stream_->carriage()->left_out;
      status_.left_out.insert(status_.left_out.end(), left_out.begin(), left_out.end());
    }
    return status_;
  }

  // Of the feed.
  void on_format(std::shared_ptr<const hub::FrameFormat> format) override {
    if (stream_ != nullptr) stream_->on_format(std::move(format));
  }
  void on_frame(std::shared_ptr<const hub::Frame> frame) override {
    last_frame_ = Clock::now();
    if (stream_ != nullptr) return stream_->on_frame(std::move(frame));
    if (!starved_ || stopped_) return;
    starved_ = false;
    asio::post(context_, [self = shared_from_this()] { self->attempt(); });
  }
  void on_discontinuity() override {
    if (stream_ != nullptr) stream_->on_discontinuity();
  }
  void on_end() override {
    feed_ = nullptr;
    status_.error = "the channel is no longer there";
    enter(PushState::waiting);
    // Not at once: this may be called while the feed goes through its sinks.
    asio::post(context_, [self = shared_from_this()] { self->stop(); });
  }

  // Of the client.
  void on_started() override {
    if (feed_ == nullptr) return;
    ++status_.connections;
    status_.error.clear();
    enter(PushState::sending);
    started_ = Clock::now();
    rate_ = {};
    stream_ = std::make_unique<ChannelStream>("push", limits_.stream);
    stream_->set_codecs(connection_->client()->codecs());
    if (feed_->format() != nullptr) {
      stream_->on_format(feed_->format());
      for (const auto& frame : feed_->group()) stream_->on_frame(frame);
    }
    connection_->client()->publish(*stream_);
    stream_->on_media = [this] { merge(); };
  }
  std::size_t on_media(const Message&) override { return 1; }

 private:
  void enter(PushState state) {
    if (status_.since_ns != 0 && status_.state == state) return;
    status_.state = state;
    status_.since_ns = hub::unix_now_ns();
  }

  void attempt() {
    if (stopped_ || feed_ == nullptr || connection_ != nullptr) return;
    if (!last_frame_ || Clock::now() - *last_frame_ > limits_.silence) {
      starved_ = true;
      enter(PushState::waiting);
      if (!last_frame_ && Clock::now() - begun_ < limits_.silence) {
        // A channel that has just begun is not silent yet.
        retry_.expires_at(begun_ + limits_.silence);
        retry_.async_wait([self = shared_from_this()](error_code cancelled) {
          if (!cancelled) self->attempt();
        });
      } else if (status_.error.empty()) {
        status_.error = "nothing comes from the channel";
      }
      return;
    }
    enter(PushState::connecting);
    connection_ = std::make_shared<ClientConnection>(context_, *url_, Client::Purpose::publish, *this,
                                                     random_(), limits_.client,
                                                     [this](const std::string& error) { on_over(error); });
    connection_->start(resolver_);
  }

  void on_over(const std::string& error) {
    count();
    counted_bytes_ = counted_skipped_ = 0;
    connection_ = nullptr;
    merge_.cancel();
    const bool was_good = stream_ != nullptr && Clock::now() - started_ >= limits_.good_time;
    if (was_good) pauses_.reset();
    ++status_.failures;
    status_.error = error.empty() ? "the server ended the stream" : error;
    // Many servers say yes to a wrong stream name and then close.
    if (stream_ != nullptr && !was_good)
      status_.error += " soon after it let us publish: is the stream name right?";
    stream_.reset();
    enter(PushState::waiting);
    retry_.expires_after(pauses_.next(random_()));
    retry_.async_wait([self = shared_from_this()](error_code cancelled) {
      if (!cancelled) self->attempt();
    });
  }

  void merge() {
    if (merging_) return;
    merging_ = true;
    merge_.expires_after(limits_.merge_time);
    merge_.async_wait([self = shared_from_this()](error_code) {
      self->merging_ = false;
      if (self->connection_ == nullptr) return;
      self->connection_->flush();
      self->count();
      if (self->stream_ != nullptr && self->connection_ != nullptr)
        self->stream_->trim(self->connection_->client()->needed());
    });
  }

  // Brings the totals up to date.
  void count() {
    if (connection_ != nullptr) {
      const std::uint64_t sent = connection_->bytes() - counted_bytes_;
      status_.bytes += sent;
      rate_.add(Clock::now().time_since_epoch() / std::chrono::nanoseconds(1), sent);
      counted_bytes_ = connection_->bytes();
    }
    if (stream_ != nullptr) {
      status_.skipped += stream_->counters().skipped_frames - counted_skipped_;
      counted_skipped_ = stream_->counters().skipped_frames;
    }
  }

  asio::io_context& context_;
  hub::FrameFeed* feed_;  // null: it has gone
  protocol::BridgePush target_;
  PushLimits limits_;
  std::optional<Url> url_;
  push::PushStatus status_;
  net::BackOff pauses_;
  asio::steady_timer merge_;
  asio::steady_timer retry_;
  net::Resolver resolver_;  // for all tries: a name server that is dead costs one thread
  std::shared_ptr<ClientConnection> connection_;
  std::unique_ptr<ChannelStream> stream_;  // while the target takes it
  std::optional<Clock::time_point> last_frame_;
  Clock::time_point begun_ = Clock::now();
  Clock::time_point started_;
  hub::RateMeter rate_;
  std::uint64_t counted_bytes_ = 0;
  std::uint64_t counted_skipped_ = 0;
  bool merging_ = false;
  bool starved_ = false;
  bool stopped_ = false;
  std::mt19937_64 random_{std::random_device{}()};
};

class RtmpPush : public push::Push {
 public:
  explicit RtmpPush(std::shared_ptr<Sender> sender) : sender_(std::move(sender)) { sender_->start(); }
  ~RtmpPush() override { sender_->stop(); }
  const protocol::BridgePush& target() const override { return sender_->target(); }
  const push::PushStatus& status() override { return sender_->status(); }

 private:
  std::shared_ptr<Sender> sender_;  // shared with handlers that are under way
};

}  // namespace

std::unique_ptr<push::Push> make_push(asio::io_context& context, hub::FrameFeed& feed,
                                      protocol::BridgePush target, const PushLimits& limits) {
  return std::make_unique<RtmpPush>(std::make_shared<Sender>(context, feed, std::move(target), limits));
}

}  // namespace headgate::bridge::rtmp

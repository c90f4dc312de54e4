#include "dataplane/bridge/rtmp/pull.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <random>

#include "dataplane/bridge/net/back_off.h"
#include "dataplane/bridge/rtmp/client_connection.h"
#include "dataplane/bridge/rtmp/publication.h"

namespace headgate::bridge::rtmp {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = Client::Clock;

class Receiver : public std::enable_shared_from_this<Receiver>, public ClientHost {
 public:
  Receiver(asio::io_context& context, ingest::Entry& entry, const PullLimits& limits)
      : context_(context),
        entry_(entry),
        limits_(limits),
        pauses_(limits.first_pause, limits.longest_pause),
        retry_(context),
        resolver_(context) {}

  void start() {
    auto url = parse_pull_url(entry_.input().address);
    if (!url) return entry_.failed(url.error());
    url_ = std::move(*url);
    attempt();
  }

  void stop() {
    if (stopped_) return;
    stopped_ = true;
    retry_.cancel();
    if (connection_ != nullptr) connection_->close();
    connection_ = nullptr;
    leave("");
  }

  void on_started() override {}
  std::size_t on_media(const Message& message) override {
    if (publication_ == std::nullopt) {
      const auto type = static_cast<MessageType>(message.type);
      const bool data = type == MessageType::data_amf0 || type == MessageType::data_amf3;
      if (data) {
        metadata_ = message;  // comes before the media
        return 1;
      }
      if (!entry_.attach(connection_->peer(), [this] { publication_.reset(); })) return 1;
      publication_.emplace(entry_);
      began_ = Clock::now();
      if (metadata_) publication_->on_message(*metadata_);
      metadata_.reset();
    }
    return publication_->on_message(message);
  }

 private:
  void attempt() {
    if (stopped_) return;
    connection_ = std::make_shared<ClientConnection>(context_, *url_, Client::Purpose::play, *this, random_(),
                                                     limits_.client,
                                                     [this](const std::string& error) { on_over(error); });
    connection_->start(resolver_);
  }

  void leave(const std::string& error) {
    if (!publication_) return;
    publication_->finish();
    publication_.reset();
    entry_.detach(error);
  }

  void on_over(const std::string& error) {
    connection_ = nullptr;
    metadata_.reset();
    const std::string why = error.empty() ? "the server ended the stream" : error;
    if (publication_) {
      if (Clock::now() - began_ >= limits_.good_time) pauses_.reset();
      leave(why);
    } else {
      entry_.failed(why);
    }
    retry_.expires_after(pauses_.next(random_()));
    retry_.async_wait([self = shared_from_this()](error_code cancelled) {
      if (!cancelled) self->attempt();
    });
  }

  asio::io_context& context_;
  ingest::Entry& entry_;
  PullLimits limits_;
  std::optional<Url> url_;
  net::BackOff pauses_;
  asio::steady_timer retry_;
  net::Resolver resolver_;  // for all tries: a name server that is dead costs one thread
  std::shared_ptr<ClientConnection> connection_;
  std::optional<Publication> publication_;  // while media come
  std::optional<Message> metadata_;
  Clock::time_point began_;
  bool stopped_ = false;
  std::mt19937_64 random_{std::random_device{}()};
};

class RtmpPull : public ingest::Source {
 public:
  explicit RtmpPull(std::shared_ptr<Receiver> receiver) : receiver_(std::move(receiver)) {
    receiver_->start();
  }
  ~RtmpPull() override { receiver_->stop(); }

 private:
  std::shared_ptr<Receiver> receiver_;  // shared with handlers that are under way
};

}  // namespace

std::unique_ptr<ingest::Source> make_pull(asio::io_context& context, ingest::Entry& entry,
                                          const PullLimits& limits) {
  return std::make_unique<RtmpPull>(std::make_shared<Receiver>(context, entry, limits));
}

}  // namespace headgate::bridge::rtmp

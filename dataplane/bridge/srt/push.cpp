// Pushes: what the media thread holds of them.
#include <memory>

#include "dataplane/bridge/hub/unix_time.h"
#include "dataplane/bridge/push/push.h"
#include "dataplane/bridge/srt/server_impl.h"

namespace headgate::bridge::srt {
namespace {

// Subscribed as long as it lives, so that it learns when the feed goes; hands chunks on while connected.
class Push : public push::Push, private FeedTap {
 public:
  Push(const std::shared_ptr<Server::Impl>& server, hub::TsFeed& feed, const protocol::BridgePush& target)
      : FeedTap(*server->worker, server->next_key++),
        server_(server),
        id_(server->next_push++),
        target_(target) {
    CallTarget call;
    call.address = target.address;
    call.stream_id = target.stream_id;
    call.passphrase = target.passphrase;
    call.latency_ms = target.latency_ms;
    call.sends = true;
    server->worker->add_push(id_, key(), std::move(call), live_);
    set_feed(&feed);
  }
  ~Push() override { remove(); }

  const protocol::BridgePush& target() const override { return target_; }
  const push::PushStatus& status() override {
    const auto server = server_.lock();
    if (!ended_ && server && server->worker) status_ = server->worker->push_status(id_);
    return status_;
  }

 private:
  void on_chunk(const std::shared_ptr<const hub::TsChunk>& chunk) override {
    const auto server = server_.lock();
    if (live_->load(std::memory_order_relaxed) && server && server->worker) FeedTap::on_chunk(chunk);
  }
  void on_end() override {
    FeedTap::on_end();
    status();
    remove();
    status_.state = push::PushState::waiting;
    status_.error = "the channel is gone";
    status_.since_ns = hub::unix_now_ns();
  }
  void remove() {
    const auto server = server_.lock();
    if (!ended_ && server && server->worker) server->worker->remove_push(id_);
    ended_ = true;
  }

  std::weak_ptr<Server::Impl> server_;
  Worker::PushId id_;
  const protocol::BridgePush target_;
  std::shared_ptr<std::atomic<bool>> live_ = std::make_shared<std::atomic<bool>>(false);
  push::PushStatus status_;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<push::Push> Server::make_push(hub::TsFeed& feed, const protocol::BridgePush& target) {
  if (target.kind != protocol::PushKind::srt) return nullptr;
  impl_->start();
  return std::make_unique<Push>(impl_, feed, target);
}

}  // namespace headgate::bridge::srt

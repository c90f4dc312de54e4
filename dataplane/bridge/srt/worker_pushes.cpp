// The targets of pushes.
#include <fmt/format.h>

#include <algorithm>

#include "dataplane/bridge/hub/unix_time.h"
#include "dataplane/bridge/srt/session.h"
#include "dataplane/bridge/srt/status.h"

namespace headgate::bridge::srt {
namespace {

constexpr std::int64_t kWhileTrying = 10'000;  // us

}  // namespace

void Worker::add_push(PushId push, std::uint32_t feed, CallTarget target,
                      std::shared_ptr<std::atomic<bool>> live) {
  {
    const std::lock_guard lock(mutex_);
    push_status_[push].since_ns = hub::unix_now_ns();
    inbox_.emplace_back(AddPush{push, feed, std::move(target), std::move(live)});
  }
  wake();
}

void Worker::remove_push(PushId push) {
  {
    const std::lock_guard lock(mutex_);
    push_status_.erase(push);
    inbox_.emplace_back(RemovePush{push});
  }
  wake();
}

push::PushStatus Worker::push_status(PushId push) const {
  const std::lock_guard lock(mutex_);
  const auto found = push_status_.find(push);
  return found == push_status_.end() ? push::PushStatus{} : found->second;
}

void Worker::take_push(AddPush& item) {
  const PushId push = item.push;
  auto task = std::make_unique<PushTask>(item, resolver_);
  task->status.since_ns = hub::unix_now_ns();
  pushes_[push] = std::move(task);
}

void Worker::drop_push(PushId push) {
  const auto found = pushes_.find(push);
  if (found == pushes_.end()) return;
  PushTask& task = *found->second;
  if (task.session != nullptr) {
    const std::uint64_t number = task.session->number;
    feeds_.erase(task.feed);
    sessions_.erase(number);
    --pushing_;
  }
  pushes_.erase(found);
  count_sessions();
}

std::int64_t Worker::push_pause() const {
  std::int64_t pause = -1;
  const std::int64_t now = srt_time_now();
  for (const auto& [push, task] : pushes_) {
    const bool waits = task->dialer.state() == Dialer::State::waiting;
    const std::int64_t until =
        waits ? std::max<std::int64_t>(task->dialer.next_try_us() - now, 0) : kWhileTrying;
    pause = pause < 0 ? until : std::min(pause, until);
  }
  return pause;
}

void Worker::step_pushes(std::int64_t now_us) {
  for (auto& [push, task] : pushes_) {
    if (!task->dialer.on_time(now_us)) continue;
    const Dialer::State state = task->dialer.state();
    push::PushStatus& status = task->status;
    status.error = task->dialer.error();
    auto now_is = push::PushState::connecting;
    if (state == Dialer::State::waiting) {
      now_is = push::PushState::waiting;
      ++status.failures;
    } else if (state == Dialer::State::connected) {
      now_is = push::PushState::sending;
      open_push(*task, now_us);
    }
    if (status.state != now_is) status.since_ns = hub::unix_now_ns();
    status.state = now_is;
    tell(*task);
  }
}

// It begins with what comes, not with what was: who takes a push passes it on, and a start at four times the
// speed would be a burst in its output.
void Worker::open_push(PushTask& task, std::int64_t now_us) {
  const SRTSOCKET socket = task.dialer.socket();
  int latency = 0;
  int size = sizeof latency;
  srt_getsockflag(socket, SRTO_PEERLATENCY, &latency, &size);
  int encryption = 0;
  srt_getsockflag(socket, SRTO_KMSTATE, &encryption, &size);
  auto session = std::make_unique<Session>(socket, gate_->new_number(), std::int64_t{latency} * 1000);
  session->push = task.push;
  session->feed = task.feed;
  session->stats.channel = "a push";
  session->stats.address = task.dialer.peer();
  session->stats.encrypted = encryption != SRT_KM_S_UNSECURED;
  session->stats.latency_ms = static_cast<std::uint32_t>(latency);
  session->limit = buffer_limit(latency, 0);
  session->progress_us = now_us;
  Feed& feed = feeds_[task.feed];
  ++feed.sessions;
  session->cursor.begin({}, feed.queue.end(), now_us);
  task.session = session.get();
  ++task.status.connections;
  *task.live = true;
  ++pushing_;
  say_(session->stats.channel, "push_connected",
       fmt::format("pushing to {}, latency {} ms{}", session->stats.address, latency,
                   session->stats.encrypted ? ", encrypted" : ""));
  sessions_.emplace(session->number, std::move(session));
}

void Worker::lose_push(Session& session) {
  PushTask& task = *pushes_.at(session.push);
  *task.live = false;
  feeds_.erase(session.feed);
  --pushing_;
  task.session = nullptr;
  task.status.bytes += session.stats.bytes;
  task.status.skipped += session.cursor.dropped() * hub::TsChunk::kMaxPackets;
  task.dialer.lost(session.stalled ? session.why : "the target closed the connection, or fell silent",
                   srt_time_now());
  task.status.error = task.dialer.error();
  ++task.status.failures;
  task.status.state = push::PushState::waiting;
  task.status.since_ns = hub::unix_now_ns();
  tell(task);
}

void Worker::tell(PushTask& task) {
  push::PushStatus out = task.status;
  if (task.session != nullptr) {
    out.bytes += task.session->stats.bytes;
    out.skipped += task.session->cursor.dropped() * hub::TsChunk::kMaxPackets;
    out.details = details_of(task.session->stats);
    out.peer = task.session->stats.address;
    out.bitrate_bps = task.session->stats.bits_per_second;
  }
  const std::lock_guard lock(mutex_);
  if (const auto told = push_status_.find(task.push); told != push_status_.end())
    told->second = std::move(out);
}

}  // namespace headgate::bridge::srt

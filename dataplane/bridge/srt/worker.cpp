#include "dataplane/bridge/srt/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "dataplane/bridge/hub/session_info.h"
#include "dataplane/bridge/hub/unix_time.h"
#include "dataplane/bridge/net/address.h"
#include "dataplane/bridge/srt/session.h"
#include "dataplane/bridge/srt/stream_id.h"

namespace headgate::bridge::srt {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kHandshakeTime = 3 * kSecond;
constexpr int kMostAtOnce = 256;  // messages for a session before the next session's turn

}  // namespace

Worker::Worker(Hub hub, std::shared_ptr<Gate> gate, Gate::Say say, Resolver& resolver, const Limits& limits)
    : hub_(std::move(hub)),
      gate_(std::move(gate)),
      say_(std::move(say)),
      resolver_(resolver),
      limits_(limits) {}

Worker::~Worker() { stop(); }

void Worker::start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
}

void Worker::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wakeup_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Worker::set_listeners(std::vector<std::shared_ptr<Listener>> listeners) {
  const std::lock_guard lock(mutex_);
  listeners_.swap(listeners);
}

void Worker::wake() {
  bool notify = false;
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    notify = idle_;
  }
  if (notify) wakeup_.notify_one();
}

void Worker::add_chunk(std::uint32_t feed, Chunk chunk, std::int64_t source_us) {
  const std::lock_guard lock(mutex_);
  if (inbox_.size() >= kMaxInbox) {
    ++lost_chunks_;
    return;
  }
  inbox_.emplace_back(NewChunk{feed, std::move(chunk), source_us});
}

void Worker::join(std::uint64_t session, std::uint32_t feed, std::vector<Chunk> begin) {
  {
    const std::lock_guard lock(mutex_);
    inbox_.emplace_back(Join{session, feed, std::move(begin)});
  }
  wake();
}

void Worker::revoke(std::uint64_t session) {
  {
    const std::lock_guard lock(mutex_);
    inbox_.emplace_back(Revoke{session});
  }
  wake();
}

void Worker::kick(std::uint64_t session) {
  {
    const std::lock_guard lock(mutex_);
    inbox_.emplace_back(Kick{session});
  }
  wake();
}

void Worker::recheck() {
  {
    const std::lock_guard lock(mutex_);
    inbox_.emplace_back(Recheck{});
  }
  wake();
}

Stats Worker::stats() const {
  const std::lock_guard lock(mutex_);
  Stats out = published_;
  out.lost_chunks = lost_chunks_;
  return out;
}

void Worker::run() {
  while (true) {
    auto items = wait();
    {
      const std::lock_guard lock(mutex_);
      if (stop_) break;
    }
    for (Item& item : items) take(item);
    items.clear();
    accept_all();
    step_pushes(srt_time_now());
    send_all();
    const std::int64_t now = srt_time_now();
    if (now - looked_after_us_ >= kSecond) {
      looked_after_us_ = now;
      look_after_all(now);
      publish();
    }
    close_finished();
  }
  sessions_.clear();
  pushes_.clear();
}

// With sessions: to the next beat. Without: until a push is to be tried, or something comes.
std::vector<Worker::Item> Worker::wait() {
  std::unique_lock lock(mutex_);
  const auto called = [this] { return stop_ || woken_; };
  if (sessions_.empty() && admissions_.empty()) {
    idle_ = true;
    if (const std::int64_t pause = push_pause(); pause >= 0) {
      wakeup_.wait_for(lock, std::chrono::microseconds(pause), called);
    } else {
      wakeup_.wait(lock, called);
    }
    idle_ = false;
  } else {
    wakeup_.wait_for(lock, std::chrono::microseconds(kCadence), [this] { return stop_; });
  }
  woken_ = false;
  return std::exchange(inbox_, {});
}

void Worker::take(Item& item) {
  if (auto* chunk = std::get_if<NewChunk>(&item)) {
    const auto feed = feeds_.find(chunk->feed);
    if (feed != feeds_.end()) feed->second.queue.add(std::move(chunk->chunk), chunk->source_us);
  } else if (auto* join = std::get_if<Join>(&item)) {
    take_join(*join);
  } else if (const auto* gone = std::get_if<Revoke>(&item)) {
    const auto session = sessions_.find(gone->session);
    if (session == sessions_.end()) return;
    ++revoked_;
    finish(*session->second, "its channel is gone");
  } else if (const auto* kicked = std::get_if<Kick>(&item)) {
    const auto session = sessions_.find(kicked->session);
    if (session != sessions_.end()) finish(*session->second, hub::kKicked);
  } else if (auto* push = std::get_if<AddPush>(&item)) {
    take_push(*push);
  } else if (const auto* over = std::get_if<RemovePush>(&item)) {
    drop_push(over->push);
  } else {
    check_secrets();
  }
}

void Worker::take_join(Join& item) {
  const auto found = sessions_.find(item.session);
  if (found == sessions_.end() || found->second->finished || found->second->feed != 0) return;
  Session& session = *found->second;
  session.feed = item.feed;
  Feed& feed = feeds_[item.feed];
  ++feed.sessions;
  session.cursor.begin(std::move(item.begin), feed.queue.end(), srt_time_now());
}

void Worker::check_secrets() {
  const auto table = gate_->table();
  for (auto& [number, session] : sessions_) {
    if (session->finished || session->push != 0) continue;
    const std::string* secret = table->secret(session->stats.listener, session->stats.channel);
    if (secret != nullptr && *secret == session->passphrase) continue;
    ++revoked_;
    finish(*session, secret == nullptr ? "its channel or listener is gone" : "its passphrase changed");
  }
}

void Worker::accept_all() {
  auto fresh = gate_->take_admissions();
  admissions_.insert(admissions_.end(), std::make_move_iterator(fresh.begin()),
                     std::make_move_iterator(fresh.end()));
  if (admissions_.empty()) return;
  std::vector<std::shared_ptr<Listener>> listeners;
  {
    const std::lock_guard lock(mutex_);
    listeners = listeners_;
  }
  for (const auto& listener : listeners) accept_from(*listener);
  forget_old_admissions();
  count_sessions();
}

void Worker::count_sessions() { gate_->set_players(sessions_.size() - pushing_ + admissions_.size()); }

void Worker::accept_from(Listener& listener) {
  while (true) {
    sockaddr_storage peer{};
    int length = sizeof peer;
    const SRTSOCKET socket = srt_accept(listener.socket(), reinterpret_cast<sockaddr*>(&peer), &length);
    if (socket == SRT_INVALID_SOCK) return;
    auto fresh = gate_->take_admissions();
    admissions_.insert(admissions_.end(), std::make_move_iterator(fresh.begin()),
                       std::make_move_iterator(fresh.end()));
    const auto admission = std::find_if(admissions_.begin(), admissions_.end(),
                                        [&](const Admission& a) { return a.socket == socket; });
    if (admission == admissions_.end()) {
      srt_close(socket);
      continue;
    }
    Admission admitted = std::move(*admission);
    admissions_.erase(admission);
    if (admitted.decision.publishing) {
      hub_.publish(socket, std::move(admitted));
    } else {
      open_session(socket, reinterpret_cast<const sockaddr*>(&peer), std::move(admitted));
    }
  }
}

// Who passed the gate and never came to be a session failed in libsrt's own check: the passphrase's.
void Worker::forget_old_admissions() {
  const std::int64_t now = srt_time_now();
  std::erase_if(admissions_, [&](const Admission& admission) {
    // The socket of a failed handshake is closed by libsrt at once.
    const SRT_SOCKSTATUS state = srt_getsockstate(admission.socket);
    const bool failed = state >= SRTS_BROKEN && now - admission.at_us > kCadence;
    if (!failed && now - admission.at_us < kHandshakeTime) return false;
    gate_->refuse(Refusal::secret, admission.address, admission.stream_id);
    return true;
  });
}

void Worker::open_session(SRTSOCKET socket, const sockaddr* peer, Admission admission) {
  const std::string* wanted = gate_->table()->secret(admission.listener, admission.decision.channel);
  if (wanted == nullptr || *wanted != admission.decision.passphrase) {
    ++revoked_;
    srt_close(socket);
    return;
  }
  const int no = 0;
  srt_setsockflag(socket, SRTO_SNDSYN, &no, sizeof no);
  srt_setsockflag(socket, SRTO_RCVSYN, &no, sizeof no);
  int latency = 0;
  int size = sizeof latency;
  srt_getsockflag(socket, SRTO_PEERLATENCY, &latency, &size);
  auto session = std::make_unique<Session>(socket, gate_->new_number(), std::int64_t{latency} * 1000);
  SessionStats& stats = session->stats;
  stats.number = session->number;
  stats.channel = admission.decision.channel;
  stats.address = net::address_text(peer);
  stats.listener = admission.listener;
  stats.stream_id = without_query(admission.stream_id);
  stats.since_unix_ns = hub::unix_now_ns();
  stats.encrypted = !admission.decision.passphrase.empty();
  stats.latency_ms = static_cast<std::uint32_t>(latency);
  session->passphrase = std::move(admission.decision.passphrase);
  session->seat = std::move(admission.seat);
  session->limit = buffer_limit(latency, 0);
  session->progress_us = srt_time_now();
  ++accepted_;
  say_(stats.channel, "player_joined",
       fmt::format("{} plays {}, latency {} ms{}", stats.address, stats.channel, latency,
                   stats.encrypted ? ", encrypted" : ""));
  hub_.join(session->number, stats.channel);
  sessions_.emplace(session->number, std::move(session));
}

void Worker::send_all() {
  const std::int64_t now = srt_time_now();
  for (auto& [key, feed] : feeds_) feed.queue.tick(now);
  std::unordered_map<std::uint32_t, std::uint64_t> furthest_back;
  for (auto& [number, session] : sessions_) {
    if (session->feed == 0) continue;
    Feed& feed = feeds_.at(session->feed);
    if (!session->finished) send(*session, feed, now);
    const auto [place, first] = furthest_back.emplace(session->feed, session->cursor.place());
    if (!first) place->second = std::min(place->second, session->cursor.place());
  }
  for (const auto& [key, place] : furthest_back) feeds_.at(key).queue.forget_before(place);
}

void Worker::send(Session& session, Feed& feed, std::int64_t now_us) {
  auto message = session.cursor.next(feed.queue, now_us);
  if (!message) return;
  std::size_t blocks = 0;
  std::size_t kept = 0;
  if (srt_getsndbuffer(session.socket, &blocks, &kept) == SRT_ERROR) {
    finish(session, "left");
    return;
  }
  for (int sent = 0; message && sent < kMostAtOnce; ++sent) {
    const auto data = message->chunk->data();
    if (kept + data.size() > session.limit) {
      session.blocked = true;
      return;
    }
    SRT_MSGCTRL control = srt_msgctrl_default;
    control.srctime = message->source_us;
    if (srt_sendmsg2(session.socket, reinterpret_cast<const char*>(data.data()),
                     static_cast<int>(data.size()), &control) == SRT_ERROR) {
      if (srt_getlasterror(nullptr) == SRT_EASYNCSND) {
        session.blocked = true;
      } else {
        finish(session, "left");
      }
      return;
    }
    kept += data.size();
    ++session.stats.messages;
    session.stats.bytes += data.size();
    session.cursor.advance(*message);
    message = session.cursor.next(feed.queue, now_us);
  }
}

void Worker::look_after_all(std::int64_t now_us) {
  for (auto& [number, session] : sessions_) {
    if (!session->finished) look_after(*session, now_us);
  }
}

void Worker::measure(Session& session, const SRT_TRACEBSTATS& figures) {
  SessionStats& stats = session.stats;
  stats.dropped_messages = session.cursor.dropped();
  stats.jumps = session.cursor.jumps();
  stats.rtt_ms = figures.msRTT;
  stats.sent_packets = static_cast<std::uint64_t>(figures.pktSentTotal);
  stats.lost_packets = static_cast<std::uint64_t>(figures.pktSndLossTotal);
  stats.retransmitted_packets = static_cast<std::uint64_t>(figures.pktRetransTotal);
  stats.dropped_packets = static_cast<std::uint64_t>(figures.pktSndDropTotal);
  stats.buffer_ms = static_cast<std::uint32_t>(figures.msSndBuf);
  stats.buffer_bytes = static_cast<std::uint32_t>(figures.byteSndBuf);
  stats.bandwidth_mbps = figures.mbpsBandwidth;
  stats.bits_per_second = 8 * (stats.bytes - std::exchange(session.bytes_then, stats.bytes));
}

void Worker::look_after(Session& session, std::int64_t now_us) {
  SRT_TRACEBSTATS figures{};
  if (srt_getsockstate(session.socket) != SRTS_CONNECTED ||
      srt_bistats(session.socket, &figures, 0, 1) == SRT_ERROR) {
    finish(session, "left");
    return;
  }
  measure(session, figures);
  SessionStats& stats = session.stats;
  const auto feed = feeds_.find(session.feed);
  const std::int64_t rate = feed == feeds_.end() ? 0 : feed->second.queue.rate();
  session.limit = buffer_limit(stats.latency_ms, rate);
  if (const std::int64_t most = max_bandwidth(rate);
      most > 0 && std::abs(most - session.max_bandwidth) > session.max_bandwidth / 4) {
    srt_setsockflag(session.socket, SRTO_MAXBW, &most, sizeof most);
    session.max_bandwidth = most;
  }
  stats.buffer_limit = static_cast<std::uint32_t>(session.limit);
  const std::int64_t acknowledged =
      static_cast<std::int64_t>(stats.messages) - figures.pktSndBuf - figures.pktSndDropTotal;
  if (acknowledged > session.acknowledged || (figures.pktSndBuf == 0 && !session.blocked)) {
    session.progress_us = now_us;
  }
  session.acknowledged = std::max(session.acknowledged, acknowledged);
  session.blocked = false;
  if (now_us - session.progress_us > limits_.stall_us) {
    ++stalled_;
    session.stalled = true;
    finish(session, "acknowledged nothing for 10 s: closed");
  }
}

void Worker::finish(Session& session, std::string why) {
  if (session.finished) return;
  session.finished = true;
  session.why = why;
  finished_ = true;
  say_(session.stats.channel, "session_ended",
       fmt::format("{} of {}: {}", session.stats.address, session.stats.channel, why));
}

void Worker::close_finished() {
  if (!std::exchange(finished_, false)) return;
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    Session& session = *it->second;
    if (!session.finished) {
      ++it;
      continue;
    }
    if (session.push != 0) {
      lose_push(session);
      it = sessions_.erase(it);
      continue;
    }
    ChannelTotals& total = ended_[session.stats.channel];
    total.bytes += session.stats.bytes;
    ++total.sessions_total;
    total.dropped_messages += session.cursor.dropped();
    total.jumps += session.cursor.jumps();
    total.stalled += session.stalled ? 1 : 0;
    const auto feed = feeds_.find(session.feed);
    if (feed != feeds_.end() && --feed->second.sessions == 0) feeds_.erase(feed);
    hub_.leave(session.stats.channel);
    it = sessions_.erase(it);
  }
  count_sessions();
  publish();
}

void Worker::publish() {
  Stats out;
  out.accepted = accepted_;
  out.stalled = stalled_;
  out.revoked = revoked_;
  // Totals of channels that are gone are forgotten with them.
  const auto table = gate_->table();
  std::erase_if(ended_, [&](const auto& entry) { return !table->channels.contains(entry.first); });
  auto totals = ended_;
  for (const auto& [number, session] : sessions_) {
    if (session->finished || session->push != 0) continue;
    ChannelTotals& total = totals[session->stats.channel];
    ++total.sessions;
    total.bytes += session->stats.bytes;
    ++total.sessions_total;
    total.dropped_messages += session->cursor.dropped();
    total.jumps += session->cursor.jumps();
    out.sessions.push_back(session->stats);
  }
  for (auto& [push, task] : pushes_) tell(*task);
  for (auto& [channel, total] : totals) {
    total.channel = channel;
    out.channels.push_back(total);
  }
  const std::lock_guard lock(mutex_);
  published_ = std::move(out);
}

}  // namespace headgate::bridge::srt

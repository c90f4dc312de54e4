#include "dataplane/bridge/srt/intake.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "dataplane/bridge/hub/unix_time.h"
#include "dataplane/bridge/srt/endpoint.h"
#include "dataplane/bridge/srt/intake_parts.h"
#include "dataplane/bridge/srt/stream_id.h"

namespace headgate::bridge::srt {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr int kPollMs = 10;
constexpr std::chrono::microseconds kWhileTrying{10'000};
// After libsrt has given a connection up, it still hands on what falls due.
constexpr std::int64_t kDrainMargin = 200'000;  // us

}  // namespace

Intake::Intake(Deliver deliver, std::shared_ptr<Gate> gate, Gate::Say say, Resolver& resolver)
    : deliver_(std::move(deliver)), gate_(std::move(gate)), say_(std::move(say)), resolver_(resolver) {}

Intake::~Intake() { stop(); }

void Intake::start() {
  if (thread_.joinable()) return;
  epoll_ = srt_epoll_create();
  srt_epoll_set(epoll_, SRT_EPOLL_ENABLE_EMPTY);
  thread_ = std::thread([this] { run(); });
}

void Intake::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wakeup_.notify_one();
  if (!thread_.joinable()) return;
  thread_.join();
  srt_epoll_release(epoll_);
}

void Intake::command(Command what) {
  {
    const std::lock_guard lock(mutex_);
    commands_.push_back(std::move(what));
  }
  wakeup_.notify_one();
}

void Intake::take_publisher(SRTSOCKET socket, Admission admission) {
  command([this, socket, a = std::move(admission)] { open_publisher(socket, a); });
}

void Intake::add_call(InputId input, CallTarget target) {
  command(
      [this, input, t = std::move(target)] { calls_[input] = std::make_unique<Call>(input, t, resolver_); });
}

void Intake::add_port(InputId input, PortTarget target) {
  command([this, input, t = std::move(target)] {
    auto port = std::make_unique<Port>();
    port->input = input;
    port->target = t;
    ports_[input] = std::move(port);
  });
}

void Intake::remove_input(InputId input) {
  command([this, input] {
    if (const auto call = calls_.find(input); call != calls_.end()) {
      end(call->second->connection, "", "its input is gone");
      calls_.erase(input);
    }
    if (const auto port = ports_.find(input); port != ports_.end()) {
      end(port->second->connection, "", "its input is gone");
      if (port->second->listener) srt_epoll_remove_usock(epoll_, port->second->listener->socket());
      ports_.erase(input);
    }
  });
}

void Intake::close(ConnectionId connection, std::string why) {
  command([this, connection, w = std::move(why)] { end(connection, w, w); });
}

void Intake::recheck() {
  command([this] { check_secrets(); });
}

std::vector<SessionStats> Intake::sessions() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

void Intake::run() {
  while (true) {
    auto commands = wait();
    {
      const std::lock_guard lock(mutex_);
      if (stop_) break;
    }
    for (const Command& what : commands) what();
    std::int64_t now = srt_time_now();
    for (auto& [input, call] : calls_) step(*call, now);
    for (auto& [input, port] : ports_) step(*port, now);
    poll(now);
    now = srt_time_now();
    drain_broken(now);
    for (auto& [id, connection] : connections_) flush(*connection);
    if (now - measured_us_ >= kSecond) {
      measured_us_ = now;
      measure_all(now);
      changed_ = true;
    }
    if (std::exchange(changed_, false)) publish();
    if (!arrivals_.empty()) deliver_(std::exchange(arrivals_, {}));
  }
  calls_.clear();
  ports_.clear();
  for (const auto& [id, connection] : connections_) {
    if (connection->owns_socket) srt_close(connection->socket);
  }
  connections_.clear();
  by_socket_.clear();
}

// With something to receive: a moment, then libsrt's epoll is asked. Without: until a call is due, or told.
std::vector<Intake::Command> Intake::wait() {
  std::unique_lock lock(mutex_);
  const auto called = [this] { return stop_ || !commands_.empty(); };
  std::int64_t next = -1;
  bool trying = false;
  bool listening = false;
  const auto due = [&](std::int64_t at) { next = next < 0 ? at : std::min(next, at); };
  for (const auto& [input, call] : calls_) {
    const Dialer::State state = call->dialer.state();
    if (state == Dialer::State::waiting) due(call->dialer.next_try_us());
    trying = trying || state == Dialer::State::resolving || state == Dialer::State::connecting;
  }
  for (const auto& [input, port] : ports_) {
    if (!port->listener) due(port->next_try_us);
    listening = listening || port->listener;
  }
  if (!connections_.empty() || listening) {
    wakeup_.wait_for(lock, std::chrono::microseconds(kCadence), called);
  } else if (trying) {
    wakeup_.wait_for(lock, kWhileTrying, called);
  } else if (next >= 0) {
    const std::int64_t pause = std::max<std::int64_t>(next - srt_time_now(), 0);
    wakeup_.wait_for(lock, std::chrono::microseconds(pause), called);
  } else {
    wakeup_.wait(lock, called);
  }
  return std::exchange(commands_, {});
}

void Intake::poll(std::int64_t now_us) {
  const bool listening =
      std::any_of(ports_.begin(), ports_.end(), [](const auto& entry) { return entry.second->listener; });
  if (connections_.empty() && !listening) return;
  std::array<SRT_EPOLL_EVENT, 256> events{};
  const int ready =
      srt_epoll_uwait(epoll_, events.data(), static_cast<int>(events.size()), broken_ > 0 ? 0 : kPollMs);
  // It says one more than it was given room for where there are more.
  const int count = std::min(ready, static_cast<int>(events.size()));
  for (int i = 0; i < count; ++i) {
    if (const auto at = by_socket_.find(events[i].fd); at != by_socket_.end()) read(*at->second, now_us);
  }
  for (auto& [input, port] : ports_) {
    if (port->listener) accept_from(*port, now_us);
  }
}

Intake::Connection& Intake::open(SRTSOCKET socket, InputId input, std::string peer) {
  const ConnectionId id = gate_->new_number();
  auto connection = std::make_unique<Connection>();
  connection->id = id;
  connection->input = input;
  connection->socket = socket;
  connection->last_us = srt_time_now();
  SessionStats& stats = connection->stats;
  stats.number = id;
  stats.publishing = true;
  stats.address = std::move(peer);
  stats.since_unix_ns = hub::unix_now_ns();
  int value = 0;
  int size = sizeof value;
  srt_getsockflag(socket, SRTO_RCVLATENCY, &value, &size);
  stats.latency_ms = static_cast<std::uint32_t>(value);
  srt_getsockflag(socket, SRTO_KMSTATE, &value, &size);
  stats.encrypted = value != SRT_KM_S_UNSECURED;
  const int no = 0;
  srt_setsockflag(socket, SRTO_SNDSYN, &no, sizeof no);
  srt_setsockflag(socket, SRTO_RCVSYN, &no, sizeof no);
  const int watched = SRT_EPOLL_IN | SRT_EPOLL_ERR;
  srt_epoll_add_usock(epoll_, socket, &watched);
  Connection& opened = *connection;
  by_socket_[socket] = &opened;
  connections_.emplace(id, std::move(connection));
  return opened;
}

void Intake::open_publisher(SRTSOCKET socket, Admission admission) {
  const Decision& decision = admission.decision;
  const auto wanted = gate_->table()->publish(admission.listener, decision.channel);
  if (!wanted || wanted->key != decision.key || wanted->passphrase != decision.passphrase) {
    srt_close(socket);
    return;
  }
  Connection& connection = open(socket, 0, admission.address);
  connection.stats.channel = decision.channel;
  connection.stats.listener = admission.listener;
  connection.stats.stream_id = without_query(admission.stream_id);
  connection.decision = std::move(admission.decision);
  connection.seat = std::move(admission.seat);
  gate_->heard(connection.stats.channel, srt_time_now());
  changed_ = true;
  accepted_.fetch_add(1, std::memory_order_relaxed);
  say_(connection.stats.channel, "publisher_joined",
       fmt::format("{} publishes {}, latency {} ms{}", connection.stats.address, connection.stats.channel,
                   connection.stats.latency_ms, connection.stats.encrypted ? ", encrypted" : ""));
  tell(Connected{connection.id, 0, connection.stats.channel, connection.stats.address});
}

void Intake::breaks(Connection& connection, std::int64_t now_us) {
  connection.broken_us = now_us;
  ++broken_;
  srt_epoll_remove_usock(epoll_, connection.socket);
  flush(connection);
  if (connection.input == 0) gate_->gone(connection.stats.channel);
  if (const auto port = ports_.find(connection.input); port != ports_.end()) {
    const std::lock_guard lock(port->second->door->mutex);
    port->second->door->heard_us = 0;
  }
  tell(Ending{connection.id});
}

// What was not due when the other end went is due soon.
void Intake::drain_broken(std::int64_t now_us) {
  if (broken_ == 0) return;
  std::vector<ConnectionId> over;
  for (auto& [id, connection] : connections_) {
    if (connection->broken_us == 0) continue;
    read(*connection, now_us);
    const std::int64_t patience = std::int64_t{connection->stats.latency_ms} * 1000 + kDrainMargin;
    if (now_us - connection->broken_us > patience || srt_getsockstate(connection->socket) >= SRTS_CLOSED)
      over.push_back(id);
  }
  for (const ConnectionId id : over) {
    const Connection& connection = *connections_.at(id);
    const bool silent = connection.broken_us - connection.last_us > 4 * kSecond;
    const std::string error = silent ? "nothing heard for 5 s" : "";
    end(id, error, silent ? error : "left");
  }
}

void Intake::end(ConnectionId id, const std::string& error, const std::string& why) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  flush(connection);
  if (connection.broken_us == 0) breaks(connection, srt_time_now());
  --broken_;
  tell(Ended{id, error});
  say_(connection.stats.channel, "publisher_left",
       fmt::format("{} of {}: {}", connection.stats.address,
                   connection.input == 0 ? connection.stats.channel : "an input", why));
  if (const auto call = calls_.find(connection.input); call != calls_.end()) {
    call->second->connection = 0;
    call->second->dialer.lost(error.empty() ? "the server closed the connection" : error, srt_time_now());
  }
  if (const auto port = ports_.find(connection.input); port != ports_.end()) port->second->connection = 0;
  if (connection.owns_socket) srt_close(connection.socket);
  by_socket_.erase(connection.socket);
  connections_.erase(found);
  changed_ = true;
}

void Intake::check_secrets() {
  const auto table = gate_->table();
  std::vector<ConnectionId> over;
  for (const auto& [id, connection] : connections_) {
    if (connection->input != 0) continue;
    const auto wanted = table->publish(connection->stats.listener, connection->stats.channel);
    if (!wanted || wanted->key != connection->decision.key ||
        wanted->passphrase != connection->decision.passphrase)
      over.push_back(id);
  }
  for (const ConnectionId id : over)
    end(id, "the channel, its key or its passphrase changed", "its channel, key or passphrase changed");
}

}  // namespace headgate::bridge::srt

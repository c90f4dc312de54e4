#include "dataplane/bridge/srt/server.h"

#include <fmt/format.h>
#include <srt/srt.h>

#include <algorithm>
#include <chrono>

#include "control/log/log.h"
#include "dataplane/bridge/hub/session_info.h"
#include "dataplane/bridge/srt/budget.h"
#include "dataplane/bridge/srt/server_impl.h"

namespace headgate::bridge::srt {
namespace {

constexpr std::size_t kMinPassphrase = 10;
constexpr std::size_t kMaxPassphrase = 79;

tl::expected<void, std::string> check_passphrase(const std::string& passphrase, const std::string& whose) {
  if (passphrase.empty() || (passphrase.size() >= kMinPassphrase && passphrase.size() <= kMaxPassphrase))
    return {};
  return tl::unexpected(fmt::format("srt: the passphrase of {} has {} characters: SRT takes 10 to 79", whose,
                                    passphrase.size()));
}

tl::expected<void, std::string> check_passphrases(const std::vector<protocol::SrtServerState>& servers,
                                                  const std::vector<protocol::BridgeChannel>& channels) {
  for (const auto& server : servers) {
    if (auto good = check_passphrase(server.passphrase, "listener " + server.listen); !good) return good;
  }
  for (const auto& channel : channels) {
    if (channel.srt) {
      if (auto good = check_passphrase(channel.srt->passphrase, "channel " + channel.id); !good) return good;
    }
    for (const auto& input : channel.inputs) {
      if (input.kind != protocol::SourceKind::publish) continue;
      if (auto good = check_passphrase(input.passphrase, "an input of " + channel.id); !good) return good;
    }
  }
  return {};
}

class SharedDoor : public Listener::Door {
 public:
  SharedDoor(std::string listener, std::shared_ptr<Gate> gate)
      : listener_(std::move(listener)), gate_(std::move(gate)) {}
  int on_caller(SRTSOCKET socket, const sockaddr* peer, const char* stream_id) override {
    return gate_->admit(listener_, socket, peer, stream_id);
  }

 private:
  const std::string listener_;
  const std::shared_ptr<Gate> gate_;
};

}  // namespace

Worker::Hub Server::Impl::worker_hub() {
  const std::weak_ptr<Impl> self = weak_from_this();
  Worker::Hub hub;
  hub.join = [self, to = post](std::uint64_t session, std::string channel) {
    to([self, session, id = std::move(channel)] {
      if (const auto impl = self.lock()) impl->join(session, id);
    });
  };
  hub.leave = [self, to = post](std::string channel) {
    to([self, id = std::move(channel)] {
      if (const auto impl = self.lock()) impl->leave(id);
    });
  };
  // The sending thread ends before the receiving one goes.
  hub.publish = [to = intake.get()](SRTSOCKET socket, Admission admission) {
    to->take_publisher(socket, std::move(admission));
  };
  return hub;
}

void Server::Impl::make_arrivals() {
  Arrivals::Out out;
  out.find = [this](std::string_view channel) { return entries ? entries(channel) : nullptr; };
  out.close = [this](ConnectionId connection, std::string why) { intake->close(connection, std::move(why)); };
  out.refused = [this](const std::string& peer, const std::string& channel) {
    gate->refuse(Refusal::conflict, peer, channel);
  };
  out.heard = [this](const std::string& channel) { gate->heard(channel, srt_time_now()); };
  arrivals = std::make_unique<Arrivals>(std::move(out));
}

void Server::Impl::start() {
  if (worker) return;
  srt_startup();
  // libsrt tells of every bad packet; what matters is counted.
  srt_setloglevel(LOG_CRIT);
  const std::weak_ptr<Impl> self = weak_from_this();
  const Gate::Say say = [to = post](std::string channel, std::string_view reason, std::string line) {
    to([about = std::move(channel), reason, text = std::move(line)] {
      log::info({about, reason}, "srt: {}", text);
    });
  };
  gate = std::make_shared<Gate>(limits.sessions, limits.sessions_per_address, say, [self] {
    if (const auto impl = self.lock()) impl->worker->wake();
  });
  const Intake::Deliver deliver = [self, to = post](std::vector<Arrival> batch) {
    to([self, arrived = std::make_shared<std::vector<Arrival>>(std::move(batch))] {
      const auto impl = self.lock();
      if (impl && impl->arrivals) impl->arrivals->take(std::move(*arrived));
    });
  };
  intake = std::make_unique<Intake>(deliver, gate, say, resolver);
  make_arrivals();
  worker = std::make_unique<Worker>(worker_hub(), gate, say, resolver, limits);
  intake->start();
  worker->start();
}

void Server::Impl::stop() {
  if (!worker) return;
  listeners.clear();
  worker->set_listeners({});
  worker->stop();
  intake->stop();
  taps.clear();
  arrivals.reset();
  worker.reset();
  intake.reset();
  srt_cleanup();
}

void Server::Impl::join(std::uint64_t session, const std::string& channel) {
  if (!worker) return;
  auto tap = taps.find(channel);
  if (tap == taps.end()) tap = taps.try_emplace(channel, *worker, next_key++).first;
  FeedTap& joined = tap->second;
  ++joined.sessions;  // leave() comes for it in any case
  if (joined.feed() == nullptr) joined.set_feed(find(channel));
  if (joined.feed() == nullptr) {
    worker->revoke(session);
    return;
  }
  worker->join(session, joined.key(), joined.feed()->start());
}

void Server::Impl::leave(const std::string& channel) {
  const auto tap = taps.find(channel);
  if (tap != taps.end() && --tap->second.sessions == 0) taps.erase(tap);
}

Server::Server(Find find, Post post, FindEntry entries, const Limits& limits)
    : impl_(std::make_shared<Impl>(std::move(find), std::move(post), std::move(entries), limits)) {}

Server::~Server() { stop(); }

tl::expected<void, std::string> Server::apply(const std::vector<protocol::SrtServerState>& servers,
                                              const std::vector<protocol::BridgeChannel>& channels) {
  if (auto good = check_passphrases(servers, channels); !good) return good;
  if (servers.empty() && !impl_->worker) return {};
  impl_->start();
  std::vector<std::shared_ptr<Listener>> wanted;
  for (const auto& server : servers) {
    const auto same =
        std::find_if(impl_->listeners.begin(), impl_->listeners.end(),
                     [&](const auto& listener) { return listener->address() == server.listen; });
    if (same != impl_->listeners.end()) {
      wanted.push_back(*same);
      continue;
    }
    Listener::Options options;
    options.receive_packets = kNoReceiving.packets;
    auto opened =
        Listener::open(server.listen, options, std::make_unique<SharedDoor>(server.listen, impl_->gate));
    if (!opened) return tl::unexpected(opened.error());
    wanted.push_back(std::move(*opened));
  }
  impl_->gate->set_table(AccessTable::of(servers, channels));
  impl_->worker->set_listeners(wanted);
  impl_->listeners = std::move(wanted);
  for (auto& [id, tap] : impl_->taps) tap.set_feed(impl_->find(id));
  impl_->worker->recheck();
  impl_->intake->recheck();
  return {};
}

void Server::release(const ingest::Entry& entry) {
  if (impl_->arrivals) impl_->arrivals->release(entry);
}

std::optional<SessionStats> Server::kick(std::uint64_t number) {
  for (SessionStats& session : stats().sessions) {
    if (session.number != number) continue;
    impl_->gate->count(Refusal::kicked);
    if (session.publishing)
      impl_->intake->close(number, hub::kKicked);
    else
      impl_->worker->kick(number);
    return std::move(session);
  }
  return {};
}

bool Server::kick(const ingest::Entry& entry) {
  return impl_->arrivals && impl_->arrivals->end(entry, hub::kKicked);
}

void Server::on_tick() {
  if (!impl_->arrivals) return;
  std::vector<std::string> channels;
  const auto table = impl_->gate->table();
  for (const auto& [channel, wanted] : table->publishers) channels.push_back(channel);
  impl_->arrivals->look_for_others(channels);
}

std::vector<std::uint16_t> Server::ports() const {
  std::vector<std::uint16_t> out;
  for (const auto& listener : impl_->listeners) out.push_back(listener->port());
  return out;
}

Stats Server::stats() const {
  if (!impl_->worker) return {};
  Stats out = impl_->worker->stats();
  for (auto& session : impl_->intake->sessions()) out.sessions.push_back(std::move(session));
  out.publishers = impl_->intake->accepted();
  out.refused = impl_->gate->refused();
  return out;
}

void Server::stop() { impl_->stop(); }

}  // namespace headgate::bridge::srt

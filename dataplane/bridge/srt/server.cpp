#include "dataplane/bridge/srt/server.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <srt/srt.h>

#include <algorithm>
#include <map>

#include "dataplane/bridge/hub/ts_feed.h"
#include "dataplane/bridge/srt/listener.h"
#include "dataplane/bridge/srt/worker.h"

namespace headgate::bridge::srt {
namespace {

constexpr std::size_t kMinPassphrase = 10;
constexpr std::size_t kMaxPassphrase = 79;
constexpr std::int64_t kMaxAge = 50'000;  // us between the arrival of a chunk and its coming here

tl::expected<void, std::string> check_passphrase(const std::string& passphrase, const std::string& whose) {
  if (passphrase.empty() || (passphrase.size() >= kMinPassphrase && passphrase.size() <= kMaxPassphrase))
    return {};
  return tl::unexpected(fmt::format("srt: the passphrase of {} has {} characters: SRT takes 10 to 79", whose,
                                    passphrase.size()));
}

std::int64_t unix_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// A channel's feed as long as it has sessions: hands its chunks to the sending thread.
class Source : public hub::TsSink {
 public:
  Source(Worker& worker, std::uint32_t key) : worker_(worker), key_(key) {}
  ~Source() override { set_feed(nullptr); }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  void set_feed(hub::TsFeed* feed) {
    if (feed_ != nullptr) feed_->remove(this);
    feed_ = feed;
    if (feed_ != nullptr) feed_->add(this);
  }
  hub::TsFeed* feed() const { return feed_; }
  std::uint32_t key() const { return key_; }
  std::size_t sessions = 0;

  void on_chunk(const std::shared_ptr<const hub::TsChunk>& chunk) override {
    // A jump of the system's clock must not reach the receivers' clock: a chunk is at most kMaxAge old.
    const std::int64_t age = std::clamp<std::int64_t>(unix_us() - chunk->arrival_ns / 1000, 0, kMaxAge);
    last_us_ = std::max(last_us_, srt_time_now() - age);
    worker_.add_chunk(key_, chunk, last_us_);
  }
  // Its sessions stay: apply() ends them, or finds the feed that came in its place.
  void on_end() override { feed_ = nullptr; }

 private:
  Worker& worker_;
  const std::uint32_t key_;
  hub::TsFeed* feed_ = nullptr;
  std::int64_t last_us_ = 0;
};

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Impl> {
  Impl(Find f, Post p, const Limits& l) : find(std::move(f)), post(std::move(p)), limits(l) {}

  void start();
  void stop();
  void join(std::uint64_t session, const std::string& channel);
  void leave(const std::string& channel);

  Find find;
  Post post;
  Limits limits;
  std::shared_ptr<Gate> gate;
  std::unique_ptr<Worker> worker;
  std::vector<std::shared_ptr<Listener>> listeners;  // in the order of the addresses
  std::map<std::string, Source, std::less<>> sources;
  std::uint32_t next_key = 1;
};

void Server::Impl::start() {
  if (worker) return;
  srt_startup();
  // libsrt tells of every bad packet; what matters is counted.
  srt_setloglevel(LOG_CRIT);
  const std::weak_ptr<Impl> self = weak_from_this();
  const Gate::Say say = [to = post](std::string line) {
    to([text = std::move(line)] { spdlog::info("{}", text); });
  };
  gate = std::make_shared<Gate>(limits.sessions, say, [self] {
    if (const auto impl = self.lock()) impl->worker->wake();
  });
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
  worker = std::make_unique<Worker>(std::move(hub), gate, say, limits);
  worker->start();
}

void Server::Impl::stop() {
  if (!worker) return;
  listeners.clear();
  worker->set_listeners({});
  worker->stop();
  sources.clear();
  worker.reset();
  srt_cleanup();
}

void Server::Impl::join(std::uint64_t session, const std::string& channel) {
  if (!worker) return;
  auto source = sources.find(channel);
  if (source == sources.end()) source = sources.try_emplace(channel, *worker, next_key++).first;
  Source& joined = source->second;
  ++joined.sessions;  // leave() comes for it in any case
  if (joined.feed() == nullptr) joined.set_feed(find(channel));
  if (joined.feed() == nullptr) {
    worker->revoke(session);
    return;
  }
  worker->join(session, joined.key(), joined.feed()->start());
}

void Server::Impl::leave(const std::string& channel) {
  const auto source = sources.find(channel);
  if (source != sources.end() && --source->second.sessions == 0) sources.erase(source);
}

Server::Server(Find find, Post post, const Limits& limits)
    : impl_(std::make_shared<Impl>(std::move(find), std::move(post), limits)) {}

Server::~Server() { stop(); }

tl::expected<void, std::string> Server::apply(const std::vector<protocol::SrtServerState>& servers,
                                              const std::vector<protocol::BridgeChannel>& channels) {
  for (const auto& server : servers) {
    if (auto good = check_passphrase(server.passphrase, "listener " + server.listen); !good) return good;
  }
  for (const auto& channel : channels) {
    if (!channel.srt) continue;
    if (auto good = check_passphrase(channel.srt->passphrase, "channel " + channel.id); !good) return good;
  }
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
    auto opened = Listener::open(server.listen, impl_->gate);
    if (!opened) return tl::unexpected(opened.error());
    wanted.push_back(std::move(*opened));
  }
  impl_->gate->set_table(AccessTable::of(servers, channels));
  impl_->worker->set_listeners(wanted);
  impl_->listeners = std::move(wanted);
  for (auto& [id, source] : impl_->sources) source.set_feed(impl_->find(id));
  impl_->worker->recheck();
  return {};
}

void Server::release_feeds() {
  for (auto& [id, source] : impl_->sources) source.set_feed(nullptr);
}

std::vector<std::uint16_t> Server::ports() const {
  std::vector<std::uint16_t> out;
  for (const auto& listener : impl_->listeners) out.push_back(listener->port());
  return out;
}

Stats Server::stats() const {
  if (!impl_->worker) return {};
  Stats out = impl_->worker->stats();
  out.refused = impl_->gate->refused();
  return out;
}

void Server::stop() { impl_->stop(); }

}  // namespace headgate::bridge::srt

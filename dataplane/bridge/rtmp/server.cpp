#include "dataplane/bridge/rtmp/server.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <random>
#include <unordered_map>

#include "dataplane/bridge/net/address.h"
#include "dataplane/bridge/net/client_limit.h"
#include "dataplane/bridge/net/guess_limit.h"
#include "dataplane/bridge/net/listeners.h"
#include "dataplane/bridge/rtmp/connection.h"
#include "dataplane/bridge/tls/context.h"

namespace headgate::bridge::rtmp {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = Session::Clock;

namespace {

constexpr std::chrono::milliseconds kTick{250};

net::GuessLimit::Time steady_now() {
  return std::chrono::duration_cast<net::GuessLimit::Time>(Clock::now().time_since_epoch());
}

struct Channel {
  Channel(const std::string& id, const StreamLimits& limits) : stream(id, limits) {}
  ChannelStream stream;
  std::vector<Connection*> players;  // null: left while the list was walked
  std::size_t count = 0;
  bool due = false;
  bool walked = false;
};

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
  // What a session asks of the server; knows whose connection it is.
  struct Host : SessionHost {
    Host(Impl& i, std::string c) : impl(i), client(std::move(c)) {}
    tl::expected<ChannelStream*, Refusal> open(std::string_view channel) override {
      return impl.play(channel, *this);
    }
    void leave(ChannelStream& channel) override { impl.leave(channel, connection); }
    tl::expected<ingest::Entry*, Refusal> publish(std::string_view channel, std::string_view key) override {
      return impl.publish(channel, key, *this);
    }
    void unpublish(ingest::Entry& entry, const std::string& error) override {
      impl.publishers.erase(&entry);
      entry.detach(error);
    }
    void on_sent(std::size_t bytes) override { impl.counters.bytes += bytes; }
    void on_refusal(Refusal reason) override { ++impl.refused(reason); }
    Impl& impl;
    std::string client;
    Connection* connection = nullptr;
    std::uint64_t number = 0;
  };
  struct Place {
    std::unique_ptr<Host> host;
    std::shared_ptr<Connection> connection;
  };

  struct Secured {
    protocol::RtmpsServerState state;  // what the context was made of
    std::shared_ptr<const tls::ServerContext> context;
  };
  enum Kind : int { kPlain, kTls };

  Impl(asio::io_context& c, const ServerLimits& l)
      : context(c),
        limits(l),
        listeners(
            c,
            [this](tcp::socket socket, const net::Listeners::Address& address) {
              const auto found = address.kind == kTls ? secured.find(address.text) : secured.end();
              take(std::move(socket), found == secured.end() ? nullptr : found->second.context.get());
            },
            [this] { ++refused(Refusal::accept_error); }),
        clients(l.connections, l.connections_per_address),
        guesses(l.guesses_per_minute),
        merge(c),
        ticks(c) {}

  std::uint64_t& refused(Refusal reason) { return counters.refused[static_cast<std::size_t>(reason)]; }
  void take(tcp::socket socket, const tls::ServerContext* tls);
  tl::expected<ChannelStream*, Refusal> play(std::string_view id, Host& host);
  void leave(ChannelStream& stream, Connection* connection);
  tl::expected<ingest::Entry*, Refusal> publish(std::string_view id, std::string_view key, Host& host);
  // What `who` tried was in vain.
  Refusal guessed(const std::string& who, Refusal wrong);
  void on_closed(Connection& connection);
  void on_media(Channel& channel);
  void flush_due();
  void flush(Channel& channel, Clock::time_point now);
  void tick();
  void close_channel(Channel& channel);
  void forget_closed();

  asio::io_context& context;
  ServerLimits limits;
  ServerCounters counters;
  net::Listeners listeners;
  std::map<std::string, Secured> secured;  // by address
  std::map<std::string, std::unique_ptr<Channel>, std::less<>> channels;
  std::function<ingest::Entry*(std::string_view)> find_input;
  std::map<const ingest::Entry*, Connection*> publishers;
  std::unordered_map<Connection*, Place> open;
  std::map<std::uint64_t, Connection*> sessions;  // by number: those that played or published
  std::uint64_t last_number = 0;
  std::vector<Place> closed;  // let go of at the next tick: a call of theirs may be under way
  net::ClientLimit clients;
  net::GuessLimit guesses;
  asio::steady_timer merge;
  asio::steady_timer ticks;
  bool merging = false;
  bool ticking = false;
  bool stopped = false;
  std::mt19937_64 random{std::random_device{}()};
};

void Server::Impl::take(tcp::socket socket, const tls::ServerContext* tls) {
  ++counters.accepted;
  error_code gone;
  const auto endpoint = socket.remote_endpoint(gone);
  std::string client = gone ? "" : net::client_of(endpoint.data());
  // Its socket is closed: RTMP has no word for this before its handshake.
  if (!clients.enter(client, refused(Refusal::connections), refused(Refusal::per_address))) return;
  std::unique_ptr<tls::Stream> stream;
  if (tls != nullptr) {
    stream = tls->stream(socket.native_handle());
    if (stream == nullptr) {  // never in the clear where TLS was wanted
      clients.leave(client);
      ++refused(Refusal::tls);
      return;
    }
  }
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.set_option(tcp::no_delay(true), ignored);
  auto host = std::make_unique<Host>(*this, client);
  net::Transport transport(std::move(socket), std::move(stream));
  transport.limit_unsent(limits.unsent_bytes);
  auto connection = std::make_shared<Connection>(std::move(transport), std::move(client), *host, random(),
                                                 limits.session, [this](Connection& c) { on_closed(c); });
  host->connection = connection.get();
  host->number = ++last_number;
  open.emplace(connection.get(), Place{std::move(host), connection});
  connection->start();
  if (!ticking) tick();
}

Refusal Server::Impl::guessed(const std::string& who, Refusal wrong) {
  const auto now = steady_now();
  if (guesses.blocked(who, now)) return Refusal::too_many_guesses;
  guesses.wrong(who, now);
  return wrong;
}

tl::expected<ChannelStream*, Refusal> Server::Impl::play(std::string_view id, Host& host) {
  const auto found = channels.find(id);
  if (found == channels.end()) return tl::unexpected(guessed(host.client, Refusal::unknown_channel));
  Channel& channel = *found->second;
  channel.players.push_back(host.connection);
  ++channel.count;
  ++channel.stream.counters().sessions;
  ++counters.plays;
  sessions[host.number] = host.connection;
  return &channel.stream;
}

tl::expected<ingest::Entry*, Refusal> Server::Impl::publish(std::string_view id, std::string_view key,
                                                            Host& host) {
  ingest::Entry* entry = find_input ? find_input(id) : nullptr;
  if (entry == nullptr) {
    const Refusal reason = channels.contains(id) ? Refusal::not_publishable : Refusal::unknown_channel;
    return tl::unexpected(guessed(host.client, reason));
  }
  const std::string& wanted = entry->input().key;
  if (!wanted.empty()) {
    // Of this channel alone: one encoder with a wrong key doesn't lock out its neighbours behind the same
    // address. Beyond the limit the right key doesn't help either, or guessing would go on.
    const std::string who = host.client + "/" + entry->channel();
    if (!net::same_secret(key, wanted)) return tl::unexpected(guessed(who, Refusal::wrong_key));
    if (guesses.blocked(who, steady_now())) return tl::unexpected(Refusal::too_many_guesses);
  }
  // One that was silent loses its place, perhaps to this.
  const auto displaced = [this, connection = host.connection, entry] {
    if (const auto place = publishers.find(entry); place != publishers.end() && place->second == connection)
      publishers.erase(place);
    connection->session().on_entry_gone(Clock::now(), "Another encoder took the place: this one was silent.",
                                        Refusal::replaced);
    connection->flush(Clock::now());
  };
  if (!entry->attach(host.connection->peer(), displaced)) return tl::unexpected(Refusal::place_taken);
  publishers[entry] = host.connection;
  ++counters.publishes;
  sessions[host.number] = host.connection;
  return entry;
}

void Server::Impl::leave(ChannelStream& stream, Connection* connection) {
  const auto found = channels.find(stream.id());
  if (found == channels.end()) return;
  Channel& channel = *found->second;
  const auto place = std::find(channel.players.begin(), channel.players.end(), connection);
  if (place == channel.players.end()) return;
  --channel.count;
  if (channel.walked) {
    *place = nullptr;
  } else {
    channel.players.erase(place);
  }
}

void Server::Impl::on_closed(Connection& connection) {
  const auto found = open.find(&connection);
  if (found == open.end()) return;
  clients.leave(connection.client());
  sessions.erase(found->second.host->number);
  closed.push_back(std::move(found->second));
  open.erase(found);
}

void Server::Impl::on_media(Channel& channel) {
  channel.due = true;
  if (merging || stopped) return;
  merging = true;
  merge.expires_after(limits.merge_time);
  merge.async_wait([self = shared_from_this()](error_code error) {
    self->merging = false;
    if (!error) self->flush_due();
  });
}

void Server::Impl::flush_due() {
  const auto now = Clock::now();
  for (auto& [id, channel] : channels) {
    if (channel->due) flush(*channel, now);
  }
}

void Server::Impl::flush(Channel& channel, Clock::time_point now) {
  channel.due = false;
  channel.walked = true;
  std::uint64_t needed = channel.stream.end();
  for (std::size_t i = 0; i < channel.players.size(); ++i) {
    Connection* player = channel.players[i];
    if (player == nullptr) continue;
    player->flush(now);
    if (channel.players[i] != nullptr) needed = std::min(needed, player->session().needed());
  }
  channel.walked = false;
  std::erase(channel.players, nullptr);
  channel.stream.trim(needed);
}

void Server::Impl::tick() {
  ticking = true;
  ticks.expires_after(kTick);
  ticks.async_wait([self = shared_from_this()](error_code error) {
    self->ticking = false;
    if (error || self->stopped) return;
    const auto now = Clock::now();
    std::vector<std::shared_ptr<Connection>> all;
    for (const auto& [pointer, place] : self->open) {
      if (now >= place.connection->session().next_deadline()) all.push_back(place.connection);
    }
    for (const auto& connection : all) connection->on_tick(now);
    self->forget_closed();
    if (!self->open.empty() || !self->closed.empty()) self->tick();
  });
}

// A connection whose handlers have not run yet still uses its host.
void Server::Impl::forget_closed() {
  std::erase_if(closed, [](const Place& place) { return place.connection.use_count() == 1; });
}

void Server::Impl::close_channel(Channel& channel) {
  const auto now = Clock::now();
  for (std::size_t i = 0; i < channel.players.size(); ++i) {
    Connection* player = channel.players[i];
    if (player == nullptr) continue;
    player->session().on_channel_gone(now);
    player->flush(now);
  }
}

Server::Server(asio::io_context& context, const ServerLimits& limits)
    : impl_(std::make_shared<Impl>(context, limits)) {}

Server::~Server() { stop(); }

tl::expected<void, std::string> Server::listen(const std::vector<std::string>& addresses,
                                               const std::vector<protocol::RtmpsServerState>& tls) {
  std::vector<net::Listeners::Address> all;
  for (const std::string& address : addresses) all.push_back({address, Impl::kPlain});
  std::map<std::string, Impl::Secured> secured;
  for (const protocol::RtmpsServerState& each : tls) {
    all.push_back({each.listen, Impl::kTls});
    const auto same = impl_->secured.find(each.listen);
    if (same != impl_->secured.end() && same->second.state == each) {
      secured[each.listen] = same->second;
      continue;
    }
    auto context = tls::ServerContext::make(each.certificate, each.key);
    if (!context) return tl::unexpected("RTMPS on " + each.listen + ": " + context.error());
    secured[each.listen] = {each, std::move(*context)};
  }
  if (auto listening = impl_->listeners.listen(all); !listening) return listening;
  impl_->secured = std::move(secured);
  return {};
}

std::vector<std::uint16_t> Server::ports() const { return impl_->listeners.ports(); }

hub::FrameSink& Server::open(const std::string& id) {
  auto& place = impl_->channels[id];
  if (place == nullptr) {
    place = std::make_unique<Channel>(id, impl_->limits.stream);
    place->stream.on_media = [impl = impl_.get(), channel = place.get()] { impl->on_media(*channel); };
  }
  return place->stream;
}

void Server::close(const std::string& id) {
  const auto found = impl_->channels.find(id);
  if (found == impl_->channels.end()) return;
  // Out of the map first: sessions that end meanwhile leave a channel that is no longer there.
  const std::unique_ptr<Channel> channel = std::move(found->second);
  impl_->channels.erase(found);
  impl_->close_channel(*channel);
}

const ChannelStream* Server::channel(std::string_view id) const {
  const auto found = impl_->channels.find(id);
  return found == impl_->channels.end() ? nullptr : &found->second->stream;
}

std::size_t Server::players(std::string_view id) const {
  const auto found = impl_->channels.find(id);
  return found == impl_->channels.end() ? 0 : found->second->count;
}

void Server::set_inputs(std::function<ingest::Entry*(std::string_view channel)> find) {
  impl_->find_input = std::move(find);
}

void Server::drop(const ingest::Entry& entry) {
  const auto found = impl_->publishers.find(&entry);
  if (found == impl_->publishers.end()) return;
  Connection* connection = found->second;
  impl_->publishers.erase(found);
  connection->session().on_entry_gone(Clock::now(), "The channel no longer takes this publisher.");
  connection->flush(Clock::now());
}

std::size_t Server::publishers() const { return impl_->publishers.size(); }

std::uint64_t Server::list(std::uint64_t after, std::size_t most, std::vector<hub::SessionInfo>& out) const {
  const auto now = Clock::now();
  auto at = impl_->sessions.upper_bound(after);
  for (; at != impl_->sessions.end() && most > 0; ++at, --most) {
    hub::SessionInfo info;
    if (!at->second->describe(now, info)) continue;
    info.id = "rtmp-" + std::to_string(at->first);
    out.push_back(std::move(info));
  }
  return at == impl_->sessions.end() ? 0 : std::prev(at)->first;
}

std::optional<hub::SessionInfo> Server::kick(std::uint64_t number) {
  const auto found = impl_->sessions.find(number);
  const auto now = Clock::now();
  hub::SessionInfo info;
  if (found == impl_->sessions.end() || !found->second->describe(now, info)) return {};
  info.id = "rtmp-" + std::to_string(number);
  Connection& connection = *found->second;
  connection.session().kick(now);
  connection.flush(now);
  return info;
}

std::size_t Server::connections() const { return impl_->open.size(); }

const ServerCounters& Server::counters() const { return impl_->counters; }

void Server::stop() {
  impl_->stopped = true;
  impl_->listeners.close();
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [pointer, place] : impl_->open) all.push_back(place.connection);
  for (const auto& connection : all) connection->close();
  impl_->channels.clear();
  impl_->merge.cancel();
  impl_->ticks.cancel();
}

}  // namespace headgate::bridge::rtmp

#include "dataplane/bridge/srt/arrivals.h"

#include <algorithm>

#include "dataplane/bridge/hub/unix_time.h"

namespace headgate::bridge::srt {
namespace {

void set_state(ingest::Entry& entry, ingest::SourceState state) {
  ingest::SourceStatus& status = entry.status();
  if (status.state == state) return;
  status.state = state;
  status.since_ns = hub::unix_now_ns();
}

}  // namespace

Arrivals::~Arrivals() {
  for (const auto& [id, connection] : connections_) connection.entry->detach("");
}

void Arrivals::take(std::vector<Arrival> arrivals) {
  for (Arrival& arrival : arrivals) {
    std::visit([this](auto& one) { on(one); }, arrival);
  }
}

void Arrivals::add_input(InputId input, ingest::Entry& entry) {
  inputs_[input] = &entry;
  if (entry.input().kind == protocol::SourceKind::srt_caller)
    set_state(entry, ingest::SourceState::connecting);
}

void Arrivals::remove_input(InputId input) {
  ingest::Entry* entry = entry_of(input);
  if (entry == nullptr) return;
  const auto attached =
      std::erase_if(connections_, [&](const auto& one) { return one.second.input == input; });
  if (attached > 0) entry->detach("");
  inputs_.erase(input);
}

void Arrivals::release(const ingest::Entry& entry) {
  std::erase_if(connections_, [&](const auto& one) {
    if (one.second.entry != &entry) return false;
    out_.close(one.first, "its channel is gone or changed");
    return true;
  });
  std::erase_if(inputs_, [&](const auto& one) { return one.second == &entry; });
}

bool Arrivals::end(const ingest::Entry& entry, const std::string& why) {
  const auto found = std::find_if(connections_.begin(), connections_.end(),
                                  [&](const auto& one) { return one.second.entry == &entry; });
  if (found != connections_.end()) out_.close(found->first, why);
  return found != connections_.end();
}

ingest::Entry* Arrivals::entry_of(InputId input) const {
  const auto found = inputs_.find(input);
  return found == inputs_.end() ? nullptr : found->second;
}

// A publisher that is on its way out leaves its place to the next.
void Arrivals::make_way(const ingest::Entry& entry) {
  for (auto at = connections_.begin(); at != connections_.end(); ++at) {
    if (at->second.entry != &entry || !at->second.ending) continue;
    out_.close(at->first, "the next came");
    at->second.entry->detach("");
    connections_.erase(at);
    return;
  }
}

void Arrivals::on(const Connected& arrival) {
  ingest::Entry* entry = arrival.input == 0 ? out_.find(arrival.channel) : entry_of(arrival.input);
  if (entry == nullptr) {
    out_.close(arrival.connection, "its channel is gone");
    return;
  }
  make_way(*entry);
  const auto displaced = [this, id = arrival.connection] {
    if (connections_.erase(id) > 0) out_.close(id, "another publisher took its place");
  };
  if (!entry->attach(arrival.peer, displaced)) {
    out_.refused(arrival.peer, entry->channel());
    out_.close(arrival.connection, "another publisher has the channel");
    return;
  }
  connections_.emplace(arrival.connection, Connection{entry, arrival.input});
}

void Arrivals::on(Received& arrival) {
  arrival.backlog->fetch_sub(arrival.bytes.size(), std::memory_order_relaxed);
  const auto found = connections_.find(arrival.connection);
  if (found == connections_.end()) return;
  if (arrival.gap) found->second.entry->on_gap();
  found->second.entry->on_ts(arrival.bytes);
}

void Arrivals::on(const Ending& arrival) {
  const auto found = connections_.find(arrival.connection);
  if (found != connections_.end()) found->second.ending = true;
}

void Arrivals::on(const Ended& arrival) {
  const auto found = connections_.find(arrival.connection);
  if (found == connections_.end()) return;
  ingest::Entry& entry = *found->second.entry;
  connections_.erase(found);
  entry.detach(arrival.error);
}

void Arrivals::on(const Trying& arrival) {
  if (ingest::Entry* entry = entry_of(arrival.input); entry != nullptr)
    set_state(*entry, ingest::SourceState::connecting);
}

void Arrivals::on(const Listening& arrival) {
  ingest::Entry* entry = entry_of(arrival.input);
  if (entry == nullptr) return;
  set_state(*entry, ingest::SourceState::waiting);
  entry->status().error.clear();  // of a port that another program had
}

void Arrivals::on(const Failed& arrival) {
  ingest::Entry* entry = entry_of(arrival.input);
  // A port of its own refuses one caller while it serves another.
  const bool attached = std::any_of(connections_.begin(), connections_.end(),
                                    [&](const auto& one) { return one.second.input == arrival.input; });
  if (entry != nullptr && !attached) entry->failed(arrival.error);
}

void Arrivals::on(const Measured& arrival) {
  const auto found = connections_.find(arrival.connection);
  if (found == connections_.end()) return;
  ingest::SourceStatus& status = found->second.entry->status();
  for (const auto& [name, value] : arrival.details) status.details[name] = value;
  for (const auto& [reason, count] : arrival.drops) status.drops[reason] += count;
}

void Arrivals::look_for_others(const std::vector<std::string>& channels) {
  std::map<std::string, std::uint64_t> bytes;
  std::set<std::string> ours;
  for (const auto& [id, connection] : connections_) {
    if (connection.input == 0) ours.insert(connection.entry->channel());
  }
  for (const std::string& channel : channels) {
    ingest::Entry* entry = out_.find(channel);
    if (entry == nullptr) continue;
    const ingest::SourceStatus& status = entry->status();
    bytes[channel] = status.bytes;
    const auto before = bytes_.find(channel);
    const bool came = before != bytes_.end() && before->second != status.bytes;
    if (came && status.state == ingest::SourceState::receiving && !ours.contains(channel) &&
        !ours_.contains(channel))
      out_.heard(channel);
  }
  bytes_ = std::move(bytes);
  ours_ = std::move(ours);
}

}  // namespace headgate::bridge::srt

#include "dataplane/bridge/srt/arrivals.h"

#include <chrono>

namespace headgate::bridge::srt {
namespace {

void set_state(ingest::Entry& entry, ingest::SourceState state) {
  ingest::SourceStatus& status = entry.status();
  if (status.state == state) return;
  status.state = state;
  status.since_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                        std::chrono::system_clock::now().time_since_epoch())
                        .count();
}

// Between two connections.
ingest::SourceState idle_state(const ingest::Entry& entry) {
  return entry.input().kind == protocol::SourceKind::srt_caller ? ingest::SourceState::connecting
                                                                : ingest::SourceState::waiting;
}

}  // namespace

void Arrivals::take(std::vector<Arrival> arrivals) {
  for (Arrival& arrival : arrivals) {
    std::visit([this](auto& one) { on(one); }, arrival);
  }
}

void Arrivals::add_input(InputId input, ingest::Entry& entry) {
  inputs_[input] = &entry;
  set_state(entry, idle_state(entry));
}

void Arrivals::remove_input(InputId input) {
  ingest::Entry* entry = entry_of(input);
  if (entry == nullptr) return;
  const auto attached = std::erase_if(
      connections_, [&](const auto& one) { return one.second.input == input && !displaced(one.second); });
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

ingest::Entry* Arrivals::entry_of(InputId input) const {
  const auto found = inputs_.find(input);
  return found == inputs_.end() ? nullptr : found->second;
}

// A source of another protocol took the place while this one was silent.
bool Arrivals::displaced(const Connection& connection) const {
  return connection.entry->status().peer != connection.peer;
}

// A publisher that is on its way out, or that the entry found silent, leaves its place.
void Arrivals::make_way(const ingest::Entry& entry) {
  std::erase_if(connections_, [&](const auto& one) {
    if (one.second.entry != &entry) return false;
    out_.close(one.first, "another publisher took its place");
    return true;
  });
}

void Arrivals::on(const Connected& arrival) {
  ingest::Entry* entry = arrival.input == 0 ? out_.find(arrival.channel) : entry_of(arrival.input);
  if (entry == nullptr) {
    out_.close(arrival.connection, "its channel is gone");
    return;
  }
  for (const auto& [id, before] : connections_) {
    if (before.entry == entry && before.ending && !displaced(before)) {
      entry->detach("");
      make_way(*entry);
      break;
    }
  }
  if (!entry->attach(arrival.peer)) {
    out_.refused(arrival.peer, entry->channel());
    out_.close(arrival.connection, "another publisher has the channel");
    return;
  }
  make_way(*entry);
  ingest::SourceStatus& status = entry->status();
  status.peer = arrival.peer;
  status.error.clear();
  set_state(*entry, ingest::SourceState::receiving);
  connections_.emplace(arrival.connection, Connection{entry, arrival.input, arrival.peer});
}

void Arrivals::on(Received& arrival) {
  arrival.backlog->fetch_sub(arrival.bytes.size(), std::memory_order_relaxed);
  const auto found = connections_.find(arrival.connection);
  if (found == connections_.end()) return;
  const Connection& connection = found->second;
  if (displaced(connection)) {
    connections_.erase(found);
    out_.close(arrival.connection, "another publisher took its place");
    return;
  }
  if (arrival.gap) connection.entry->on_gap();
  connection.entry->on_ts(arrival.bytes);
}

void Arrivals::on(const Ending& arrival) {
  const auto found = connections_.find(arrival.connection);
  if (found != connections_.end()) found->second.ending = true;
}

void Arrivals::on(const Ended& arrival) {
  const auto found = connections_.find(arrival.connection);
  if (found == connections_.end()) return;
  const Connection connection = found->second;
  connections_.erase(found);
  if (displaced(connection)) return;
  connection.entry->detach(arrival.error);
  set_state(*connection.entry, idle_state(*connection.entry));
}

void Arrivals::on(const Trying& arrival) {
  if (ingest::Entry* entry = entry_of(arrival.input); entry != nullptr)
    set_state(*entry, ingest::SourceState::connecting);
}

void Arrivals::on(const Failed& arrival) {
  ingest::Entry* entry = entry_of(arrival.input);
  if (entry == nullptr) return;
  entry->failed(arrival.error);
  // A port of its own refuses one caller while it serves another.
  if (entry->status().state != ingest::SourceState::receiving) set_state(*entry, idle_state(*entry));
}

void Arrivals::on(const Measured& arrival) {
  const auto found = connections_.find(arrival.connection);
  if (found == connections_.end() || displaced(found->second)) return;
  ingest::SourceStatus& status = found->second.entry->status();
  for (const auto& [name, value] : arrival.details) status.details[name] = value;
  for (const auto& [reason, count] : arrival.drops) status.drops[reason] += count;
}

void Arrivals::look_for_others(const std::vector<std::string>& channels) {
  std::map<std::string, std::uint64_t> bytes;
  std::set<std::string> ours;
  for (const auto& [id, connection] : connections_) {
    if (connection.input == 0 && !displaced(connection)) ours.insert(connection.entry->channel());
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

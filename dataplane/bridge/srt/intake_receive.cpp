// Taking what came, and measuring it.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "dataplane/bridge/srt/budget.h"
#include "dataplane/bridge/srt/intake_parts.h"
#include "dataplane/bridge/srt/status.h"
#include "mpegts/packet/types.h"

namespace headgate::bridge::srt {
namespace {

constexpr int kMostAtOnce = 4096;                 // messages of a connection before the next one's turn
constexpr std::int64_t kMaxSilence = 30'000'000;  // us
constexpr std::int64_t kTellGate = 100'000;       // us
constexpr std::uint32_t kSequenceMask = 0x7fffffff;

}  // namespace

void Intake::read(Connection& connection, std::int64_t now_us) {
  std::array<std::uint8_t, 2048> buffer;
  for (int taken = 0; taken < kMostAtOnce; ++taken) {
    SRT_MSGCTRL control = srt_msgctrl_default;
    const int size = srt_recvmsg2(connection.socket, reinterpret_cast<char*>(buffer.data()),
                                  static_cast<int>(buffer.size()), &control);
    if (size <= 0) {
      const bool over = size < 0 && srt_getlasterror(nullptr) != SRT_EASYNCRCV;
      if (over && connection.broken_us == 0) breaks(connection, now_us);
      break;
    }
    connection.last_us = now_us;
    take(connection, buffer.data(), size, control);
  }
  if (connection.broken_us != 0 || connection.last_us - connection.told_us < kTellGate) return;
  connection.told_us = connection.last_us;
  if (connection.input == 0) {
    gate_->heard(connection.stats.channel, connection.last_us);
  } else if (const auto port = ports_.find(connection.input); port != ports_.end()) {
    const std::lock_guard lock(port->second->door->mutex);
    port->second->door->heard_us = connection.last_us;
  }
}

void Intake::take(Connection& connection, const std::uint8_t* data, int size, const SRT_MSGCTRL& control) {
  // A message may be several packets, and both numbers wrap: there is a gap where neither goes on.
  const auto sequence = static_cast<std::uint32_t>(control.pktseq);
  const std::uint32_t step = (sequence - static_cast<std::uint32_t>(connection.sequence)) & kSequenceMask;
  const bool goes_on = step == 1 || control.msgno == connection.message + 1;
  if (connection.sequence >= 0 && control.pktseq >= 0 && !goes_on) {
    connection.gap = true;
    connection.stats.missing_packets += step - 1;
  }
  connection.sequence = control.pktseq;
  connection.message = control.msgno;
  if (connection.gap) {
    flush(connection);
    connection.batch_gap = true;
    connection.gap = false;
  }
  connection.batch.insert(connection.batch.end(), data, data + size);
  connection.stats.bytes += static_cast<std::uint64_t>(size);
  ++connection.stats.messages;
}

void Intake::flush(Connection& connection) {
  if (connection.batch.empty()) return;
  const std::size_t size = connection.batch.size();
  if (connection.backlog->load(std::memory_order_relaxed) + size > kMaxBacklog) {
    connection.overrun += size / mpegts::kPacketSize;
    connection.batch.clear();
    connection.gap = true;
    return;
  }
  connection.backlog->fetch_add(size, std::memory_order_relaxed);
  tell(Received{connection.id, std::exchange(connection.batch_gap, false),
                std::exchange(connection.batch, {}), connection.backlog});
}

void Intake::measure_all(std::int64_t now_us) {
  std::vector<ConnectionId> silent;
  for (auto& [id, connection] : connections_) {
    if (connection->broken_us != 0) continue;
    measure(*connection);
    if (now_us - connection->last_us > kMaxSilence) silent.push_back(id);
  }
  for (const ConnectionId id : silent) {
    const SessionStats& stats = connections_.at(id)->stats;
    if (connections_.at(id)->input == 0)
      gate_->refuse(Refusal::silent_publisher, stats.address, stats.stream_id);
    end(id, "nothing sent for 30 s", "nothing sent for 30 s: closed");
  }
  // Whose handshake libsrt ended had the wrong passphrase.
  for (auto& [input, port] : ports_) {
    const InputId at = input;
    const std::lock_guard lock(port->door->mutex);
    std::erase_if(port->door->let_in, [&](const PortDoor::Knock& knock) {
      if (srt_getsockstate(knock.socket) < SRTS_BROKEN && now_us - knock.at_us < 3'000'000) return false;
      gate_->refuse(Refusal::secret, knock.address, "");
      tell(Failed{at, knock.address + ": its passphrase is wrong or missing"});
      return true;
    });
  }
}

void Intake::publish() {
  std::vector<SessionStats> sessions;
  for (const auto& [id, connection] : connections_) {
    if (connection->input == 0) sessions.push_back(connection->stats);
  }
  gate_->set_publishers(sessions.size());
  const std::lock_guard lock(mutex_);
  published_ = std::move(sessions);
}

void Intake::measure(Connection& connection) {
  SRT_TRACEBSTATS figures{};
  if (srt_bistats(connection.socket, &figures, 0, 1) == SRT_ERROR) return;
  SessionStats& stats = connection.stats;
  const auto since = [](std::uint64_t now, std::uint64_t& then) { return now - std::exchange(then, now); };
  stats.rtt_ms = figures.msRTT;
  stats.bandwidth_mbps = figures.mbpsBandwidth;
  stats.bits_per_second = 8 * since(stats.bytes, connection.bytes_then);
  stats.lost_packets = static_cast<std::uint64_t>(figures.pktRcvLossTotal);
  stats.retransmitted_packets = static_cast<std::uint64_t>(figures.pktRcvRetrans);
  stats.undecrypted_packets = static_cast<std::uint64_t>(figures.pktRcvUndecryptTotal);
  // libsrt counts those that it could not decrypt among the dropped.
  stats.dropped_packets = static_cast<std::uint64_t>(figures.pktRcvDropTotal) - stats.undecrypted_packets;
  stats.buffer_ms = static_cast<std::uint32_t>(figures.msRcvBuf);
  stats.buffer_bytes = static_cast<std::uint32_t>(figures.byteRcvBuf);
  Measured out;
  out.connection = connection.id;
  out.details = details_of(stats);
  const std::map<std::string, std::uint64_t> drops{
      {"srt_late", since(stats.dropped_packets, connection.late_then)},
      {"srt_undecrypted", since(stats.undecrypted_packets, connection.undecrypted_then)},
      {"srt_backlog", since(connection.overrun, connection.overrun_then)}};
  for (const auto& [reason, count] : drops) {
    if (count > 0) out.drops[reason] = count;
  }
  tell(std::move(out));
}

}  // namespace headgate::bridge::srt

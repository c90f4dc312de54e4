// One turn of a connection: bytes between its transport and what speaks RTMP over it (Session, Client), so
// much at most that none keeps the others waiting. Included by this folder's sources alone. Threading: as the
// connection.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <span>

#include "dataplane/bridge/net/transport.h"
#include "dataplane/bridge/rtmp/player.h"

namespace headgate::bridge::rtmp {

inline constexpr std::size_t kSendTurn = 4 * 1024 * 1024;
inline constexpr std::size_t kReadTurn = 256 * 1024;

// Sends what there is. `done`: nothing more, or the turn is over (kSendTurn bytes); else why it stopped.
template <typename Speaker>
net::Transport::Transfer send_turn(net::Transport& transport, Speaker& speaker,
                                   std::chrono::steady_clock::time_point now) {
  using Status = net::Transport::Status;
  net::Transport::Transfer turn;
  Gather gather;
  while (turn.status == Status::done && turn.bytes < kSendTurn && !speaker.over()) {
    const bool more = speaker.gather(gather);
    if (!more && !transport.waiting()) break;
    const auto put = transport.write(more ? gather.buffers() : std::span<const iovec>());
    turn.status = put.status;
    turn.bytes += put.bytes;
    const bool broken = put.status == Status::failed || put.status == Status::closed;
    if (put.bytes > 0 && !broken) speaker.on_sent(now, put.bytes);
    if (put.status == Status::want_write) speaker.on_blocked(now);
  }
  return turn;
}

// Hands on what came until `on_bytes` returns false. `done`: the turn is over, or was stopped so; more may be
// there, in TLS, for which the socket wakes nobody.
template <typename OnBytes>
net::Transport::Transfer read_turn(net::Transport& transport, OnBytes on_bytes) {
  using Status = net::Transport::Status;
  std::array<std::uint8_t, 32 * 1024> bytes;
  net::Transport::Transfer turn;
  while (turn.status == Status::done && turn.bytes < kReadTurn) {
    const auto got = transport.read(bytes);
    turn.status = got.status;
    turn.bytes += got.bytes;
    if (got.bytes > 0 && !on_bytes(std::span<const std::uint8_t>(bytes).first(got.bytes))) return {};
  }
  return turn;
}

}  // namespace headgate::bridge::rtmp

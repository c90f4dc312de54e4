// What a connection may cost: memory that libsrt keeps for it, bandwidth that it may take. References: libsrt
// API socket options (SRTO_SNDBUF, SRTO_RCVBUF, SRTO_FC, SRTO_MAXBW, SRTO_OHEADBW). Threading: pure
// functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace headgate::bridge::srt {

inline constexpr int kMessageBytes = 7 * 188;
inline constexpr int kPacketOnWire = 1500;
inline constexpr int kUdpBuffer = 4 * 1024 * 1024;  // the kernel may give less
// A ceiling above what the sending thread lets libsrt keep for a receiver (buffer_limit()).
inline constexpr int kSendCeiling = 48 * 1024 * 1024;

// What libsrt may keep of what comes in, not yet due or not yet whole.
struct ReceiveRoom {
  int packets = 0;  // SRTO_FC, which goes before SRTO_RCVBUF
  int bytes = 0;    // SRTO_RCVBUF
};
// Of a receiver, which has nothing to say: what it sends is kept up to this and thrown away.
inline constexpr ReceiveRoom kNoReceiving{64, 64 * kPacketOnWire};
// Of a sender: latency and a second more at 40 Mb/s, within limits.
ReceiveRoom receive_room(std::uint32_t latency_ms);

// What libsrt may keep for a receiver: 2 x latency x rate, within limits.
std::size_t buffer_limit(std::int64_t latency_ms, std::int64_t bytes_per_second);

// Bytes a second that libsrt may send to a receiver, lost packets included (SRTO_MAXBW); 0: rate not known
// yet.
std::int64_t max_bandwidth(std::int64_t bytes_per_second);

}  // namespace headgate::bridge::srt
